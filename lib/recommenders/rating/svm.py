"""A support vector machine as a recommender."""

import numpy as np
import pandas as pd
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import LinearSVR

from lib.recommenders.rating.model import RatingModel
from lib.recommenders.rating.pair_features import PairFeatures
from lib.schema import RATING

FOLDS = 5
CHUNK = 20_000  # pairs described at once


class SVMModel(RatingModel):
    """Support vector regression with an RBF kernel on `PairFeatures`.

    Every training row is described by features made from the other folds of the
    training rows, as a row to be predicted is described by rows it does not belong to.
    An exact RBF machine takes hours on 80,000 rows, so the kernel is approximated by
    `components` landmarks (Nyström), and the rest is a linear machine.

    References: Drucker et al., "Support vector regression machines", NIPS 1996;
    Williams and Seeger, "Using the Nyström method to speed up kernel machines",
    NIPS 2000.
    """

    name = "svm"
    defaults = {
        "components": 200,  # landmarks of the kernel approximation
        "gamma": 0.02,  # of the kernel exp(−gamma · |x − z|²), features standardised
        "cost": 1.0,  # C of the support vector machine
        "damping": 5.0,  # ratings at the mean given to every user, movie, genre, group
        "seed": 0,  # of the folds and the choice of landmarks
    }

    def _memory(self) -> float:
        # products of movies with a common rater, and the rows seen through the kernel
        seen = self.catalogue.seen
        pairs = np.square(np.diff(seen.indptr).astype(float)).sum()
        pairs = min(pairs, float(seen.shape[1]) ** 2)
        return 56 * pairs + 8 * seen.nnz * (3 * self.settings["components"] + 60)

    def _fit(self, ratings: pd.DataFrame) -> None:
        s = self.settings
        u, i = self.catalogue.locate(ratings)
        y = ratings[RATING].to_numpy()
        x = self._cross_features(u, i, y)
        centre, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
        kernel = Nystroem(
            gamma=s["gamma"],
            n_components=min(s["components"], len(x)),
            random_state=s["seed"],
        )
        mapped = kernel.fit_transform((x - centre) / scale)
        machine = LinearSVR(
            C=s["cost"], loss="squared_epsilon_insensitive", dual=False
        ).fit(mapped, y - y.mean())
        self.arrays = {
            "u": u,
            "i": i,
            "y": y,
            "centre": centre,
            "scale": scale,
            "landmarks": kernel.components_,
            # With the kernel's normalisation folded into the coefficients a prediction
            # is rbf(x, landmarks) @ weights + intercept.
            "weights": kernel.normalization_.T @ machine.coef_,
            "intercept": np.ravel(machine.intercept_) + y.mean(),
        }
        self._prepare()

    def _cross_features(self, u, i, y) -> np.ndarray:
        rng = np.random.default_rng(self.settings["seed"])
        fold = rng.permutation(len(y)) % FOLDS
        x = np.empty((len(y), len(PairFeatures.FEATURES)))
        for k in range(FOLDS):
            rest, own = fold != k, fold == k
            made = self._made_from(u[rest], i[rest], y[rest])
            x[own] = made.of(u[own], i[own])
        return x

    def _made_from(self, u, i, y) -> PairFeatures:
        return PairFeatures(self.catalogue, u, i, y, self.settings["damping"])

    def _prepare(self) -> None:
        self.features = self._made_from(*(self.arrays[name] for name in "uiy"))

    def _predict(self, u, i, times):
        a = self.arrays
        result = np.empty(len(i))
        for start in range(0, len(i), CHUNK):
            rows = slice(start, start + CHUNK)
            x = (self.features.of(u[rows], i[rows]) - a["centre"]) / a["scale"]
            kernel = rbf_kernel(x, a["landmarks"], self.settings["gamma"])
            result[rows] = kernel @ a["weights"] + a["intercept"]
        return result

    def _load_more(self, folder):
        self._prepare()
