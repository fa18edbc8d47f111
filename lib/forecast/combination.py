"""The project's default forecast: several forecasts pooled, weights by validation.

With K forecasts q_k and weights w_k ≥ 0 that sum to 1, two pools:

    linear  q = Σ_k w_k q_k                       (Stone 1961; Bates and Granger 1969)
    log     q ∝ Π_k q_k^{w_k}                     (Genest and Zidek 1986, section 3)

The linear pool keeps what any of them holds possible, the log pool is sharper. Weights
are those of least cross-entropy over the validation slots, half-way drawn to equal
ones: estimated on a dozen slots, they err more than equality does (Smith and Wallis
2009, "A simple explanation of the forecast combination puzzle").
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from lib.data.arrays import scratch
from lib.data.grid import Grid
from lib.evaluation.metrics import shares, single
from lib.evaluation.splits import Split
from lib.forecast.boosted_trees import lightgbm_forecasts, residual_trees
from lib.forecast.features import Features
from lib.forecast.lags import calendar
from lib.forecast.linear import Fitted, linear_forecast

DRAWN = 0.5  # to equal weights
COMPANIONS = (
    "linear",
    "lightgbm_residual",
    "lightgbm",
)  # what networks are pooled with


@dataclass(frozen=True)
class Combination:
    """A pool of forecasts.

    Attributes:
        pool: `linear` or `log`.
        weights: forecast → weight; they sum to 1.
        forecast: (T, M) pooled shares.
        validation_score: cross-entropy over the validation slots, in nats.
    """

    pool: str
    weights: dict[str, float]
    forecast: np.ndarray
    validation_score: float


def pooled(
    pool: str,
    weights: Mapping[str, float],
    forecasts: Mapping[str, np.ndarray],
    since: int = 0,
) -> np.ndarray:
    """Pool forecasts with given weights.

    Args:
        pool: a key of POOLS.
        weights: forecast → weight.
        forecasts: forecast → (slots, M) shares; only those with a weight are read.
        since: first slot wanted; rows before it stay zero.

    Returns:
        (slots, M) shares, rows summing to 1.
    """
    used = {name: weight for name, weight in weights.items() if weight > 0}
    parts, values = [forecasts[name] for name in used], list(used.values())
    whole = scratch(parts[0].shape)
    for t in range(since, len(whole)):
        whole[t] = POOLS[pool](values, [q[t : t + 1] for q in parts])[0]
    return whole


def _linear(weights, parts) -> np.ndarray:
    mean = sum(w * q.astype(float) for w, q in zip(weights, parts, strict=True))
    return mean / mean.sum(axis=1, keepdims=True)


def _log(weights, parts) -> np.ndarray:
    with np.errstate(divide="ignore"):
        logs = [
            w * np.log(q.astype(float)) for w, q in zip(weights, parts, strict=True)
        ]
    return np.exp(log_softmax(sum(logs), axis=1))


POOLS: dict[str, Callable] = {"linear": _linear, "log": _log}


def companions(
    grid: Grid,
    data: Features,
    split: Split,
    metrics: Sequence[str] = ("cross_entropy",),
    since: int = 0,
) -> dict[str, Fitted]:
    """What the networks are pooled with: the linear softmax and trees of both kinds.

    Args:
        grid: the grid.
        data: the networks' features.
        split: the cut-offs.
        metrics: what the trees on lags are tuned for; cross-entropy comes first. Those
            for another metric are called `lightgbm_<metric>`.
        since: first slot that is forecast; rows before it stay zero.
    """
    counts = grid.counts
    # Not in threads: LightGBM 4.7 has crashed where two of them trained at once.
    lags = lightgbm_forecasts(counts, split, metrics, since=since, **calendar(grid))
    return {
        "linear": linear_forecast(data, counts, split, since=since),
        "lightgbm_residual": residual_trees(data, counts, split, since=since),
        "lightgbm": lags.pop("cross_entropy"),
    } | {f"lightgbm_{metric}": fitted for metric, fitted in lags.items()}


def combine(
    forecasts: Mapping[str, np.ndarray],
    counts: np.ndarray,
    split: Split,
    since: int = 0,
) -> Combination:
    """Choose pool and weights on the validation slots; pool all slots.

    Args:
        forecasts: forecast → (T, M) shares, rows of validation and test slots made
            without these slots.
        counts: (T, M) requests; those of the test slots are not looked at.
        split: the cut-offs.
        since: first slot that is pooled; rows before it stay zero.
    """
    rows = np.asarray(split.validation)
    rows = rows[counts[rows].any(axis=1)]
    truth, parts = counts[rows], [q[rows] for q in forecasts.values()]
    tried = []
    for pool in POOLS:
        weights = chosen_weights(pool, truth, parts)
        q = POOLS[pool](weights, parts)
        value = single("cross_entropy", truth, q, range(len(rows)))
        tried.append((value, pool, weights))
    value, pool, weights = min(tried, key=itemgetter(0))
    named = dict(zip(forecasts, map(float, weights), strict=True))
    return Combination(pool, named, pooled(pool, named, forecasts, since), value)


def chosen_weights(pool: str, counts: np.ndarray, parts: list) -> np.ndarray:
    """Weights of least cross-entropy over the given slots, drawn to equal ones."""
    number = len(parts)
    loss = _linear_loss if pool == "linear" else _log_loss
    equal = np.full(number, 1 / number)
    found = minimize(
        loss,
        equal,
        args=(shares(counts), np.array(parts, dtype=float)),
        jac=True,
        bounds=[(0, 1)] * number,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        method="SLSQP",
    )
    weights = np.clip(found.x, 0, None)
    return DRAWN * equal + (1 - DRAWN) * weights / weights.sum()


def _linear_loss(weights, s, parts):
    """Cross-entropy of the linear pool and its slope; only requested cells count."""
    cells = s > 0
    each = parts[:, cells]  # (forecasts, cells)
    mean = np.maximum(weights @ each, 1e-300)
    return -(s[cells] @ np.log(mean)) / len(s), -(each @ (s[cells] / mean)) / len(s)


def _log_loss(weights, s, parts):
    """Cross-entropy of the log pool and its slope."""
    logs = np.log(np.maximum(parts, 1e-300))  # (forecasts, slots, movies)
    log_q = log_softmax(np.tensordot(weights, logs, 1), axis=1)
    error = (np.exp(log_q) - s) / len(s)
    return -(s * log_q).sum() / len(s), np.tensordot(logs, error, 2)
