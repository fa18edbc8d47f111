"""Random draws that the Gibbs sampler is made of. Everything is vectorised."""

import numpy as np
from scipy import sparse
from scipy.special import ndtr, ndtri
from scipy.stats import wishart

TINY = 1e-12


def draw_normals(precision: np.ndarray, linear: np.ndarray, rng) -> np.ndarray:
    """One draw of N(P⁻¹ b, P⁻¹) for each of many small systems.

    Args:
        precision: P, symmetric positive definite, (n, d, d).
        linear: b, (n, d).
        rng: numpy Generator.

    Returns:
        The draws, (n, d).
    """
    factor = np.linalg.cholesky(precision)  # P = L Lᵀ
    half = np.linalg.solve(factor, linear[..., None])
    half += rng.standard_normal(half.shape)
    return np.linalg.solve(np.swapaxes(factor, 1, 2), half)[..., 0]


def draw_truncated(lower: np.ndarray, upper: np.ndarray, rng) -> np.ndarray:
    """Draws of N(0, 1) between two bounds, by inversion of the distribution function.

    The upper tail is mirrored to the lower one, where the function keeps its digits.
    """
    mirrored = lower > 0
    low = np.where(mirrored, -upper, lower)
    high = np.where(mirrored, -lower, upper)
    start, end = ndtr(low), ndtr(high)
    draws = ndtri(np.clip(start + (end - start) * rng.random(len(low)), TINY, 1 - TINY))
    draws = np.clip(draws, low, high)
    return np.where(mirrored, -draws, draws)


class SidePrior:
    """Prior means of the vectors of all users (or movies), learnt from their features.

    The vectors are rows of A = X B + E, rows of E from N(0, Λ⁻¹), entries of B from
    N(0, (λ ⊗ Λ)⁻¹) with λ learnt too. A thin singular value decomposition X = Q S Vᵀ,
    made once, turns the draw of B into a few matrix products.

    Reference: Simm et al., "Macau: scalable Bayesian factorization with
    high-dimensional side information using MCMC", MLSP 2017.

    Attributes:
        weights: B, (features, d).
        strength: λ.
    """

    def __init__(self, features: sparse.csr_array, dimensions: int):
        self.features = features  # X, (rows, features)
        rows, columns = features.shape
        if rows <= columns:
            values, self.basis = np.linalg.eigh((features @ features.T).toarray())
        else:
            values, right = np.linalg.eigh((features.T @ features).toarray())
            kept = values > 1e-9 * values.max()
            values = values[kept]
            self.basis = (features @ right[:, kept]) / np.sqrt(values)
        self.squares = np.maximum(values, 0)  # S², matching the columns of Q
        self.weights = np.zeros((columns, dimensions))
        self.strength = 1.0

    def draw(self, vectors: np.ndarray, precision: np.ndarray, rng) -> np.ndarray:
        """Draws B and λ given the vectors A (rows, d) and Λ (d, d); returns X B.

        B is drawn as a sample from its prior plus the correction that conditioning
        on A asks for (Matheron's rule): no features × features system is solved.
        """
        rows, d = vectors.shape
        columns = self.features.shape[1]
        factor = np.linalg.cholesky(precision)
        scale = np.linalg.inv(factor)  # a row z of N(0, I) gives z @ scale of N(0, Λ⁻¹)
        prior = rng.standard_normal((columns, d)) @ scale / np.sqrt(self.strength)
        noise = rng.standard_normal((rows, d)) @ scale
        gap = vectors - self.features @ prior - noise
        shrink = self.squares / (self.squares + self.strength)
        solved = gap - self.basis @ (shrink[:, None] * (self.basis.T @ gap))
        self.weights = prior + self.features.T @ solved / self.strength
        energy = np.square(self.weights @ factor).sum()
        self.strength = rng.gamma(1 + columns * d / 2, 1 / (1 + energy / 2))
        return self.features @ self.weights

    def draw_precision(self, residuals: np.ndarray, rng) -> np.ndarray:
        """Draws Λ from its Wishart posterior given E = A − X B (rows, d)."""
        rows, d = residuals.shape
        scatter = 0.5 * np.eye(d) + residuals.T @ residuals
        scatter += self.strength * self.weights.T @ self.weights
        degrees = d + rows + len(self.weights)
        draw = wishart(df=degrees, scale=np.linalg.inv(scatter)).rvs(random_state=rng)
        return np.atleast_2d(draw)


class Cutpoints:
    """Borders between neighbouring ratings on the latent scale of an ordinal probit.

    P(rating ≤ level_c | f, s) = Φ((cut_c − f) / s) for a latent value f with standard
    deviation s. The cuts move by random-walk Metropolis steps with the latent values
    integrated out; the step width adapts to accept about every third proposal.

    Reference: Albert and Chib, JASA 88, 1993; Cowles, Statistics and Computing 6, 1996.
    """

    def __init__(self, ratings: np.ndarray):
        self.levels, self.classes = np.unique(ratings, return_inverse=True)
        counts = np.bincount(self.classes)
        # 1.3: the latent values spread about that much around zero.
        self.cuts = 1.3 * ndtri(np.cumsum(counts)[:-1] / counts.sum())
        self.step = 0.006

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper border of every row's rating, both (rows,)."""
        borders = np.concatenate([[-np.inf], self.cuts, [np.inf]])
        return borders[self.classes], borders[self.classes + 1]

    def middles(self) -> np.ndarray:
        """A first latent value for every row: the middle of its interval."""
        padded = np.r_[self.cuts[0] - 1, self.cuts, self.cuts[-1] + 1]
        return ((padded[:-1] + padded[1:]) / 2)[self.classes]

    def draw(self, fitted: np.ndarray, deviations: np.ndarray, rng) -> None:
        """Moves the cuts given latent means and standard deviations (rows,)."""
        current = self._log_likelihood(fitted, deviations)
        for _ in range(2):
            before = self.cuts
            self.cuts = before + self.step * rng.standard_normal(len(before))
            proposed = -np.inf
            if np.all(np.diff(self.cuts) > 0):
                proposed = self._log_likelihood(fitted, deviations)
            if np.log(rng.random()) < proposed - current:
                current, self.step = proposed, self.step * 1.1
            else:
                self.cuts, self.step = before, self.step * 0.95

    def _log_likelihood(self, fitted, deviations) -> float:
        low, high = self.bounds()
        mass = ndtr((high - fitted) / deviations) - ndtr((low - fitted) / deviations)
        return float(np.log(np.maximum(mass, 1e-300)).sum())


def expected_rating(levels, cuts, fitted, deviations) -> np.ndarray:
    """Mean rating under an ordinal probit: highest level − Σ_c gap_c · P(≤ level_c).

    Args:
        levels: ratings, ascending, (c,).
        cuts: borders between them, (c − 1,).
        fitted: latent means, (rows,).
        deviations: latent standard deviations, (rows,).

    Returns:
        Stars, (rows,).
    """
    result = np.full(len(fitted), levels[-1], dtype=float)
    for gap, cut in zip(np.diff(levels), cuts, strict=True):
        result -= gap * ndtr((cut - fitted) / deviations)
    return result
