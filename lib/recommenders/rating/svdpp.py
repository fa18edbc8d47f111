"""SVD++ with the Surprise library."""

import os
import tempfile

import numpy as np
import pandas as pd

from lib.recommenders.rating.model import RatingModel
from lib.schema import MOVIE, RATING, USER


class SVDpp(RatingModel):
    """rating(u, i) = μ + b_u + b_i + q_i · (p_u + |N(u)|^−½ Σ_{j∈N(u)} y_j).

    Surprise trains it by stochastic gradient descent; its own `predict` takes one pair
    at a time, so the factors are copied out and the sum over the user's movies N(u),
    which is the same for every movie, is formed once per user.

    Reference: Koren, "Factorization meets the neighborhood", KDD 2008, equation 15.
    """

    name = "svdpp"
    defaults = {"rank": 20, "epochs": 20, "seed": 0}

    def _fit(self, ratings: pd.DataFrame) -> None:
        # On import Surprise makes a folder for its downloads, in the home folder unless
        # told of another; nothing is downloaded here, so one that exists will do.
        os.environ.setdefault("SURPRISE_DATA_FOLDER", tempfile.gettempdir())
        from surprise import Dataset, Reader
        from surprise import SVDpp as Algorithm

        reader = Reader(rating_scale=(self.catalogue.low, self.catalogue.high))
        frame = ratings[[USER, MOVIE, RATING]]
        train = Dataset.load_from_df(frame, reader).build_full_trainset()
        fitted = Algorithm(
            n_factors=self.settings["rank"],
            n_epochs=self.settings["epochs"],
            random_state=self.settings["seed"],
            cache_ratings=True,
        ).fit(train)
        self._copy(fitted, train)

    def _copy(self, fitted, train) -> None:
        # Surprise numbers users and movies in the order of their first row.
        raw = [train.to_raw_uid(k) for k in range(train.n_users)]
        user = np.searchsorted(self.catalogue.user_ids, raw)
        raw = [train.to_raw_iid(k) for k in range(train.n_items)]
        movie = np.searchsorted(self.catalogue.movie_ids, raw)
        users, movies = self.catalogue.seen.shape
        rank = self.settings["rank"]
        taste = np.zeros((users + 1, rank), dtype="float32")
        factors = np.zeros((movies + 1, rank), dtype="float32")
        implicit = np.zeros((movies, rank))
        b_user, b_movie = np.zeros(users + 1), np.zeros(movies + 1)
        factors[movie], b_movie[movie] = fitted.qi, fitted.bi
        implicit[movie], b_user[user] = fitted.yj, fitted.bu
        seen = self.catalogue.seen
        sizes = np.sqrt(np.maximum(np.diff(seen.indptr), 1))
        taste[:-1] = seen @ implicit / sizes[:, None]
        taste[user] += fitted.pu
        self.arrays = {
            "mean": np.array(train.global_mean),
            "user": b_user,
            "movie": b_movie,
            "taste": taste,
            "factors": factors,
        }

    def _predict(self, u, i, times):
        a = self.arrays
        taste = np.einsum("nk,nk->n", a["taste"][u], a["factors"][i])
        return a["mean"] + a["user"][u] + a["movie"][i] + taste


def unseen_against_mean(model: SVDpp) -> float:
    """What the usual top-N recipe calls its RMSE: no error of any rating.

    Every pair without a training rating is predicted and compared with the mean rating,
    which the recipe fills in for the truth it does not have. Only movies that somebody
    rated take part.

    Returns:
        RMSE in stars between the predictions and the constant mean.
    """
    rated = model.catalogue.movie_counts > 0
    total, count = 0.0, 0
    for user in model.catalogue.user_ids.tolist():
        unseen = rated.copy()
        unseen[model.catalogue.seen_by(model.position(user))] = False
        gaps = model.score_movies(user)[unseen] - model.arrays["mean"]
        total, count = total + np.sum(np.square(gaps)), count + len(gaps)
    return float(np.sqrt(total / count))
