"""What every rating model has in common: fit, predict, recommend, save, load."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib.errors import UserError
from lib.memory import free_memory
from lib.recommenders.rating.entities import UNKNOWN, Catalogue, Profile
from lib.schema import MOVIE, RATING, TIMESTAMP, TITLE, USER
from lib.text import shown_text

MODEL_FILE = "model.json"
ARRAYS_FILE = "arrays.npz"
# What a model reads: each class holds those before it
KNOWS = {
    "ratings": "ratings",
    "history": "+ who rated what",
    "features": "+ demographics and genres",
    "dates": "+ date of the row to be predicted",
}
AT_LEAST = "at_least"  # column: lower bound of a predicted rating, stars
ONE_SIDED = 1.645  # standard errors below which 5 % lie
GIGABYTE = 1e9


class TooLarge(UserError):
    """A model that does not fit in memory on this data set."""


class RatingModel:
    """Base of the rating models.

    A model fills in `_fit` and `_predict`, keeps its numbers in `self.arrays` (name →
    ndarray), and what it was built with in `self.settings` (JSON values only): its
    `defaults`, and what the caller gives in their place. Position
    UNKNOWN stands for a user or movie it has never met; as the last row of a parameter
    array it needs no special case.
    """

    name = "rating_model"
    knows_profiles = False  # whether a new user's age, gender … are enough for it
    defaults: dict[str, Any] = {}  # a model's settings, all that it takes
    catalogue: Catalogue  # once it is fitted
    history = pd.DataFrame()  # of a network: loss and val_loss of each epoch, stars²

    def __init__(self, **settings):
        """Sets the model up with its defaults, or the given values in their place.

        Raises:
            TypeError: the model has no such setting.
        """
        if unknown := settings.keys() - self.defaults.keys():
            raise TypeError(f"{self.name} has no settings {sorted(unknown)}")
        self.settings = {**self.defaults, **settings}
        self.arrays: dict[str, np.ndarray] = {}
        self.tell: Callable[[str], None] | None = None  # gets a line of progress

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
            TooLarge: it needs more memory than there is.
        """
        self.catalogue = Catalogue.build(ratings, users, movies)
        need, free = self._memory(), free_memory()
        if need > free:
            raise TooLarge(
                f"{self.name} does not fit: needs {need / GIGABYTE:,.0f} GB of memory "
                f"on this data set, {free / GIGABYTE:,.0f} GB are free; it is left out"
            )
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
            if not self.reads_profiles:
                raise UserError(
                    f"{self.name} learns nothing here from the age, gender, occupation "
                    "and zip code of a new user; give a user id of the data set"
                )
            return self._clip(self._predict_profile(user, i))
        position = self.position(user)
        return self._clip(self._predict(np.full(len(i), position), i, None))

    @property
    def reads_profiles(self) -> bool:
        """Whether a new user's form is of use to the fitted model."""
        return self.knows_profiles and self.catalogue.users is not None

    def recommend(
        self,
        user: int | Profile,
        n: int = 10,
        exclude: Iterable[int] | None = None,
        cautious: bool = True,
    ) -> pd.DataFrame:
        """The n best movies.

        A movie with few ratings may owe a high prediction to luck. So the list is in
        the order of a lower bound: predicted − 1.645 · s / √(ratings + 1), with s the
        standard deviation of all ratings: the 5 % limit of a mean of so many.

        Args:
            user: an id, or the profile of a new user.
            n: rows wanted; fewer come back when fewer are left.
            exclude: movies to leave out; None: those the user rated in training rows.
            cautious: False orders by the predicted rating itself.

        Returns:
            movieId, title (fit to be shown), rating and at_least (predicted
            stars and their lower bound), best first; equal ones by movieId.
        """
        c = self.catalogue
        scores = self.score_movies(user)
        at_least = scores - ONE_SIDED * c.spread / np.sqrt(c.movie_counts + 1)
        order = (at_least if cautious else scores).copy()
        if exclude is not None:
            order[np.isin(c.movie_ids, list(exclude))] = -np.inf
        elif not isinstance(user, Profile):
            order[c.seen_by(self.position(user))] = -np.inf
        best = np.argsort(-order, kind="stable")[:n]
        best = best[np.isfinite(order[best])]
        titles = c.movies[TITLE].iloc[best].map(shown_text).to_numpy()
        columns = {MOVIE: c.movie_ids[best], TITLE: titles, RATING: scores[best]}
        return pd.DataFrame(columns | {AT_LEAST: at_least[best]})

    def recommend_all(self, n: int = 10, cautious: bool = True) -> pd.DataFrame:
        """`recommend` for every user who rated something.

        Returns:
            userId, rank (from 1) and the columns of `recommend`, by user and rank.
        """
        active = np.flatnonzero(np.diff(self.catalogue.seen.indptr))
        parts = []
        for user in self.catalogue.user_ids[active].tolist():
            table = self.recommend(user, n, cautious=cautious)
            table.insert(0, "rank", np.arange(1, len(table) + 1))
            table.insert(0, USER, user)
            parts.append(table)
        return pd.concat(parts, ignore_index=True)

    def save(self, folder: Path) -> None:
        """Writes the model below `folder` as JSON, npz and Parquet; no pickle."""
        folder.mkdir(parents=True, exist_ok=True)
        self.catalogue.save(folder)
        np.savez_compressed(folder / ARRAYS_FILE, allow_pickle=False, **self.arrays)
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

    def position(self, user: int) -> int:
        """Position of a user id; UserError where the data do not have it."""
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

    def _memory(self) -> float:
        """Bytes that a fit needs at most, about, once the catalogue is there."""
        return 0.0

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
