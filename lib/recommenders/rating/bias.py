"""The damped bias model: what is left of a rating without any taste."""

import numpy as np
import pandas as pd

from lib.recommenders.rating.model import RatingModel
from lib.schema import RATING


class BiasModel(RatingModel):
    """rating(u, i) = μ + b_i + b_u with damped means.

    b_i = Σ_u (r_ui − μ) / (n_i + damping), then b_u = Σ_i (r_ui − μ − b_i) / (n_u +
    damping), and both again with the other's newest value (`rounds` times). Damping is
    a number of ratings at the mean that each user and movie is given beforehand.

    Reference: Koren, "Factor in the neighbors", TKDD 4(1), 2010, section 2.1.
    """

    name = "bias"
    defaults = {"damping": 5.0, "rounds": 5}

    def _fit(self, ratings: pd.DataFrame) -> None:
        u, i = self.catalogue.locate(ratings)
        values = ratings[RATING].to_numpy()
        mean = values.mean()
        # One row more than known, always zero: position UNKNOWN.
        b_user = np.zeros(len(self.catalogue.user_ids) + 1)
        b_movie = np.zeros(len(self.catalogue.movies) + 1)
        for _ in range(self.settings["rounds"]):
            b_movie = self._means(i, values - mean - b_user[u], len(b_movie))
            b_user = self._means(u, values - mean - b_movie[i], len(b_user))
        self.arrays = {"mean": np.array(mean), "user": b_user, "movie": b_movie}

    def _means(self, group: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
        counts = np.bincount(group, minlength=size) + self.settings["damping"]
        return np.bincount(group, values, size) / np.maximum(counts, 1e-9)

    def _predict(self, u, i, times):
        return self.arrays["mean"] + self.arrays["user"][u] + self.arrays["movie"][i]
