"""Inputs of the rating networks: one table per entity, one column block per input.

Every table has one row per position of the catalogue and a last row for the unknown
user or movie, so that position UNKNOWN (−1) picks it. Categories are numbered from 1;
0 (OOV) stands for a value that the data set does not hold.
"""

import numpy as np
import pandas as pd

from lib.recommenders.data import genre_flags, genre_names
from lib.recommenders.rating.entities import Catalogue
from lib.schema import AGE, GENDER, GENRES, OCCUPATION, RELEASE_YEAR, ZIP

OOV = 0
GENDERS = ("F", "M")
CODED = {"zip": ZIP, "occupation": OCCUPATION, "gender_code": GENDER}


def vocabulary(values: pd.Series) -> pd.Index:
    """The distinct values of a column, sorted, as text."""
    return pd.Index(np.unique(values.dropna().astype(str).to_numpy(dtype=str)))


def encode(words: pd.Index, values: pd.Series) -> np.ndarray:
    """Codes of the values, 1 … len(words), OOV for others; int32 (rows,)."""
    text = values.astype(str).where(values.notna(), "").to_numpy(dtype=str)
    return (words.get_indexer(text) + 1).astype("int32")


class Encoder:
    """Tables of network inputs for all users and movies of a catalogue.

    Attributes:
        user: zip, occupation, gender_code (codes), age (0–1, youngest to oldest),
            gender (2 flags), each (users + 1, …).
        movie: year, genre (code of the first genre), genres (flags), (movies + 1, …).
        sizes: number of codes of each coded input.
    """

    def __init__(self, catalogue: Catalogue):
        users = catalogue.users
        if users is None:  # nothing is known: everybody looks the same
            columns = [AGE, GENDER, OCCUPATION, ZIP]
            users = pd.DataFrame(index=catalogue.user_ids, columns=columns)
        self.words = {name: vocabulary(users[c]) for name, c in CODED.items()}
        ages = users[AGE].dropna().to_numpy(float)
        ages = ages if len(ages) else np.zeros(1)
        self.youngest, self.oldest = ages.min(), ages.max()
        self.typical = np.median(ages)
        self.user = _with_unknown(self.encode_users(users))
        self.user["age"][-1] = self._scaled(np.array([self.typical]))
        self.movie, sizes = _movie_table(catalogue.movies)
        self.sizes = {n: len(words) + 1 for n, words in self.words.items()} | sizes

    def encode_users(self, users: pd.DataFrame) -> dict[str, np.ndarray]:
        """Inputs of users given as rows with age, gender, occupation, zip."""
        ages = users[AGE].astype(float).fillna(self.typical).to_numpy(float)
        gender = users[GENDER].fillna("").to_numpy(dtype=str)
        codes = {name: encode(self.words[name], users[c]) for name, c in CODED.items()}
        return codes | {
            "age": self._scaled(ages),
            "gender": (gender[:, None] == np.array(GENDERS)).astype("float32"),
        }

    def _scaled(self, ages: np.ndarray) -> np.ndarray:
        span = max(self.oldest - self.youngest, 1.0)
        return ((ages - self.youngest) / span).astype("float32")[:, None]


def _movie_table(movies: pd.DataFrame):
    released = movies[RELEASE_YEAR].astype("string")
    years = vocabulary(released)
    names = genre_names(movies)
    first = movies[GENRES].fillna("").str.split("|").str[0]
    genre = vocabulary(first[first.isin(names)])
    table = {
        "year": encode(years, released),
        "genre": encode(genre, first),
        "genres": genre_flags(movies, names),
    }
    return _with_unknown(table), {"year": len(years) + 1, "genre": len(genre) + 1}


def _with_unknown(table: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Each array with a row of zeros (OOV) below it."""
    return {
        name: np.concatenate([values, np.zeros_like(values[:1])])
        for name, values in table.items()
    }
