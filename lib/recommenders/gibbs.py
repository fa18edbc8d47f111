"""A Gibbs sampler for ratings: two factors, side features, days, noise per user."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from lib.recommenders.gibbs_parts import (
    Cutpoints,
    SidePrior,
    draw_normals,
    draw_truncated,
)

NOISE_DEGREES = 10.0  # how firmly the users' noise levels are drawn to a common one


@dataclass(frozen=True)
class Design:
    """The training rows and what describes them.

    Attributes:
        rows: positions of user and movie, two arrays (n,).
        ratings: stars, (n,).
        features: of users and of movies, sparse (entities, features), intercept first.
        groups: for each kind of day effect the group of every row, arrays (n,).
    """

    rows: tuple[np.ndarray, np.ndarray]
    ratings: np.ndarray
    features: tuple[sparse.csr_array, sparse.csr_array]
    groups: list[np.ndarray]


class Block:
    """The vectors of all users, or of all movies: bias first, then taste."""

    def __init__(self, owner, other, features, dimensions, rng):
        count = features.shape[0]
        order = np.argsort(owner, kind="stable")  # rows of one entity lie together
        self.order, self.other = order, other[order]
        self.starts = np.r_[0, np.cumsum(np.bincount(owner, minlength=count))]
        self.prior = SidePrior(features, dimensions)
        self.vectors = 0.1 * rng.standard_normal((count, dimensions))
        self.vectors[:, 0] = 0
        self.means = np.zeros((count, dimensions))
        self.precision = 5.0 * np.eye(dimensions)

    def per_entity(self, values: np.ndarray, columns: int) -> sparse.csr_array:
        """Row values (n,) as a sparse matrix entity × other entity."""
        shape = (len(self.vectors), columns)
        return sparse.csr_array((values[self.order], self.other, self.starts), shape)

    def draw(self, targets, weights, others: np.ndarray, rng) -> None:
        """Draws all vectors, then their prior.

        Args:
            targets: what is left for bias and taste, (n,).
            weights: inverse noise variance of each row, (n,).
            others: vectors of the other block, (m, d).
            rng: numpy Generator.
        """
        count, d = self.vectors.shape
        inputs = np.column_stack([np.ones(len(others)), others[:, 1:]])
        first, second = np.triu_indices(d)
        products = inputs[:, first] * inputs[:, second]
        sums = self.per_entity(weights, len(others)) @ products
        precision = np.empty((count, d, d))
        precision[:, first, second] = precision[:, second, first] = sums
        linear = self.per_entity(weights * targets, len(others)) @ inputs
        linear += self.means @ self.precision
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
    the rating minus the mean (gaussian) or a latent value cut into ratings (ordinal).

    References: Rendle, "Factorization machines with libFM", TIST 3(3), 2012; Salakhut-
    dinov and Mnih, "Bayesian probabilistic matrix factorization using MCMC", ICML 2008.
    """

    def __init__(self, design: Design, rank: int, ordinal: bool, user_noise, seed: int):
        self.rng = np.random.default_rng(seed)
        self.design, self.ordinal, self.user_noise = design, ordinal, user_noise
        u, i = design.rows
        users, movies = design.features
        self.user = Block(u, i, users, rank + 1, self.rng)
        self.movie = Block(i, u, movies, rank + 1, self.rng)
        self.days = [DayEffect(group) for group in design.groups]
        self.noise = np.ones(users.shape[0])  # relative precision of each user
        self.alpha = 1.0  # precision of an average user's noise
        self.cutpoints = Cutpoints(design.ratings) if ordinal else None
        self.mean = 0.0 if ordinal else float(design.ratings.mean())
        self.targets = self.cutpoints.middles() if ordinal else None
        if not ordinal:
            self.targets = design.ratings - self.mean
        self.swept = 0

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
        self.swept += 1

    def _draw_noise(self, fitted: np.ndarray) -> None:
        u = self.design.rows[0]
        if self.ordinal:
            deviations = self.deviations()[u]
            if self.swept:  # the first fit is too rough to move the cuts by
                self.cutpoints.draw(fitted, deviations, self.rng)
            low, high = self.cutpoints.bounds()
            low, high = (low - fitted) / deviations, (high - fitted) / deviations
            self.targets = fitted + deviations * draw_truncated(low, high, self.rng)
        squares = np.square(self.targets - fitted)
        if not self.ordinal:  # the latent scale is free, so its noise is fixed at 1
            energy = np.sum(self.noise[u] * squares)
            self.alpha = self.rng.gamma(1 + len(u) / 2, 1 / (1 + energy / 2))
        if self.user_noise:
            count = np.bincount(u, minlength=len(self.noise))
            energy = self.alpha * np.bincount(u, squares, len(self.noise))
            shape = (NOISE_DEGREES + count) / 2
            self.noise = self.rng.gamma(shape, 2 / (NOISE_DEGREES + energy))

    def deviations(self) -> np.ndarray:
        """Standard deviation of each user's noise on the scale of y, (users,)."""
        return 1 / np.sqrt(self.alpha * self.noise)
