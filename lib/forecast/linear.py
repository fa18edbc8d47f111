"""A fair opponent of the networks: a linear softmax on the very features they read.

    ln q(i, t) = log_softmax_i( ln ewma(i, t) + x(i, t) · w ),

with x everything that a network knows of a movie before slot t, the latest slots of its
window included. The weights minimise the cross-entropy per request plus an L2 penalty,
which is convex: there is one best set of weights and no seed (McFadden 1974,
"Conditional logit analysis"). The penalty is chosen on the validation slots.
"""

from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from lib.evaluation.metrics import shares, single
from lib.evaluation.splits import Split
from lib.forecast.features import Features

LAGS = 3  # slots of the window
PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 1.0, 10.0)


@dataclass(frozen=True)
class Fitted:
    """Forecasts of a model that was fitted with chosen parameters.

    Attributes:
        forecast: (T, M) predicted shares. Rows before the test slots come from a fit
            on the training slots, the others from one on training and validation slots.
        parameters: what was chosen on the validation slots.
        validation_score: cross-entropy there, in nats.
        model: of the last fit: what `linear.apply` or `boosted_trees.apply` reads.
    """

    forecast: np.ndarray
    parameters: dict[str, float]
    validation_score: float
    model: Any


def known_before(data: Features, lags: int = LAGS) -> np.ndarray:
    """What a network knows of every movie before each slot, in one array.

    Args:
        data: features, row t known at the end of slot t.
        lags: slots of the window.

    Returns:
        (T, M, F) float32, row t known before slot t: the series of the last `lags`
        slots, latest first, then the context; zero where nothing lies before.
    """
    n_slots = len(data.log_ewma)
    width = data.series.shape[-1]
    size = lags * width + data.context.shape[-1]
    known = np.zeros((*data.log_ewma.shape, size), np.float32)
    for lag in range(1, min(lags, n_slots - 1) + 1):
        columns = slice((lag - 1) * width, lag * width)
        known[lag:, :, columns] = data.series[:-lag]
    known[1:, :, lags * width :] = data.context[:-1]
    return known


def linear_forecast(data: Features, counts: np.ndarray, split: Split) -> Fitted:
    """Fit, tune and apply the linear softmax; nothing from the test slots is used.

    Args:
        data: the networks' features.
        counts: (T, M) requests.
        split: the cut-offs.
    """
    x, start = known_before(data), data.log_ewma.astype(float)
    rows = split.validation
    tried, weights = [], np.zeros(x.shape[-1])
    for penalty in sorted(PENALTIES, reverse=True):
        weights = _fit(x, start, counts, split.train, penalty, weights)
        q = _predict(x, start, rows, weights)
        value = single("cross_entropy", counts[rows], q, range(len(rows)))
        tried.append((value, penalty, weights))
    value, penalty, weights = min(tried, key=itemgetter(0))
    early = range(split.test.start)
    again = _fit(x, start, counts, early, penalty, weights)
    late = range(split.test.start, len(counts))
    forecast = np.vstack(
        [_predict(x, start, early, weights), _predict(x, start, late, again)]
    )
    return Fitted(forecast, {"penalty": penalty}, value, again)


def apply(weights: np.ndarray, data: Features, slots: range) -> np.ndarray:
    """Shares forecast for some slots with weights already fitted.

    Args:
        weights: `Fitted.model` of `linear_forecast`.
        data: the networks' features.
        slots: which to forecast.

    Returns:
        (slots, M) shares.
    """
    return _predict(known_before(data), data.log_ewma.astype(float), slots, weights)


def _fit(x, start, counts, slots, penalty, weights) -> np.ndarray:
    """Weights of least penalised cross-entropy over the given slots."""
    rows = [t for t in slots[1:] if counts[t].any()]
    s = shares(counts[rows])
    # A busy slot says more, but its requests come from few users: hence the root.
    each = np.sqrt(counts[rows].sum(axis=1, dtype=float))
    each /= each.sum()

    def loss(w):
        value, slope = penalty / 2 * w @ w, penalty * w
        for t, share, weight in zip(rows, s, each, strict=True):
            log_q = log_softmax(start[t] + x[t] @ w)
            value -= weight * share @ log_q
            slope = slope + weight * ((np.exp(log_q) - share) @ x[t])
        return value, slope

    def curvature(w):
        total = penalty * np.eye(len(w))
        for t, weight in zip(rows, each, strict=True):
            q = np.exp(log_softmax(start[t] + x[t] @ w))
            mean = q @ x[t]
            total += weight * ((x[t] * q[:, None]).T @ x[t] - np.outer(mean, mean))
        return total

    found = minimize(
        loss, weights, jac=True, hess=curvature, method="trust-exact", tol=1e-6
    )
    return found.x


def _predict(x, start, slots, weights) -> np.ndarray:
    """Shares forecast for the given slots, (slots, M)."""
    rows = slice(slots.start, slots.stop)
    return np.exp(log_softmax(start[rows] + x[rows] @ weights, axis=1))
