"""Is one forecast better than another, or was it luck of the slots and the seeds?"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

RESAMPLES, DRAWS = 1000, 2000  # of users: for an RMSE, for a mean
LEVEL = 0.95  # of the RMSE's interval


@dataclass(frozen=True)
class Difference:
    """Mean difference a − b over slots and its interval.

    Attributes:
        mean: mean over slots of a − b; negative when a has less of the measure.
        low, high: ends of the interval; wholly above zero a has more, and not by luck.
        n_slots: number of slots.
    """

    mean: float
    low: float
    high: float
    n_slots: int


def paired_difference(
    a: np.ndarray,
    b: np.ndarray,
    a_seeds: np.ndarray | None = None,
    b_seeds: np.ndarray | None = None,
    level: float = 0.95,
) -> Difference:
    """Mean of a − b over slots with an interval that allows for slots and seeds.

    Both forecasts meet the same slots, so the difference per slot is looked at, which
    removes what is easy or hard for both. Two things make its mean d move:

    - *Other slots.* Neighbouring slots often err alike. The variance of the mean is
      taken from the differences' slow waves, V = Σ_j Λ_j² / (B T) with
      Λ_j = sqrt(2 / T) Σ_t d_t cos(π j (t − ½) / T), j = 1 … B, B = ⌈T / 3⌉. For
      independent normal differences d / sqrt(V) is exactly Student's t with B degrees
      of freedom, also for 7 or 13 slots, where a bootstrap's interval is too narrow.
      (Lazarus, Lewis, Stock and Watson 2018, "HAR inference", the cosine estimator.)
    - *Another seed.* The same network with another seed is another forecast. The mean
      of S seeds has the variance s² / S, s² that of the single seeds' means.

    The variances add up; the degrees of freedom are Satterthwaite's (1946).

    Args:
        a, b: (slots,) a measure of two forecasts in the same slots, in time order.
        a_seeds, b_seeds: (seeds, slots) the same measure of the single networks whose
            mean forecast `a` or `b` is; None for a forecast without a seed.
        level: coverage of the interval.

    Raises:
        ValueError: different lengths, fewer than two slots, or values not finite.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 2:
        raise ValueError(f"need two equal lists of ≥ 2 slots, got {a.shape}, {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("a measure is not finite in some slot: nothing to average")
    # What differs only by rounding does not differ.
    difference = np.where(np.isclose(a, b, rtol=1e-12, atol=0), 0.0, a - b)
    parts = [_slot_variance(difference)]
    parts += [_seed_variance(x) for x in (a_seeds, b_seeds) if x is not None]
    variance = sum(value for value, _ in parts)
    mean, half = difference.mean(), 0.0
    if variance > 0:
        freedom = variance**2 / sum(value**2 / f for value, f in parts)
        half = stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(variance)
    return Difference(float(mean), float(mean - half), float(mean + half), len(a))


def _slot_variance(difference: np.ndarray) -> tuple[float, int]:
    """Variance of a mean over slots, and its degrees of freedom."""
    n = len(difference)
    freedom = -(-n // 3)
    waves = np.arange(1, freedom + 1)[:, None] * (np.arange(n) + 0.5)
    sums = np.sqrt(2 / n) * np.cos(np.pi / n * waves) @ difference
    # A constant has no variance but leaves rounding behind.
    return (float(np.mean(sums**2)) / n if np.ptp(difference) else 0.0), freedom


def _seed_variance(values: np.ndarray) -> tuple[float, int]:
    """Variance of a mean over seeds, and its degrees of freedom."""
    means = np.asarray(values, dtype=float).mean(axis=1)
    if len(means) < 2:
        raise ValueError(
            f"need ≥ 2 seeds to know what a seed changes, got {len(means)}"
        )
    return float(means.var(ddof=1) / len(means)), len(means) - 1


def bootstrap_interval(per_user: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval of a mean over users, drawn with replacement.

    Where there are several columns (training seeds, drawn candidates), each resample
    draws these, too, so that the luck of the training is part of the interval.

    Args:
        per_user: (users,) or (users, columns) values, such as hits; for a comparison
            of two models the difference of theirs (then it is paired).
    """
    values = per_user.reshape(len(per_user), -1)
    means = _resamples(len(values), 0) @ values / len(values)
    columns = _resamples(values.shape[1], 1) / values.shape[1]
    low, high = np.quantile((means * columns).sum(axis=1), [0.025, 0.975])
    return float(low), float(high)


def verdict(low: float, high: float) -> str:
    """What the interval of a gain allows to say of it."""
    return "better" if low > 0 else "worse" if high < 0 else "no clear difference"


@lru_cache(maxsize=4)
def _resamples(n: int, seed: int) -> np.ndarray:
    """How often each of n is drawn: (DRAWS, n) float32. The same for all models.

    Drawing them takes longer than using them, hence the cache.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(n, np.full(n, 1 / n), size=DRAWS).astype("float32")


def rmse_interval(errors: np.ndarray, users: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval of the RMSE, whole users resampled.

    Errors of one user go together, so drawing rows would give an interval that is too
    narrow. Where there are several columns each resample draws these, too.

    Args:
        errors: stars, (rows,) or (rows, training seeds).
        users: whose row it is, (rows,).

    Returns:
        Lower and upper end in stars.
    """
    ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(_root_means(errors, users), ends)
    return float(low), float(high)


def rmse_difference_interval(
    first: np.ndarray, second: np.ndarray, users: np.ndarray
) -> tuple[float, float]:
    """95 % interval of RMSE(first) − RMSE(second), the same users drawn for both."""
    roots = _root_means(first, users) - _root_means(second, users)
    low, high = np.quantile(roots, [0.025, 0.975])
    return float(low), float(high)


def _root_means(errors: np.ndarray, users: np.ndarray) -> np.ndarray:
    """RMSE of every resample, the mean over its seeds, (RESAMPLES,)."""
    squares = np.square(errors.reshape(len(errors), -1))
    codes = np.unique(users, return_inverse=True)[1]
    count = codes.max() + 1
    sums = np.stack([np.bincount(codes, column, count) for column in squares.T], axis=1)
    sizes = np.bincount(codes, minlength=count)
    rng = np.random.default_rng(0)
    times_drawn = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    roots = np.sqrt(times_drawn @ sums / (times_drawn @ sizes)[:, None])
    seeds = _resamples(roots.shape[1], 1)[:RESAMPLES] / roots.shape[1]
    return (roots * seeds).sum(axis=1)
