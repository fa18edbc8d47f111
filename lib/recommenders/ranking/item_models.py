"""Item-to-item models: popularity, nearest neighbours, random walks and EASE.

But for popularity all are one matrix product: scores = X B, with X the (users, movies)
matrix of watched movies and B a (movies, movies) matrix of weights.
"""

import numpy as np
import scipy.sparse as sp

from lib.errors import UserError
from lib.recommenders.ranking.histories import Histories, batches
from lib.recommenders.ranking.model import RankingModel

DAY = 86_400  # seconds
SMALLEST = 0.1  # requests that a movie has anyway, so that every share has a logarithm
MOST_GB = 8.0  # what a dense movies × movies table and its inverse may take
ROWS_AT_ONCE = 1024  # movies whose similarities to all others are dense at one time


class DoesNotFit(UserError):
    """A model needs more memory than `MOST_GB`.

    Args:
        name: of the model.
        n_items: number of movies.
        needed: gigabytes.
    """

    def __init__(self, name: str, n_items: int, needed: float):
        self.short = f"does not fit: needs {needed:.0f} GB"
        super().__init__(
            f"{name} {self.short} for a table of {n_items:,} × {n_items:,} movies; "
            f"expected at most {MOST_GB:.0f} GB: take fewer movies or another model"
        )


class RecentPop(RankingModel):
    """The movies watched most of late.

    Args:
        days: only the last days of the training count, all alike; 0 for all.
        half_life: days after which a request counts half; 0 for never.
    """

    name = "recent_pop"

    def __init__(self, days: float = 0, half_life: float = 0):
        self.days, self.half_life = days, half_life

    def fit(self, train: Histories) -> "RecentPop":
        """Sums the weights of each movie's requests; ages count from the last one."""
        self.train = train
        age = (train.times.max() - train.times) / DAY
        weights = 0.5 ** (age / self.half_life) if self.half_life else np.ones(len(age))
        if self.days:
            weights = weights * (age < self.days)
        counts = np.bincount(train.items, weights, minlength=train.n_items)
        self.shares = (counts + SMALLEST) / (counts + SMALLEST).sum()
        return self

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Share of each movie, the same for everybody: (len(users), movies) float64."""
        return np.tile(self.shares, (len(users), 1))


class TopPop(RecentPop):
    """The most watched movies first, of all days alike."""

    name = "top_pop"


class ItemKNN(RankingModel):
    """Sum of the cosine similarities to the user's movies (Sarwar et al., 2001).

    Args:
        k: neighbours kept per movie.
        shrink: added to the denominator, so that two rare movies that share one user
            do not count as twins.
    """

    name = "item_knn"

    def __init__(self, k: int = 100, shrink: float = 0.0):
        self.k, self.shrink = k, shrink

    def fit(self, train: Histories) -> "ItemKNN":
        """Computes the similarities: cos(i, j) = |Ui ∩ Uj| / (sqrt(|Ui||Uj|) + s)."""
        self.train, self.x = train, train.matrix()
        counts = np.bincount(train.items, minlength=train.n_items)
        self.counts = counts.astype("float32")  # |Ui| of each movie
        parts = [
            self._neighbours(rows)
            for rows in batches(np.arange(train.n_items), ROWS_AT_ONCE)
        ]
        self.weights = sp.vstack(parts).T.tocsr()  # column i: the neighbours of i
        return self

    def _similar(self, rows: np.ndarray) -> np.ndarray:
        """Similarities of some movies to all: (len(rows), movies) float32."""
        norm = np.sqrt(self.counts)
        together = (self.x.T[rows] @ self.x).toarray()
        return together / (np.outer(norm[rows], norm) + self.shrink + 1e-9)

    def _neighbours(self, rows: np.ndarray) -> sp.csr_matrix:
        """The k most similar movies of some movies: sparse (rows, movies)."""
        similar = self._similar(rows)
        similar[np.arange(len(rows)), rows] = 0  # no movie is its own neighbour
        k = min(self.k, similar.shape[1])
        best = np.argpartition(-similar, k - 1, axis=1)[:, :k]
        values = np.take_along_axis(similar, best, axis=1)
        starts = np.arange(len(rows) + 1) * k
        kept = (values.ravel(), best.ravel(), starts)
        return sp.csr_matrix(kept, shape=similar.shape)

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Summed similarities: (len(users), movies) float32."""
        return (self.x[users] @ self.weights).toarray()


class RP3beta(ItemKNN):
    """Random walks of three steps: movie → user → movie (Paudel et al., TiiS 2017).

    The probability of a walk from movie i over a user to movie j, damped by α, and
    divided by the popularity of j to the power β:

        w(i, j) = Σ_u (1/|Ui| · 1/|Iu|)^α / |Uj|^β

    Args:
        k: movies i kept per movie j.
        alpha: 1 for plain probabilities; below, rare paths count more.
        beta: 0 for none; the higher, the less the popular movies are recommended.
    """

    name = "rp3beta"

    def __init__(self, k: int = 100, alpha: float = 1.0, beta: float = 0.5):
        super().__init__(k)
        self.alpha, self.beta = alpha, beta

    def _similar(self, rows: np.ndarray) -> np.ndarray:
        lengths = np.maximum(self.train.lengths, 1).astype("float32")
        walks = sp.diags_array(lengths**-self.alpha) @ self.x  # users' second step
        counts = np.maximum(self.counts, 1)
        together = (self.x.T[rows] @ walks).toarray()
        return together / counts**self.alpha / counts[rows, None] ** self.beta


class EASE(RankingModel):
    """Ridge regression of each movie on all others (Steck, WWW 2019).

    B minimises |X - XB|² + λ|B|² with a zero diagonal: with P = (XᵀX + λI)⁻¹ it is
    B_ij = -P_ij / P_jj.

    Args:
        reg: λ, in units of "users who watched both".
    """

    name = "ease"

    def __init__(self, reg: float = 500.0):
        self.reg = reg

    def fit(self, train: Histories) -> "EASE":
        """Inverts one matrix, (users, users) or (movies, movies), the smaller one.

        Raises:
            DoesNotFit: the matrices need more than `MOST_GB`.
        """
        needed = self.gigabytes(train)
        if needed > MOST_GB:
            raise DoesNotFit(self.name, train.n_items, needed)
        self.train, self.x = train, train.matrix()
        weights = self._inverse()
        weights /= -weights.diagonal()
        np.fill_diagonal(weights, 0)
        self.weights = weights.astype("float32", copy=False)
        return self

    @staticmethod
    def gigabytes(train: Histories) -> float:
        """Memory of a fit: two dense tables of 8 bytes a cell, and one of 4."""
        return 20 * train.n_items**2 / 1e9

    def _inverse(self) -> np.ndarray:
        """P = (XᵀX + λI)⁻¹, by Woodbury's (I - Xᵀ(XXᵀ + λI)⁻¹X) / λ for few users."""
        x = self.x.astype("float64")
        few_users = x.shape[0] < x.shape[1]
        gram = (x @ x.T if few_users else x.T @ x).toarray()
        gram[np.diag_indices_from(gram)] += self.reg
        if not few_users:
            return np.linalg.inv(gram)
        inverse = x.T @ -np.linalg.solve(gram, x.toarray())
        inverse[np.diag_indices_from(inverse)] += 1
        inverse /= self.reg
        return inverse

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Predicted entries of X: (len(users), movies) float32."""
        return self.x[users] @ self.weights
