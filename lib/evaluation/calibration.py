"""How sure a forecast is: intervals for the requests of each movie, and their check.

Given the slot's total N, a movie with predicted share q has about N q requests. Two
models of the scatter: the marginal of a Multinomial, Binomial(N, q), and a negative
binomial with the same mean μ = N q and the larger variance μ + φ μ², whose dispersion
φ is fitted on validation slots. The intervals are conditional on N: traffic as a whole
is a forecast of its own.
"""

import numpy as np
from scipy import optimize, stats


def predictive_interval(
    q: np.ndarray,
    n: np.ndarray | float,
    level: float = 0.9,
    dispersion: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Central interval of the number of requests, ends included.

    Args:
        q: (slots, movies) predicted shares.
        n: (slots,) or one number: requests of each slot.
        level: least probability inside, in (0, 1).
        dispersion: φ ≥ 0 of the negative binomial; None for the binomial.

    Returns:
        Lower and upper ends, (slots, movies) float64 whole numbers. Divide by n for
        shares. Requests are whole, so an interval may hold more than `level`.
    """
    model = _model(q, n, dispersion)
    return model.ppf((1 - level) / 2), model.ppf((1 + level) / 2)


def fit_dispersion(counts: np.ndarray, q: np.ndarray) -> float:
    """Dispersion φ of the negative binomial by maximum likelihood.

    Args:
        counts: (slots, movies) requests of the validation slots.
        q: (slots, movies) their predicted shares.

    Returns:
        φ in [1e-6, 100]: 1e-6 is as good as Poisson.
    """
    n = counts.sum(axis=1)

    def loss(log_dispersion):
        model = _model(q, n, np.exp(log_dispersion))
        return -model.logpmf(counts).sum()

    bounds = (np.log(1e-6), np.log(100.0))
    return float(np.exp(optimize.minimize_scalar(loss, bounds=bounds).x))


def coverage(
    counts: np.ndarray, low: np.ndarray, high: np.ndarray, where: np.ndarray
) -> float:
    """Fraction of the chosen cells whose requests lie in [low, high].

    Args:
        counts, low, high: (slots, movies).
        where: (slots, movies) bool; usually cells with at least one request expected,
            since an interval [0, 0] around next to nothing is right and dull.

    Returns:
        A number in [0, 1] to hold against the level; NaN if no cell is chosen.
    """
    inside = (counts >= low) & (counts <= high)
    return float(inside[where].mean()) if where.any() else float("nan")


def pit(
    counts: np.ndarray, q: np.ndarray, dispersion: float | None = None
) -> np.ndarray:
    """Randomised probability integral transform of every cell.

    u = F(c − 1) + v · P(c) with v uniform on [0, 1]: uniform for every cell if the
    predicted distribution is the true one, whole numbers or not. (Czado, Gneiting and
    Held 2009, "Predictive model assessment for count data".)

    Args:
        counts: (slots, movies) requests; the slot's total is its row sum.
        q: (slots, movies) predicted shares.
        dispersion: as for `predictive_interval`.

    Returns:
        (slots, movies) float64 in [0, 1].
    """
    model = _model(q, counts.sum(axis=1), dispersion)
    v = np.random.default_rng(0).random(counts.shape)
    return model.cdf(counts - 1) + v * model.pmf(counts)


def coverage_curve(u: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Fraction of PIT values in the central interval of each level.

    Calibrated forecasts give the levels themselves: below is overconfident.

    Args:
        u: PIT values of the chosen cells, any shape.
        levels: (levels,) in [0, 1].

    Returns:
        (levels,) float64.
    """
    distance = np.sort(2 * np.abs(np.ravel(u) - 0.5))
    return np.searchsorted(distance, levels, side="right") / len(distance)


def _model(q: np.ndarray, n: np.ndarray | float, dispersion: float | None):
    """Frozen SciPy distribution of every cell's requests."""
    totals = np.asarray(n, dtype=float)
    totals = totals[:, None] if totals.ndim else totals
    if dispersion is None:
        return stats.binom(totals, q)
    # SciPy counts failures before `size` successes: mean size (1 − p) / p.
    size = 1 / max(dispersion, 1e-9)
    return stats.nbinom(size, size / (size + totals * q))
