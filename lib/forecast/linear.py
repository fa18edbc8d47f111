"""A fair opponent of the networks: a linear softmax on the very features they read.

    ln q(i, t) = log_softmax_i( ln ewma(i, t) + x(i, t) · w ),

with x everything that a network knows of a movie before slot t, the latest slots of its
window included. The weights minimise the cross-entropy per request plus an L2 penalty,
which is convex: there is one best set of weights (McFadden 1974, "Conditional logit
analysis"). The penalty, and the slot that the fit begins with, are chosen on the
validation slots. The cells of a large grid are drawn (`lib.forecast.cells`), always the
same; forecasts are made slot by slot.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from lib.data.arrays import scratch
from lib.evaluation.metrics import cross_entropy_per_slot, shares
from lib.evaluation.splits import Split
from lib.forecast.cells import Known, beginnings, draw, judged
from lib.forecast.features import Features
from lib.progress import every

PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 1.0, 10.0)


@dataclass(frozen=True)
class Fitted:
    """Forecasts of a model that was fitted with chosen parameters.

    Attributes:
        forecast: (T, M) predicted shares. Rows before the test slots come from a fit
            on the training slots, the others from one on training and validation slots.
        parameters: what was chosen on the validation slots.
        validation_score: cross-entropy in those that `cells.judged` takes, in nats.
        model: of the last fit: what `linear.apply` or `boosted_trees.apply` reads.
    """

    forecast: np.ndarray
    parameters: dict[str, float]
    validation_score: float
    model: Any


def linear_forecast(
    data: Features, counts: np.ndarray, split: Split, since: int = 0
) -> Fitted:
    """Fit, tune and apply the linear softmax; nothing from the test slots is used.

    Args:
        data: the networks' features.
        counts: (T, M) requests.
        split: the cut-offs.
        since: first slot that is forecast; rows before it stay zero.
    """
    known, start = Known(data), data.log_ewma
    early = range(split.test.start)
    cells = _cells(known, start, counts, early)
    fits = {}
    for first in beginnings(split.train):
        used = [one for one in cells if first <= one.slot < split.train.stop]
        weights = np.zeros(known.size)
        penalties = sorted(PENALTIES, reverse=True)
        for penalty in every(penalties, "linear softmax", "penalties"):
            weights = fits[first, penalty] = _fit(used, penalty, weights)

    nats = []
    for t in every(judged(counts, split), "choosing the linear softmax"):
        x, true = known.row(t), counts[t : t + 1]
        found = [_predict(x, start[t], weights) for weights in fits.values()]
        nats.append([cross_entropy_per_slot(true, q[None])[0] for q in found])
    values = np.mean(nats, axis=0)
    first, penalty = list(fits)[int(values.argmin())]
    weights, forecast = fits[first, penalty], scratch(counts.shape)
    again = _fit([one for one in cells if one.slot >= first], penalty, weights)
    for t in every(range(since, len(counts)), "linear softmax"):
        forecast[t] = _predict(known.row(t), start[t], weights if t in early else again)
    chosen = {"penalty": penalty, "first_slot": first}
    return Fitted(forecast, chosen, float(values.min()), again)


def apply(weights: np.ndarray, data: Features, slots: range) -> np.ndarray:
    """Shares forecast for some slots with weights already fitted.

    Args:
        weights: `Fitted.model` of `linear_forecast`.
        data: the networks' features.
        slots: which to forecast.

    Returns:
        (slots, M) shares.
    """
    known, start = Known(data), data.log_ewma
    return np.array([_predict(known.row(t), start[t], weights) for t in slots])


@dataclass(frozen=True)
class _Slot:
    """What is fitted on of one slot.

    Attributes:
        slot: its number.
        x: (cells, F) float32.
        start: (cells,) log share of the start, and the logarithm of how many movies
            each stands for.
        share: (cells,) shares of the requests, those of the movies stood for included.
        traffic: requests.
    """

    slot: int
    x: np.ndarray
    start: np.ndarray
    share: np.ndarray
    traffic: float


def _cells(known: Known, start, counts, slots: range) -> list[_Slot]:
    """The cells to fit on, from the second slot on, where there are requests."""
    found = []
    for t in every(slots[1:], "cells of the linear softmax"):
        if not counts[t].any():
            continue
        row = start[t].astype(float)
        movies, stands_for = draw(t, counts[t], np.exp(row), len(slots))
        share = shares(counts[t : t + 1])[0]
        if stands_for is not None:
            row, share = row[movies] + np.log(stands_for), share[movies] * stands_for
            share /= share.sum()
        traffic = counts[t].sum(dtype=float)
        found.append(_Slot(t, known.row(t, movies), row, share, traffic))
    return found


def _fit(cells: list[_Slot], penalty: float, weights: np.ndarray) -> np.ndarray:
    """Weights of least penalised cross-entropy over the given cells."""
    # A busy slot says more, but its requests come from few users: hence the root.
    each = np.sqrt([one.traffic for one in cells])
    each /= each.sum()

    def loss(w):
        value, slope = penalty / 2 * w @ w, penalty * w
        for one, weight in zip(cells, each, strict=True):
            log_q = log_softmax(one.start + one.x @ w)
            value -= weight * one.share @ log_q
            slope = slope + weight * ((np.exp(log_q) - one.share) @ one.x)
        return value, slope

    def curvature(w):
        total = penalty * np.eye(len(w))
        for one, weight in zip(cells, each, strict=True):
            q = np.exp(log_softmax(one.start + one.x @ w))
            mean = q @ one.x
            # float32 will do: the curvature only says how far a step goes.
            x = one.x * np.sqrt(q, dtype=np.float32)[:, None]
            total += weight * (x.T @ x - np.outer(mean, mean))
        return total

    found = minimize(
        loss, weights, jac=True, hess=curvature, method="trust-exact", tol=1e-6
    )
    return found.x


def _predict(x: np.ndarray, start: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Shares forecast for a slot, (M,)."""
    return np.exp(log_softmax(start.astype(float) + x @ weights))
