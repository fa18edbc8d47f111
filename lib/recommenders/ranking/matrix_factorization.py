"""Factor models of watched movies: PureSVD and implicit alternating least squares."""

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from lib.errors import UserError
from lib.recommenders.ranking.histories import Histories
from lib.recommenders.ranking.model import RankingModel


class PureSVD(RankingModel):
    """Truncated singular value decomposition, zeros kept (Cremonesi et al., 2010).

    Args:
        factors: number of singular vectors; capped below the size of the matrix.
    """

    name = "pure_svd"

    def __init__(self, factors: int = 20):
        self.factors = factors

    def fit(self, train: Histories) -> "PureSVD":
        """Finds the right singular vectors V; the scores are X V Vᵀ."""
        self.train, self.x = train, train.matrix()
        factors = min(self.factors, min(self.x.shape) - 1)
        if factors < 1:
            raise UserError(
                f"pure_svd: {self.x.shape[0]} users × {self.x.shape[1]} movies; "
                "expected at least two of each"
            )
        self.vectors = svds(self.x.astype("float64"), factors, random_state=0)[2].T
        return self

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Low-rank picture of the users' rows: (len(users), movies) float64."""
        return (self.x[users] @ self.vectors) @ self.vectors.T


class IALS(RankingModel):
    """Implicit alternating least squares (Hu, Koren and Volinsky, ICDM 2008).

    Minimises, over user vectors p and movie vectors q,

        Σ_watched (p·q - 1)² + α₀ Σ_all (p·q)² + Σ_u λ_u |p_u|² + Σ_i λ_i |q_i|²

    with λ_u = reg · (|Iu| + α₀ · movies)^ν and λ_i likewise, the frequency-scaled
    regularisation of Rendle et al. (RecSys 2022): it is what makes iALS strong.

    Args:
        embedding_size: length of the vectors.
        reg: strength of the regularisation.
        alpha: α₀, the weight of the unwatched.
        nu: ν, 0 for a plain ridge, 1 for one that grows with the number of ratings.
        epochs: sweeps over users and movies.
        seed: of the first vectors.
    """

    name = "ials"

    def __init__(
        self,
        embedding_size: int = 64,
        reg: float = 0.01,
        alpha: float = 0.1,
        nu: float = 1.0,
        epochs: int = 10,
        seed: int = 0,
    ):
        self.embedding_size, self.reg, self.alpha = embedding_size, reg, alpha
        self.nu, self.epochs, self.seed = nu, epochs, seed

    def fit(self, train: Histories) -> "IALS":
        """Alternates between exact solutions for the users and for the movies."""
        self.train = train
        by_user = train.matrix()
        by_item = by_user.T.tocsr()
        rng = np.random.default_rng(self.seed)
        scale = 0.1 / np.sqrt(self.embedding_size)
        self.items = rng.normal(0, scale, (train.n_items, self.embedding_size))
        for _ in range(self.epochs):
            self.user_vectors = self._solve(by_user, self.items)
            self.items = self._solve(by_item, self.user_vectors)
        self.user_vectors = self._solve(by_user, self.items)
        return self

    def _solve(self, rows: sp.csr_matrix, fixed: np.ndarray) -> np.ndarray:
        """One ridge regression per row of `rows` on the vectors of the other side."""
        everything = self.alpha * (fixed.T @ fixed)
        lengths = np.diff(rows.indptr)
        ridge = self.reg * (lengths + self.alpha * rows.shape[1]) ** self.nu
        solved = np.zeros((rows.shape[0], self.embedding_size))
        for row in np.flatnonzero(lengths):
            known = fixed[rows.indices[rows.indptr[row] : rows.indptr[row + 1]]]
            left = everything + known.T @ known
            left[np.diag_indices_from(left)] += ridge[row]
            solved[row] = np.linalg.solve(left, known.sum(axis=0))
        return solved

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Inner products: (len(users), movies) float64."""
        return self.user_vectors[users] @ self.items.T
