"""Simple forecasts of the next slot's shares, and their tuning on validation slots.

Each function maps counts (T, M), the requests of M movies in T contiguous slots, to
forecasts (T, M): row t holds predicted shares made from rows before t only. A slot
without requests has no shares, so it is passed over, as if time had stood still. Rows
with nothing before them are uniform.

A movie without history would get the share 0 and cost infinite cross-entropy on its
first request, so each function keeps something back: `epsilon` of the forecast is
spread evenly over all movies, or every movie is credited with `pseudo_count` requests
that nobody made.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import pandas as pd
from scipy.signal import lfilter

from lib.evaluation.evaluate import evaluate, evaluate_rolling, judged_on_both
from lib.evaluation.metrics import shares, single
from lib.evaluation.splits import Split


def last_value(counts: np.ndarray, epsilon: float = 0.01) -> np.ndarray:
    """Share of the latest slot, also called the random walk or naive forecast.

    q(t) = (1 − ε) s(t−1) + ε / M.
    """
    return mix(_latest(counts), epsilon)


def moving_average(
    counts: np.ndarray, window: int = 4, epsilon: float = 0.01
) -> np.ndarray:
    """Mean share of the latest `window` slots (of as many as there are at the start).

    q(t) = (1 − ε) mean(s(t−1) … s(t−window)) + ε / M.
    """
    return mix(_window_mean(counts, window), epsilon)


def ewma(counts: np.ndarray, alpha: float = 0.1, epsilon: float = 0.01) -> np.ndarray:
    """Exponentially weighted moving average of the shares, started at the first slot.

    m(t) = (1 − α) m(t−1) + α s(t), m(0) = s(0); q(t) = (1 − ε) m(t−1) + ε / M. Every
    slot weighs the same, however few requests it had. (Brown 1956; Holt 1957.)
    """
    return mix(_ewma(counts, alpha), epsilon)


def ewma_count_weighted(
    counts: np.ndarray, alpha: float = 0.1, pseudo_count: float = 0.1
) -> np.ndarray:
    """Exponentially discounted counts, normalised: busy slots weigh more.

    a(t) = (1 − α) a(t−1) + c(t); q(i,t) = (a(i,t−1) + κ) / Σ_j (a(j,t−1) + κ) with κ
    the pseudo-count: requests credited to every movie beforehand, which is the
    posterior mean of the shares under a symmetric Dirichlet(κ) prior.
    """
    return credit(_discounted(counts, alpha), pseudo_count)


def cumulative_share(counts: np.ndarray, pseudo_count: float = 0.1) -> np.ndarray:
    """Share of all requests since the beginning, nothing forgotten.

    q(i,t) = (C(i,t−1) + κ) / Σ_j (C(j,t−1) + κ), C the running totals of requests.
    """
    return credit(_discounted(counts), pseudo_count)


def seasonal_naive(
    counts: np.ndarray, period: int = 4, epsilon: float = 0.01
) -> np.ndarray:
    """Share of the slot one period ago; the latest slot where there is none.

    q(t) = (1 − ε) s(t − period) + ε / M. Where t < period, or that slot had no
    requests, the forecast is that of `last_value`.
    """
    return mix(_season_ago(counts, period), epsilon)


def mix(q: np.ndarray, epsilon: float) -> np.ndarray:
    """(1 − ε) q + ε / M: shares with a part spread evenly over the M movies."""
    return (1 - epsilon) * q + epsilon / q.shape[1]


def credit(amounts: np.ndarray, pseudo_count: float) -> np.ndarray:
    """(a + κ) / Σ (a + κ) per row: shares from amounts; uniform where all are zero."""
    credited = amounts + pseudo_count
    totals = credited.sum(axis=1, keepdims=True)
    uniform = np.full_like(credited, 1 / credited.shape[1])
    return np.divide(credited, totals, out=uniform, where=totals > 0)


def _latest(counts: np.ndarray) -> np.ndarray:
    return _from_states(counts, shares)


def _window_mean(counts: np.ndarray, window: int) -> np.ndarray:
    def states(busy):
        s = shares(busy)
        total = s.copy()
        for lag in range(1, min(window, len(s))):
            total[lag:] += s[:-lag]
        return total / np.minimum(np.arange(1, len(s) + 1), window)[:, None]

    return _from_states(counts, states)


def _ewma(counts: np.ndarray, alpha: float) -> np.ndarray:
    def states(busy):
        s = shares(busy)
        start = (1 - alpha) * s[:1]
        return lfilter([alpha], [1, alpha - 1], s, axis=0, zi=start)[0]

    return _from_states(counts, states)


def _discounted(counts: np.ndarray, alpha: float = 0.0) -> np.ndarray:
    def states(busy):
        return lfilter([1.0], [1, alpha - 1], busy.astype(float), axis=0)

    return _from_states(counts, states)


def _season_ago(counts: np.ndarray, period: int) -> np.ndarray:
    forecast = _latest(counts)
    s = shares(counts)[: max(0, len(counts) - period)]
    busy = np.flatnonzero(s.any(axis=1))
    forecast[busy + period] = s[busy]
    return forecast


def _from_states(
    counts: np.ndarray, states: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Forecast every slot by the state after the latest earlier slot with requests.

    Args:
        counts: (T, M) requests.
        states: maps the rows with requests to as many rows, the k-th of which is
            known once the k-th of those slots is over.

    Returns:
        (T, M) float64; 1 / M in rows with no request before them.
    """
    busy = counts.any(axis=1)
    n_before = np.concatenate([[0], np.cumsum(busy)[:-1]])
    known = n_before > 0
    forecast = np.full(counts.shape, 1 / counts.shape[1])
    if known.any():
        forecast[known] = states(counts[busy])[n_before[known] - 1]
    return forecast


