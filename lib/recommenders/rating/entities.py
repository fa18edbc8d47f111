"""The users and movies that a fitted model knows, and who has seen what."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from lib.schema import (
    AGE,
    GENDER,
    GENRES,
    MOVIE,
    OCCUPATION,
    RATING,
    RELEASE_YEAR,
    TITLE,
    USER,
    ZIP,
)

UNKNOWN = -1  # position of a user or movie that the model has never met


@dataclass(frozen=True)
class Profile:
    """A new user as a form would ask for one.

    Attributes:
        age: years.
        gender: "M" or "F".
        occupation: one of the data set's words, such as "student".
        zip: postal code.
    """

    age: int
    gender: str
    occupation: str
    zip: str

    def frame(self) -> pd.DataFrame:
        """The same as one row of a users table."""
        values = (self.age, self.gender, self.occupation, self.zip)
        return pd.DataFrame([values], columns=[AGE, GENDER, OCCUPATION, ZIP])


@dataclass(frozen=True)
class Catalogue:
    """Positions of users and movies, fixed when a model is fitted.

    Attributes:
        user_ids: sorted ids, position → id, shape (users,).
        movies: title, genres and release_year, one row per position, index movieId.
        users: age, gender, occupation, zip, one row per position, index userId; None
            without demographics.
        seen: 1 where a user rated a movie, sparse (users, movies).
        low, high, spread: range and standard deviation of the ratings in stars.
    """

    user_ids: np.ndarray
    movies: pd.DataFrame
    users: pd.DataFrame | None
    seen: sparse.csr_array
    low: float
    high: float
    spread: float

    @classmethod
    def build(
        cls, ratings: pd.DataFrame, users: pd.DataFrame | None, movies: pd.DataFrame
    ) -> "Catalogue":
        """Everything in the ratings, and users and movies without a rating too."""
        ids = [ratings[USER]] if users is None else [ratings[USER], users[USER]]
        user_ids = np.unique(np.concatenate(ids))
        movie_ids = np.unique(np.concatenate([ratings[MOVIE], movies[MOVIE]]))
        columns = [TITLE, GENRES, RELEASE_YEAR]
        movies = movies.drop_duplicates(MOVIE).set_index(MOVIE)[columns]
        movies = movies.reindex(movie_ids)
        if users is not None:
            columns = [AGE, GENDER, OCCUPATION, ZIP]
            users = users.set_index(USER)[columns].reindex(user_ids)
        u = np.searchsorted(user_ids, ratings[USER])
        i = np.searchsorted(movie_ids, ratings[MOVIE])
        ones = np.ones(len(ratings), dtype=np.int32)
        seen = sparse.csr_array((ones, (u, i)), shape=(len(user_ids), len(movie_ids)))
        stars = ratings[RATING].to_numpy()
        facts = (float(f(stars)) for f in (np.min, np.max, np.std))
        return cls(user_ids, movies, users, seen, *facts)

    @property
    def movie_ids(self) -> np.ndarray:
        """Sorted ids, position → id, shape (movies,)."""
        return self.movies.index.to_numpy()

    @property
    def movie_counts(self) -> np.ndarray:
        """Ratings of each movie, (movies,)."""
        return np.bincount(self.seen.indices, minlength=self.seen.shape[1])

    def locate(self, pairs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Positions of the users and movies of `pairs`; UNKNOWN where never met."""
        return (
            pd.Index(self.user_ids).get_indexer(pairs[USER]),
            self.movies.index.get_indexer(pairs[MOVIE]),
        )

    def seen_by(self, user: int) -> np.ndarray:
        """Positions of the movies that the user at a position rated."""
        return self.seen.indices[self.seen.indptr[user] : self.seen.indptr[user + 1]]

    def save(self, folder: Path) -> None:
        """Writes the tables as Parquet, the rest as npz."""
        folder.mkdir(parents=True, exist_ok=True)
        self.movies.reset_index(names=MOVIE).to_parquet(folder / "movies.parquet")
        if self.users is not None:
            self.users.reset_index(names=USER).to_parquet(folder / "users.parquet")
        sparse.save_npz(folder / "seen.npz", self.seen)
        facts = np.array([self.low, self.high, self.spread])
        np.savez_compressed(folder / "ids.npz", user_ids=self.user_ids, facts=facts)

    @classmethod
    def load(cls, folder: Path) -> "Catalogue":
        """Reads what `save` wrote."""
        users = folder / "users.parquet"
        with np.load(folder / "ids.npz") as ids:
            user_ids, facts = ids["user_ids"], ids["facts"].tolist()
        return cls(
            user_ids,
            pd.read_parquet(folder / "movies.parquet").set_index(MOVIE),
            pd.read_parquet(users).set_index(USER) if users.is_file() else None,
            sparse.csr_array(sparse.load_npz(folder / "seen.npz")),
            *facts,
        )
