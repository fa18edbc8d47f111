"""What every rating model has in common: fit, predict, recommend, save, load."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from lib.errors import UserError
from lib.recommenders.rating.entities import UNKNOWN, Catalogue, Profile
from lib.schema import MOVIE, RATING, TIMESTAMP, TITLE, USER

MODEL_FILE = "model.json"
ARRAYS_FILE = "arrays.npz"


class RatingModel:
    """Base of the rating models.

    A model fills in `_fit` and `_predict`, keeps its numbers in `self.arrays` (name →
    ndarray), and what it was built with in `self.settings` (JSON values only). Position
    UNKNOWN stands for a user or movie it has never met; as the last row of a parameter
    array it needs no special case.
    """

    name = "rating_model"
    knows_profiles = False  # whether a new user's age, gender … are enough for it
    needs_users = False  # whether it cannot do without demographics

    def __init__(self, **settings):
        self.settings = settings
        self.arrays: dict[str, np.ndarray] = {}
        self.catalogue: Catalogue | None = None

    def fit(
        self, ratings: pd.DataFrame, users: pd.DataFrame | None, movies: pd.DataFrame
    ) -> "RatingModel":
        """Learns from ratings.

        Args:
            ratings: userId, movieId, rating (stars), timestamp (Unix s, UTC).
            users: userId, age, gender, occupation, zip, or None.
            movies: movieId, title, genres, release_year.

        Returns:
            The model itself.

        Raises:
            UserError: the model needs demographics and there are none.
        """
        if self.needs_users and users is None:
            raise UserError(
                f"{self.name} reads each user's age, gender, occupation and zip code, "
                "which this data set does not have; use bias, svdpp, svm or "
                "bayesian_fm, or a set with users such as ml-100k, ml-1m or sample"
            )
        self.catalogue = Catalogue.build(ratings, users, movies)
        self._fit(ratings)
        return self

    def predict(self, pairs: pd.DataFrame) -> np.ndarray:
        """Predicted ratings.

        Args:
            pairs: userId and movieId, any ids; a timestamp is used where a model knows
                what to do with it.

        Returns:
            Stars within the range of the ratings, float64 (rows,).
        """
        u, i = self.catalogue.locate(pairs)
        times = pairs[TIMESTAMP].to_numpy() if TIMESTAMP in pairs else None
        return self._clip(self._predict(u, i, times))

    def score_movies(self, user: int | Profile) -> np.ndarray:
        """Predicted ratings of every movie for one user, float64 (movies,).

        Args:
            user: an id, or the profile of somebody the data set does not hold.

        Raises:
            UserError: an id that is not in the data, or a profile that the model
                cannot read.
        """
        i = np.arange(len(self.catalogue.movies))
        if isinstance(user, Profile):
            if not self.knows_profiles or self.catalogue.users is None:
                raise UserError(
                    f"{self.name} learns nothing here from the age, gender, occupation "
                    "and zip code of a new user; give a user id of the data set"
                )
            return self._clip(self._predict_profile(user, i))
        position = self._position(user)
        return self._clip(self._predict(np.full(len(i), position), i, None))

    def recommend(
        self, user: int | Profile, n: int = 10, exclude_seen: bool = True
    ) -> pd.DataFrame:
        """The n movies with the highest predicted rating.

        Args:
            user: an id, or the profile of a new user.
            n: rows wanted; fewer come back when fewer are left.
            exclude_seen: leave out what the user rated in the training rows.

        Returns:
            movieId, title, rating (stars), best first; equal ratings by movieId.
        """
        scores = self.score_movies(user)
        if exclude_seen and not isinstance(user, Profile):
            scores[self.catalogue.seen_by(self._position(user))] = -np.inf
        best = np.argsort(-scores, kind="stable")[:n]
        best = best[np.isfinite(scores[best])]
        titles = self.catalogue.movies[TITLE].to_numpy()
        ids = self.catalogue.movie_ids
        columns = {MOVIE: ids[best], TITLE: titles[best], RATING: scores[best]}
        return pd.DataFrame(columns)

    def save(self, folder: Path) -> None:
        """Writes the model below `folder` as JSON, npz and Parquet; no pickle."""
        folder.mkdir(parents=True, exist_ok=True)
        self.catalogue.save(folder)
        np.savez_compressed(folder / ARRAYS_FILE, **self.arrays)
        self._save_more(folder)
        # Last, since its presence says that the rest is complete.
        text = json.dumps({"model": self.name, "settings": self.settings}, indent=1)
        (folder / MODEL_FILE).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "RatingModel":
        """Reads what `save` wrote; predictions are the same.

        Raises:
            UserError: no complete model there, or one of another kind.
        """
        if not (folder / MODEL_FILE).is_file():
            raise UserError(f"{folder}: no saved model there; fit and save one first")
        found = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
        if found["model"] != cls.name:
            raise UserError(f"{folder}: found {found['model']}, expected {cls.name}")
        model = cls(**found["settings"])
        model.catalogue = Catalogue.load(folder)
        with np.load(folder / ARRAYS_FILE) as arrays:
            model.arrays = dict(arrays)
        model._load_more(folder)
        return model

    def _position(self, user: int) -> int:
        pair = pd.DataFrame({USER: [user], MOVIE: [0]})
        position = int(self.catalogue.locate(pair)[0][0])
        if position == UNKNOWN:
            ids = self.catalogue.user_ids
            raise UserError(
                f"user {user} is not in the data; expected an id from {ids[0]} to "
                f"{ids[-1]}"
            )
        return position

    def _clip(self, values: np.ndarray) -> np.ndarray:
        low, high = self.catalogue.low, self.catalogue.high
        return np.clip(np.asarray(values, dtype=float), low, high)

    def _fit(self, ratings: pd.DataFrame) -> None:
        raise NotImplementedError

    def _predict(
        self, u: np.ndarray, i: np.ndarray, times: np.ndarray | None
    ) -> np.ndarray:
        raise NotImplementedError

    def _predict_profile(self, profile: Profile, i: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _save_more(self, folder: Path) -> None:
        """A place for files that are neither arrays nor settings."""

    def _load_more(self, folder: Path) -> None:
        """Reads what `_save_more` wrote."""


def root_mean_square(errors: np.ndarray) -> float:
    """RMSE = sqrt(mean(e²)), in the unit of the errors, at least 0, lower is better."""
    return float(np.sqrt(np.mean(np.square(errors))))


def rmse(model: RatingModel, rows: pd.DataFrame) -> float:
    """RMSE in stars of a model on rows with userId, movieId, rating, timestamp."""
    return root_mean_square(model.predict(rows) - rows[RATING].to_numpy())