_ALPHAS = (0.005, *(i / 100 for i in range(1, 20)), *(i / 20 for i in range(4, 20)))
_EPSILONS = (0.0, 0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12) + tuple(
    i / 10 for i in range(2, 10)
)
_PSEUDO_COUNTS = (0.0, 0.003, 0.01, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 4.0)
_LARGE_PSEUDO_COUNTS = (8.0, 16.0, 32.0, 64.0)
_WINDOWS = (2, 3, 4, 5, 6, 8, 10, 13, 16, 20, 26, 39, 52, 78, 104)
_PERIODS = (2, 3, 4, 5, 6, 7, 12, 13, 14, 24, 26, 28, 30, 52, 168, 365)


@dataclass(frozen=True)
class Baseline:
    """A forecast in two steps, with the parameter values among which it is tuned.

    Attributes:
        function: the whole forecast, counts and parameters → (T, M) shares.
        average: the first step, counts and its parameters → (T, M).
        grid: values of the first step's parameters.
        smooth: the second step, a row-wise function of that and one amount.
        amount: name of the second step's parameter.
        amounts: its values.
    """

    function: Callable[..., np.ndarray]
    average: Callable[..., np.ndarray]
    amounts: Sequence[float]
    smooth: Callable[[np.ndarray, float], np.ndarray] = mix
    amount: str = "epsilon"
    grid: Mapping[str, Sequence[float]] = field(default_factory=dict)


# In the order of the tables
NAIVE: dict[str, Baseline] = {
    "last_value": Baseline(last_value, _latest, _EPSILONS),
    "moving_average": Baseline(
        moving_average, _window_mean, _EPSILONS, grid={"window": _WINDOWS}
    ),
    "ewma": Baseline(ewma, _ewma, _EPSILONS, grid={"alpha": _ALPHAS}),
    "ewma_count_weighted": Baseline(
        ewma_count_weighted,
        _discounted,
        _PSEUDO_COUNTS,
        credit,
        "pseudo_count",
        {"alpha": _ALPHAS},
    ),
    "cumulative_share": Baseline(
        cumulative_share,
        _discounted,
        _PSEUDO_COUNTS + _LARGE_PSEUDO_COUNTS,
        credit,
        "pseudo_count",
    ),
    "seasonal_naive": Baseline(
        seasonal_naive, _season_ago, _EPSILONS, grid={"period": _PERIODS}
    ),
}

