"""A Gibbs sampler for ratings: two factors, side features, days, noise per user."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.stats import wishart

SHORT = "float32"  # of large sums that noise of far more than 1e-7 is added to
NOISE_DEGREES = 10.0  # how firmly the users' noise levels are drawn to a common one


@dataclass(frozen=True)
class Design:
    """The training rows and what describes them.

    Attributes:
        rows: positions of user and movie, two arrays (n,).
        ratings: stars, (n,).
        sides: features of users and of movies, intercept first.
        groups: for each kind of day effect the group of every row, arrays (n,).
    """

    rows: tuple[np.ndarray, np.ndarray]
    ratings: np.ndarray
    sides: tuple["Side", "Side"]
    groups: list[np.ndarray]


class Side:
    """Features X of all users, or of all movies, decomposed once for all chains.

    A thin singular value decomposition X = Q S Vᵀ turns the draw of what they weigh
    into a few matrix products.

    Attributes:
        features: X, sparse (rows, columns).
        basis: Q, (rows, k).
        squares: S², (k,).
    """

    def __init__(self, features: sparse.csr_array):
        self.features = features
        rows, columns = features.shape
        if rows <= columns:
            values, self.basis = np.linalg.eigh((features @ features.T).toarray())
        else:
            values, right = np.linalg.eigh((features.T @ features).toarray())
            kept = values > 1e-9 * values.max()
            values = values[kept]
            self.basis = (features @ right[:, kept]) / np.sqrt(values)
        self.squares = np.maximum(values, 0)
        self.basis = self.basis.astype(SHORT)


class Block:
    """The vectors of all users, or of all movies: bias first, then taste."""

    def __init__(self, owner, other, side: Side, dimensions, rng):
        count = side.features.shape[0]
        order = np.argsort(owner, kind="stable")  # rows of one entity lie together
        self.order, self.other = order, other[order]
        self.starts = np.r_[0, np.cumsum(np.bincount(owner, minlength=count))]
        self.prior = SidePrior(side, dimensions)
        self.vectors = 0.1 * rng.standard_normal((count, dimensions))
        self.vectors[:, 0] = 0
        self.means = np.zeros((count, dimensions))
        self.precision = 5.0 * np.eye(dimensions)

    def per_entity(self, values: np.ndarray, columns: int) -> sparse.csr_array:
        """Row values (n,) as a sparse matrix entity × other entity."""
        shape, values = (len(self.vectors), columns), values[self.order].astype(SHORT)
        return sparse.csr_array((values, self.other, self.starts), shape)

    def draw(self, targets, weights, others: np.ndarray, rng) -> None:
        """Draws all vectors, then their prior.

        Args:
            targets: what is left for bias and taste, (n,).
            weights: inverse noise variance of each row, (n,).
            others: vectors of the other block, (m, d).
            rng: numpy Generator.
        """
        count, d = self.vectors.shape
        inputs = np.column_stack([np.ones(len(others)), others[:, 1:]]).astype(SHORT)
        first, second = np.triu_indices(d)
        products = inputs[:, first] * inputs[:, second]
        sums = self.per_entity(weights, len(others)) @ products
        precision = np.empty((count, d, d))
        precision[:, first, second] = precision[:, second, first] = sums
        linear = self.per_entity(weights * targets, len(others)) @ inputs
        linear = linear + self.means @ self.precision
        self.vectors = draw_normals(precision + self.precision, linear, rng)
        self.means = self.prior.draw(self.vectors, self.precision, rng)
        residuals = self.vectors - self.means
        self.precision = self.prior.draw_precision(residuals, rng)


class DayEffect:
    """A shift of all ratings of one group, such as one user on one day."""

    def __init__(self, group: np.ndarray):
        self.group = group
        self.size = int(group.max()) + 1
        self.values = np.zeros(self.size)
        self.precision = 20.0

    def draw(self, targets: np.ndarray, weights: np.ndarray, rng) -> None:
        """Draws the shifts of all groups and their common precision."""
        precision = np.bincount(self.group, weights, self.size) + self.precision
        means = np.bincount(self.group, weights * targets, self.size) / precision
        noise = rng.standard_normal(self.size)
        self.values = means + noise / np.sqrt(precision)
        energy = np.square(self.values).sum()
        self.precision = rng.gamma(1 + self.size / 2, 1 / (0.05 + energy / 2))


class Sampler:
    """y(u, i, day) = b_u + b_i + p_u · q_i + b_day + b_(u, day) + noise.

    The prior mean of (b_u, p_u) is linear in the user's features, that of (b_i, q_i) in
    the movie's, which makes this a factorization machine over ids and features. y is
    the rating minus the mean.

    References: Rendle, "Factorization machines with libFM", TIST 3(3), 2012; Salakhut-
    dinov and Mnih, "Bayesian probabilistic matrix factorization using MCMC", ICML 2008.
    """

    def __init__(self, design: Design, rank: int, user_noise: bool, seed):
        self.rng = np.random.default_rng(seed)
        self.design, self.user_noise = design, user_noise
        u, i = design.rows
        users, movies = design.sides
        self.user = Block(u, i, users, rank + 1, self.rng)
        self.movie = Block(i, u, movies, rank + 1, self.rng)
        self.days = [DayEffect(group) for group in design.groups]
        self.noise = np.ones(len(self.user.vectors))  # relative precision of each user
        self.alpha = 1.0  # precision of an average user's noise
        self.mean = float(design.ratings.mean())
        self.targets = design.ratings - self.mean

    def sweep(self) -> None:
        """Draws every unknown once, given all others."""
        u, i = self.design.rows
        weights = self.alpha * self.noise[u]
        shifts = sum((e.values[e.group] for e in self.days), np.zeros(len(u)))
        free = self.targets - shifts
        movie, user = self.movie.vectors, self.user.vectors
        self.user.draw(free - movie[i, 0], weights, movie, self.rng)
        user = self.user.vectors
        self.movie.draw(free - user[u, 0], weights, user, self.rng)
        movie = self.movie.vectors
        taste = np.einsum("nk,nk->n", user[u, 1:], movie[i, 1:])
        fitted = user[u, 0] + movie[i, 0] + taste
        for effect in self.days:
            shifts = shifts - effect.values[effect.group]
            effect.draw(self.targets - fitted - shifts, weights, self.rng)
            shifts = shifts + effect.values[effect.group]
        self._draw_noise(fitted + shifts)

    def _draw_noise(self, fitted: np.ndarray) -> None:
        u = self.design.rows[0]
        squares = np.square(self.targets - fitted)
        energy = np.sum(self.noise[u] * squares)
        self.alpha = self.rng.gamma(1 + len(u) / 2, 1 / (1 + energy / 2))
        if self.user_noise:
            count = np.bincount(u, minlength=len(self.noise))
            energy = self.alpha * np.bincount(u, squares, len(self.noise))
            shape = (NOISE_DEGREES + count) / 2
            self.noise = self.rng.gamma(shape, 2 / (NOISE_DEGREES + energy))


def draw_normals(precision: np.ndarray, linear: np.ndarray, rng) -> np.ndarray:
    """One draw of N(P⁻¹ b, P⁻¹) for each of many small systems.

    Args:
        precision: P, symmetric positive definite, (n, d, d).
        linear: b, (n, d).
        rng: numpy Generator.

    Returns:
        The draws, (n, d).
    """
    factor = np.linalg.cholesky(precision)  # P = L Lᵀ, so P⁻¹ L z has covariance P⁻¹
    noise = factor @ rng.standard_normal((*linear.shape, 1))
    return np.linalg.solve(precision, linear[..., None] + noise)[..., 0]


class SidePrior:
    """Prior means of the vectors of all users (or movies), learnt from their features.

    The vectors are rows of A = X B + E, rows of E from N(0, Λ⁻¹), entries of B from
    N(0, (λ ⊗ Λ)⁻¹) with λ learnt too.

    Reference: Simm et al., "Macau: scalable Bayesian factorization with
    high-dimensional side information using MCMC", MLSP 2017.

    Attributes:
        weights: B, (features, d).
        strength: λ.
    """

    def __init__(self, side: Side, dimensions: int):
        self.side = side
        self.weights = np.zeros((side.features.shape[1], dimensions))
        self.strength = 1.0

    def draw(self, vectors: np.ndarray, precision: np.ndarray, rng) -> np.ndarray:
        """Draws B and λ given the vectors A (rows, d) and Λ (d, d); returns X B.

        B is drawn as a sample from its prior plus the correction that conditioning
        on A asks for (Matheron's rule): no features × features system is solved.
        """
        rows, d = vectors.shape
        features, basis = self.side.features, self.side.basis
        columns = features.shape[1]
        factor = np.linalg.cholesky(precision)
        scale = np.linalg.inv(factor)  # a row z of N(0, I) gives z @ scale of N(0, Λ⁻¹)
        prior = rng.standard_normal((columns, d)) @ scale / np.sqrt(self.strength)
        noise = rng.standard_normal((rows, d)) @ scale
        gap = vectors - features @ prior - noise
        shrink = self.side.squares / (self.side.squares + self.strength)
        inner = shrink[:, None] * (basis.T @ gap.astype(SHORT))
        solved = gap - basis @ inner.astype(SHORT)
        self.weights = prior + features.T @ solved / self.strength
        energy = np.square(self.weights @ factor).sum()
        self.strength = rng.gamma(1 + columns * d / 2, 1 / (1 + energy / 2))
        return features @ self.weights

    def draw_precision(self, residuals: np.ndarray, rng) -> np.ndarray:
        """Draws Λ from its Wishart posterior given E = A − X B (rows, d)."""
        rows, d = residuals.shape
        scatter = 0.5 * np.eye(d) + residuals.T @ residuals
        scatter += self.strength * self.weights.T @ self.weights
        degrees = d + rows + len(self.weights)
        draw = wishart(df=degrees, scale=np.linalg.inv(scatter)).rvs(random_state=rng)
        return np.atleast_2d(draw)
