"""A few telling numbers per (user, movie), made from training rows."""

import numpy as np
from scipy import sparse

from lib.recommenders.data import genre_flags, genre_names
from lib.recommenders.rating.entities import Catalogue
from lib.recommenders.rating.side_features import demographic_flags
from lib.schema import RELEASE_YEAR

NEIGHBOURS = 30  # nearest movies that vote on a pair
SHRINKAGE = 10.0  # added to the denominator of a likeness, in stars²


class PairFeatures:
    """Features of pairs, from some training rows at positions u, i with ratings y.

    FEATURES names the columns: damped means of user and movie and their sum, how many
    ratings each has, how the user differs from expectation on the movie's genres, how
    the user's group (gender, age, occupation, zip) differs on the movie, how the user
    differs on the movies most like it and how much these are like it, release year.
    """

    FEATURES = (
        "user_mean movie_mean both_means user_count movie_count genre group near "
        "near_weight year"
    ).split()

    def __init__(self, catalogue: Catalogue, u, i, y, damping: float):
        users, movies = catalogue.seen.shape
        self.damping = damping
        mean = y.mean()
        ratings = np.bincount(i, minlength=movies) + damping
        b_movie = np.bincount(i, y - mean, movies) / ratings
        ratings = np.bincount(u, minlength=users) + damping
        b_user = np.bincount(u, y - mean - b_movie[i], users) / ratings
        # The last user and movie stand for the unknown: nothing but zeros.
        self.b_user, self.b_movie = np.append(b_user, 0.0), np.append(b_movie, 0.0)
        shape = (users + 1, movies + 1)
        residual = y - mean - b_movie[i] - b_user[u]
        self.residuals = sparse.csr_array((residual, (u, i)), shape=shape)
        self.ones = sparse.csr_array((np.ones(len(y)), (u, i)), shape=shape)
        self.n_user = np.log1p(self.ones.sum(axis=1))
        self.n_movie = np.log1p(self.ones.sum(axis=0))
        table = catalogue.movies
        self.genres = _evenly(genre_flags(table, genre_names(table)))
        self.groups = np.zeros((users + 1, 1))
        if (table := catalogue.users) is not None:
            self.groups = _evenly(demographic_flags(table, table).toarray() > 0)
        self.by_genre = self._means(self.residuals @ self.genres, self.genres, False)
        self.by_group = self._means(self.residuals.T @ self.groups, self.groups, True)
        self.likeness = movie_likeness(self.residuals)
        years = catalogue.movies[RELEASE_YEAR].to_numpy(float, na_value=np.nan)
        typical = np.nanmedian(years) if np.isfinite(years).any() else 0.0
        self.years = np.append(np.where(np.isnan(years), typical, years), typical)

    def of(self, u: np.ndarray, i: np.ndarray) -> np.ndarray:
        """Features of pairs at positions u and i, float64 (n, len(FEATURES))."""
        genres, groups = self.genres[i], self.groups[u]
        likeness = self.likeness[i]
        near = likeness.multiply(self.residuals[u]).sum(axis=1)
        weight = likeness.multiply(self.ones[u]).sum(axis=1)
        columns = [
            self.b_user[u],
            self.b_movie[i],
            self.b_user[u] + self.b_movie[i],
            self.n_user[u],
            self.n_movie[i],
            (self.by_genre[u] * genres).sum(axis=1),
            (self.by_group[i] * groups).sum(axis=1),
            near / (weight + 0.5),
            np.log1p(weight),
            self.years[i],
        ]
        return np.column_stack(columns)

    def _means(self, sums, flags, transposed: bool) -> np.ndarray:
        ones = self.ones.T if transposed else self.ones
        return sums / (ones @ flags + self.damping)


def movie_likeness(residuals: sparse.csr_array) -> sparse.csr_array:
    """Positive shrunk correlations of movies, the NEIGHBOURS largest of each row.

    likeness(i, j) = Σ_u r_ui r_uj / (sqrt(Σ r_ui² Σ r_uj²) + SHRINKAGE).

    Args:
        residuals: ratings less means, sparse (users, movies), stars.

    Returns:
        Sparse (movies, movies), empty diagonal.
    """
    squares = np.sqrt(residuals.multiply(residuals).sum(axis=0))
    products = sparse.coo_array(residuals.T @ residuals)
    row, column = products.coords
    values = products.data / (squares[row] * squares[column] + SHRINKAGE)
    kept = (values > 0) & (row != column)
    row, column, values = row[kept], column[kept], values[kept]
    order = np.lexsort((-values, row))
    row, column, values = row[order], column[order], values[order]
    place = np.arange(len(row)) - np.searchsorted(row, row)
    near = place < NEIGHBOURS
    data = (values[near], (row[near], column[near]))
    return sparse.csr_array(data, shape=products.shape)


def _evenly(flags: np.ndarray) -> np.ndarray:
    """Flags of each row divided by their number, then zeros: (rows + 1, flags)."""
    flags = flags / np.maximum(flags.sum(axis=1, keepdims=True, dtype=float), 1)
    return np.vstack([flags, np.zeros((1, flags.shape[1]))])