# By definition these repeat a slot as it was. Only cross-entropy forces something to be
# kept back for movies not requested in it; smoothed, they would be the EWMA's kin.
LITERAL = ("last_value", "seasonal_naive")


@dataclass(frozen=True)
class Tuned:
    """A baseline with the parameters that did best on the validation slots.

    Attributes:
        name: key in NAIVE.
        parameters: the chosen value of each parameter.
        validation_score: the metric over the validation slots.
        forecast: (T, M) predicted shares with these parameters.
    """

    name: str
    parameters: dict[str, float]
    validation_score: float
    forecast: np.ndarray


def tune(
    name: str, counts: np.ndarray, split: Split, metric: str = "cross_entropy"
) -> Tuned:
    """Choose a baseline's parameters by grid search on the validation slots.

    The search is handed the slots before the test part only; the chosen parameters
    then forecast every slot. One step ahead nothing needs refitting: the state moves
    on with the data, the parameters stay.

    Args:
        name: a key of NAIVE.
        counts: (T, M) requests.
        split: which slots to score (`validation`) and to keep unseen (`test`).
        metric: `cross_entropy`, `rmse` or `mae`. A model is compared on the metric
            it was tuned for: the two choices differ in how much they smooth.

    Returns:
        The best parameters, their validation score and the forecast.
    """
    baseline, history = NAIVE[name], split.before_test(counts)
    truth = history[split.validation]
    # Without smoothing, the first request of an unknown movie costs infinitely many
    # nats; that none came in the validation slots is luck.
    keep_zero = metric != "cross_entropy"
    amounts = [value for value in baseline.amounts if value > 0 or keep_zero]
    if name in LITERAL and keep_zero:
        amounts = [0.0]
    best_value, best = np.inf, {}
    for values in product(*_within(baseline.grid, len(history)).values()):
        parameters = dict(zip(baseline.grid, values, strict=True))
        averaged = baseline.average(history, **parameters)[split.validation]
        for amount in amounts:
            forecast = baseline.smooth(averaged, amount)
            value = single(metric, truth, forecast, range(len(truth)))
            if value < best_value or not best:
                best_value, best = value, {**parameters, baseline.amount: amount}
    return Tuned(name, best, best_value, baseline.function(counts, **best))


def _within(grid: Mapping[str, Sequence[float]], n_slots: int) -> dict:
    """The grid without windows and periods longer than the history."""
    return {
        key: [v for v in values if v < n_slots] or list(values[:1])
        for key, values in grid.items()
    }


def tune_all(
    counts: np.ndarray, split: Split, metric: str = "cross_entropy"
) -> dict[str, Tuned]:
    """`tune` every baseline of NAIVE, in its order."""
    return {name: tune(name, counts, split, metric) for name in NAIVE}


def tuned_naive(name: str, metric: str = "cross_entropy") -> Callable:
    """A baseline as a forecaster that tunes itself on each split's validation."""

    def forecaster(counts: np.ndarray, split: Split) -> np.ndarray:
        return tune(name, counts, split, metric).forecast

    return forecaster


def evaluate_naive(counts: np.ndarray, split: Split) -> dict[str, pd.DataFrame]:
    """Per-slot tables of all naive baselines, `judged_on_both`, all parts.

    Returns:
        Name → per-slot table as in `Evaluation.per_slot`.
    """
    return {
        name: judged_on_both(
            evaluate(tuned_naive(name), counts, split).per_slot,
            evaluate(tuned_naive(name, "rmse"), counts, split).per_slot,
        )
        for name in NAIVE
    }


def rolling_naive(
    counts: np.ndarray, origins: Sequence[Split]
) -> dict[str, pd.DataFrame]:
    """As `evaluate_naive`, from several cut-offs: tables of `evaluate_rolling`."""
    return {
        name: judged_on_both(
            evaluate_rolling(tuned_naive(name), counts, origins),
            evaluate_rolling(tuned_naive(name, "rmse"), counts, origins),
        )
        for name in NAIVE
    }
