"""Is one forecast better than another, or was it luck of the slots?"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

RESAMPLES = 1000


@dataclass(frozen=True)
class Difference:
    """Mean difference a − b over slots and its bootstrap interval.

    Attributes:
        mean: mean over slots of a − b; negative when a has less of the measure.
        low, high: ends of the interval.
        n_slots: number of slots.
    """

    mean: float
    low: float
    high: float
    n_slots: int

    @property
    def below_zero(self) -> bool:
        """The whole interval lies below zero: a has less, and not by luck."""
        return self.high < 0

    @property
    def above_zero(self) -> bool:
        """The whole interval lies above zero: a has more, and not by luck."""
        return self.low > 0


def paired_bootstrap(
    a: np.ndarray,
    b: np.ndarray,
    n_resamples: int = 9999,
    block_length: int = 1,
    level: float = 0.95,
    rng: int | np.random.Generator = 0,
) -> Difference:
    """Mean of a − b over slots with a bootstrap interval, slots resampled in pairs.

    Both forecasts meet the same slots, so the difference per slot is resampled, which
    removes what is easy or hard for both. With `block_length` 1 slots count as
    independent and the interval is bias-corrected and accelerated (Efron 1987).
    Neighbouring slots often err alike, which that interval is too narrow for; a longer
    block resamples runs of adjacent slots on a circle and takes percentiles (Politis
    and Romano 1992). No bootstrap makes up for few slots: with fewer than about ten
    the interval covers less than it says.

    Args:
        a, b: (slots,) a measure of two forecasts in the same slots, in time order.
        n_resamples: number of resamples.
        block_length: number of adjacent slots drawn together.
        level: coverage of the interval.
        rng: seed or generator.

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
    generator = np.random.default_rng(rng)
    if np.ptp(difference) == 0:  # every resample is the same
        low = high = difference[0]
    elif block_length == 1:
        result = stats.bootstrap(
            (difference,),
            np.mean,
            n_resamples=n_resamples,
            confidence_level=level,
            rng=generator,
        )
        low, high = result.confidence_interval
    else:
        means = _block_means(difference, n_resamples, block_length, generator)
        low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Difference(float(difference.mean()), float(low), float(high), len(a))


def _block_means(
    values: np.ndarray, n_resamples: int, block_length: int, rng: np.random.Generator
) -> np.ndarray:
    """Means of resamples made of circular blocks, cut to the original length."""
    n = len(values)
    starts = rng.integers(n, size=(n_resamples, -(-n // block_length)))
    index = (starts[:, :, None] + np.arange(block_length)) % n
    return values[index.reshape(n_resamples, -1)[:, :n]].mean(axis=1)


def bootstrap_interval(
    per_user: np.ndarray, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of a mean over users, who are drawn with replacement.

    Args:
        per_user: (users,) or (users, seeds) values, such as `hits(ranks)`; for a
            comparison of two models the difference of theirs (then it is paired).
        draws: number of resamples.
        seed: of the resampling.
    """
    values = per_user.reshape(len(per_user), -1).mean(axis=1)
    weights = _resamples(len(values), draws, seed)
    low, high = np.quantile(weights @ values / len(values), [0.025, 0.975])
    return float(low), float(high)


@lru_cache(maxsize=1)
def _resamples(n: int, draws: int, seed: int) -> np.ndarray:
    """How often each of n users is drawn: (draws, n) float32. The same for all models.

    Drawing them takes longer than using them, hence the cache.
    """
    rng = np.random.default_rng(seed)
    return rng.multinomial(n, np.full(n, 1 / n), size=draws).astype("float32")


def rmse_interval(
    errors: np.ndarray, users: np.ndarray, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Bootstrap interval of the RMSE, whole users resampled.

    Errors of one user go together, so drawing rows would give an interval that is too
    narrow.

    Args:
        errors: stars, (rows,).
        users: whose row it is, (rows,).
        level: share of the resamples inside.
        seed: of the draws.

    Returns:
        Lower and upper end in stars.
    """
    low, high = _resampled(np.square(errors)[:, None], users, seed, level)
    return float(low[0]), float(high[0])


def rmse_difference_interval(
    first: np.ndarray, second: np.ndarray, users: np.ndarray, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of RMSE(first) − RMSE(second), the same users drawn for both."""
    squares = np.square(np.column_stack([first, second]))
    roots = _root_means(squares, users, seed)
    low, high = np.quantile(roots[:, 0] - roots[:, 1], [0.025, 0.975])
    return float(low), float(high)


def _resampled(squares, users, seed, level):
    roots = _root_means(squares, users, seed)
    return np.quantile(roots, [(1 - level) / 2, (1 + level) / 2], axis=0)


def _root_means(squares: np.ndarray, users: np.ndarray, seed: int) -> np.ndarray:
    """RMSE of every resample, (RESAMPLES, columns)."""
    codes = np.unique(users, return_inverse=True)[1]
    count = codes.max() + 1
    sums = np.stack([np.bincount(codes, column, count) for column in squares.T], axis=1)
    sizes = np.bincount(codes, minlength=count)
    rng = np.random.default_rng(seed)
    times_drawn = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    return np.sqrt(times_drawn @ sums / (times_drawn @ sizes)[:, None])
