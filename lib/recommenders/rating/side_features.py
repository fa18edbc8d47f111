"""What is known of users and movies beside the ratings, as sparse feature rows."""

import numpy as np
import pandas as pd
from scipy import sparse

from lib.recommenders.data import genre_flags, genre_names
from lib.recommenders.rating.entities import Catalogue
from lib.schema import AGE, GENDER, OCCUPATION, RELEASE_YEAR, ZIP

AGE_EDGES = np.array([18, 21, 25, 30, 35, 40, 45, 50, 56])  # years
YEAR_BINS = 18  # bins of release years with about equally many movies
USER_WEIGHT = 0.5  # scale of demographic flags beside an implicit row of length 1
YEAR_WEIGHT = 0.7
SECONDS_PER_DAY = 86_400


def normalised(seen: sparse.csr_array) -> sparse.csr_array:
    """Each row divided by the root of its number of entries, so of length 1."""
    sizes = np.maximum(np.diff(seen.indptr), 1)
    return sparse.csr_array(sparse.diags_array(1 / np.sqrt(sizes)) @ seen)


def demographic_flags(frame: pd.DataFrame, known: pd.DataFrame) -> sparse.csr_array:
    """Age group, gender, occupation and first character of the zip code as flags.

    Args:
        frame: rows to encode, with age, gender, occupation, zip.
        known: the users whose values give the columns; other values have no flag.

    Returns:
        Rows of USER_WEIGHT and zero, (len(frame), columns).
    """
    ages = pd.to_numeric(frame[AGE], errors="coerce").to_numpy(float, na_value=np.nan)
    groups = np.where(np.isnan(ages), -1, np.digitize(ages, AGE_EDGES))
    blocks = [groups[:, None] == np.arange(len(AGE_EDGES) + 1)]
    for column, text in (
        (GENDER, _whole),
        (OCCUPATION, _whole),
        (ZIP, _first_character),
    ):
        words = np.unique(text(known[column]))
        words = words[words != ""]
        blocks.append(text(frame[column])[:, None] == words)
    return sparse.csr_array(np.hstack(blocks) * USER_WEIGHT)


def movie_flags(movies: pd.DataFrame) -> sparse.csr_array:
    """Genres (each row of length 1) and the bin of the release year as flags."""
    genres = genre_flags(movies, genre_names(movies)).astype(float)
    genres /= np.sqrt(np.maximum(genres.sum(axis=1, keepdims=True), 1))
    years = movies[RELEASE_YEAR].to_numpy(float, na_value=np.nan)
    bins = np.zeros((len(movies), 0))
    if np.isfinite(years).any():
        shares = np.linspace(0, 1, YEAR_BINS + 1)[1:-1]
        edges = np.unique(np.nanquantile(years, shares, method="nearest"))
        place = np.where(np.isnan(years), -1, np.digitize(years, edges))
        bins = (place[:, None] == np.arange(len(edges) + 1)) * YEAR_WEIGHT
    return sparse.csr_array(np.hstack([genres, bins]))


def features(catalogue: Catalogue, history: bool, side: bool) -> list[tuple]:
    """Intercept, then what is known beside the ratings, then who rated what.

    Args:
        catalogue: users, movies, and who rated what.
        history: whether the last part is wanted.
        side: whether demographics, genres and year are wanted.

    Returns:
        For users and for movies: features, sparse (entities, columns), and how many
        columns do not come from ratings.
    """
    users, seen = catalogue.users, catalogue.seen
    known = [None if users is None else demographic_flags(users, users)]
    known.append(movie_flags(catalogue.movies))
    result = []
    for flags, rows in zip(known, (seen, sparse.csr_array(seen.T)), strict=True):
        blocks = [sparse.csr_array(np.ones((rows.shape[0], 1)))]
        blocks += [flags] if side and flags is not None else []
        own = sum(block.shape[1] for block in blocks)
        blocks += [normalised(rows)] if history else []
        result.append((sparse.csr_array(sparse.hstack(blocks)), own))
    return result


def day_keys(u: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A number for the day, and one for the user on that day, per row (int64)."""
    days = np.asarray(times, dtype=np.int64) // SECONDS_PER_DAY
    return days, (np.asarray(u, dtype=np.int64) << 32) + days


def _whole(values: pd.Series) -> np.ndarray:
    return values.fillna("").astype(str).to_numpy(dtype=str)


def _first_character(values: pd.Series) -> np.ndarray:
    return _whole(values.astype(str).str[:1].where(values.notna(), ""))
