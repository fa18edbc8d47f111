"""Item-to-item models: popularity, nearest neighbours and EASE.

All three are one matrix product: scores = X B, with X the (users, movies) matrix of
watched movies and B a (movies, movies) matrix of weights.
"""

import numpy as np
import scipy.sparse as sp

from lib.errors import UserError
from lib.recommenders.ranking.histories import Histories, batches
from lib.recommenders.ranking.model import RankingModel

MAX_ITEMS = 20_000  # a dense movies × movies matrix of float32 then takes 1.6 GB
ROWS_AT_ONCE = 1024  # movies whose similarities to all others are dense at one time


def _check_size(n_items: int, name: str) -> None:
    if n_items > MAX_ITEMS:
        raise UserError(
            f"{name} needs a table of {n_items} × {n_items} movies; expected at most "
            f"{MAX_ITEMS} movies: take a smaller data set or another model"
        )


class TopPop(RankingModel):
    """The most watched movies first, the same for every user."""

    name = "top_pop"

    def fit(self, train: Histories) -> "TopPop":
        """Counts the users of each movie."""
        self.train = train
        self.counts = np.bincount(train.items, minlength=train.n_items).astype(float)
        return self

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Number of users of each movie: (len(users), movies) float64."""
        return np.tile(self.counts, (len(users), 1))


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
        norm = np.sqrt(np.bincount(train.items, minlength=train.n_items))
        norm = norm.astype("float32")
        parts = [
            self._neighbours(rows, norm)
            for rows in batches(np.arange(train.n_items), ROWS_AT_ONCE)
        ]
        self.weights = sp.vstack(parts).T.tocsr()  # column i: the neighbours of i
        return self

    def _neighbours(self, rows: np.ndarray, norm: np.ndarray) -> sp.csr_matrix:
        """The k most similar movies of some movies: sparse (rows, movies)."""
        together = (self.x.T[rows] @ self.x).toarray()
        together[np.arange(len(rows)), rows] = 0  # no movie is its own neighbour
        similar = together / (np.outer(norm[rows], norm) + self.shrink + 1e-9)
        k = min(self.k, len(norm))
        best = np.argpartition(-similar, k - 1, axis=1)[:, :k]
        values = np.take_along_axis(similar, best, axis=1)
        starts = np.arange(len(rows) + 1) * k
        kept = (values.ravel(), best.ravel(), starts)
        return sp.csr_matrix(kept, shape=(len(rows), len(norm)))

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Summed similarities: (len(users), movies) float32."""
        return (self.x[users] @ self.weights).toarray()


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
        """Inverts one matrix, (users, users) or (movies, movies), the smaller one."""
        _check_size(train.n_items, self.name)
        self.train, self.x = train, train.matrix()
        weights = self._inverse()
        weights /= -weights.diagonal()
        np.fill_diagonal(weights, 0)
        self.weights = weights.astype("float32", copy=False)
        return self

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
