"""Simple forecasts of the next slot's shares, and their tuning on validation slots.

Each is a running state: it takes in a slot's requests and forecasts the shares of the
next. A slot without requests has no shares, so it is passed over, as if time had stood
still. Where nothing is known yet the forecast is uniform. All parameter values move on
together, so that one pass over the slots tunes every forecast for every metric.

A movie without history would get the share 0 and cost infinite cross-entropy on its
first request, so each forecast keeps something back: `epsilon` of it is spread evenly
over all movies, or every movie is credited with `pseudo_count` requests that nobody
made.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lib.evaluation.evaluate import judged_on_both
from lib.evaluation.metrics import score_rows, share_errors
from lib.evaluation.splits import PARTS, Split
from lib.forecast.averages import Average, Discounted, Season, Smoothed, Window
from lib.progress import every

METRICS = ("cross_entropy", "rmse")  # what a forecast is tuned for
AT_ONCE = 8  # slots that are scored together


def mix(q: np.ndarray, epsilon: float) -> np.ndarray:
    """(1 − ε) q + ε / M: shares with a part spread evenly over the M movies."""
    return (1 - epsilon) * q + epsilon / q.shape[-1]


def credit(amounts: np.ndarray, pseudo_count: float) -> np.ndarray:
    """(a + κ) / Σ (a + κ) per row: shares from amounts; uniform where all are zero.

    κ is the number of requests credited to every movie beforehand: this is the
    posterior mean of the shares under a symmetric Dirichlet(κ) prior.
    """
    credited = amounts + pseudo_count
    totals = credited.sum(axis=-1, keepdims=True)
    uniform = np.full_like(credited, 1 / credited.shape[-1])
    return np.divide(credited, totals, out=uniform, where=totals > 0)


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
        average: the first step.
        amounts: values of the second step's one parameter.
        values: values of the first step's one parameter; a single one is no choice.
        parameter: its name.
        smooth: the second step: the average's rows and an amount → shares.
        amount: name of the second step's parameter.
    """

    average: type[Average]
    amounts: Sequence[float]
    values: Sequence[float] = (0,)
    parameter: str = ""
    smooth: Callable[[np.ndarray, float], np.ndarray] = mix
    amount: str = "epsilon"

    def parameters(self, value: float, amount: float) -> dict[str, float]:
        """The two values by their names."""
        named = {self.parameter: value} if self.parameter else {}
        return named | {self.amount: amount}

    def run(self, movies: int, parameters: dict[str, float]) -> "Run":
        """The forecast with these parameters, before the first slot."""
        value = parameters.get(self.parameter, self.values[0])
        return Run(self, self.average(movies, [value]), parameters[self.amount])


@dataclass
class Run:
    """A forecast that moves on slot by slot: `shares` of the next, then `update`."""

    baseline: Baseline
    average: Average
    amount: float

    def shares(self) -> np.ndarray:
        """Shares of the next slot, float64 (movies,)."""
        state = self.average.state[0]
        if not self.average.begun:
            return np.full(len(state), 1 / len(state))
        return self.baseline.smooth(state, self.amount)

    def update(self, counts: np.ndarray) -> None:
        """Take in a slot's requests, (movies,)."""
        self.average.update(counts)


# In the order of the tables
NAIVE: dict[str, Baseline] = {
    "last_value": Baseline(Average, _EPSILONS),
    "moving_average": Baseline(Window, _EPSILONS, _WINDOWS, "window"),
    "ewma": Baseline(Smoothed, _EPSILONS, _ALPHAS, "alpha"),
    "ewma_count_weighted": Baseline(
        Discounted,
        _PSEUDO_COUNTS,
        _ALPHAS,
        "alpha",
        credit,
        "pseudo_count",
    ),
    "cumulative_share": Baseline(
        Discounted,
        _PSEUDO_COUNTS + _LARGE_PSEUDO_COUNTS,
        smooth=credit,
        amount="pseudo_count",
    ),
    "seasonal_naive": Baseline(Season, _EPSILONS, _PERIODS, "period"),
}

# By definition these repeat a slot as it was. Only cross-entropy forces something to be
# kept back for movies not requested in it; smoothed, they would be the EWMA's kin.
LITERAL = ("last_value", "seasonal_naive")


def forecast(name: str, counts: np.ndarray, **parameters: float) -> np.ndarray:
    """Forecasts of all slots by a baseline.

    Args:
        name: a key of NAIVE.
        counts: (T, M) requests.
        parameters: of the baseline.

    Returns:
        (T, M) float64 shares, row t made from rows before t only.
    """
    rows = np.empty(counts.shape)
    run = NAIVE[name].run(counts.shape[1], parameters)
    for t, row in enumerate(counts):
        rows[t] = run.shares()
        run.update(np.asarray(row, float))
    return rows


@dataclass(frozen=True)
class Tuned:
    """A baseline with the parameters that did best on the validation slots.

    Attributes:
        name: key in NAIVE.
        parameters: the chosen value of each parameter.
        validation_score: the metric over the validation slots.
        counts: (T, M) requests.
    """

    name: str
    parameters: dict[str, float]
    validation_score: float
    counts: np.ndarray

    @property
    def forecast(self) -> np.ndarray:
        """(T, M) float64, predicted shares with these parameters, made when asked."""
        return forecast(self.name, self.counts, **self.parameters)

    def run(self) -> Run:
        """The forecast, to be moved on slot by slot."""
        return NAIVE[self.name].run(self.counts.shape[1], self.parameters)


class _Search:
    """All parameter values of a baseline, scored as the slots go by."""

    def __init__(self, name: str, movies: int, n_slots: int):
        self.name, self.baseline = name, NAIVE[name]
        values = self.baseline.values
        if self.baseline.average in (Window, Season):  # no longer than the history
            values = [v for v in values if v < n_slots] or values[:1]
        self.average = self.baseline.average(movies, values)
        self.amounts = np.array(self.baseline.amounts)
        shape = (len(values), len(self.amounts))
        self.loss = {metric: np.zeros(shape) for metric in METRICS}
        self.slots = 0

    def score(self, counts: np.ndarray, requested: np.ndarray) -> None:
        """Add the losses of the next slot, whose requests these are."""
        state, amounts = self.average.state, self.amounts
        if not self.average.begun:
            state = np.full_like(state, 1 / state.shape[1])
        share = counts[requested] / counts.sum()
        hit, movies = state[:, requested], state.shape[1]
        whole, squares = state.sum(axis=1), np.einsum("vm,vm->v", state, state)
        for k, amount in enumerate(amounts):
            if self.baseline.smooth is mix:
                # q = factor · state + added
                factor, added = np.full(len(state), 1 - amount), amount / movies
            else:
                total = whole + amount * movies
                factor = 1 / np.where(total > 0, total, 1)
                added = np.where(total > 0, amount * factor, 1 / movies)
            q = factor[:, None] * hit + np.reshape(added, (-1, 1))
            with np.errstate(divide="ignore"):
                self.loss["cross_entropy"][:, k] -= np.log(q) @ share
            # mean (s − q)², from sums over all movies of q² and over requested of s q
            square = factor**2 * squares + 2 * factor * added * whole
            square += movies * added**2 + share @ share - 2 * q @ share
            self.loss["rmse"][:, k] += square / movies
        self.slots += 1

    def best(self, metric: str, counts: np.ndarray) -> Tuned:
        """The values of least loss; of several, the first."""
        loss = self.loss[metric] / self.slots
        if metric == "cross_entropy":
            # Without smoothing, the first request of an unknown movie costs infinitely
            # many nats; that none came in the validation slots is luck.
            loss = np.where(self.amounts > 0, loss, np.inf)
        elif self.name in LITERAL:
            loss = np.where(self.amounts == 0, loss, np.inf)
        v, k = np.unravel_index(loss.argmin(), loss.shape)
        value, amount = self.average.values[v, 0].item(), self.amounts[k].item()
        least = loss[v, k] ** 0.5 if metric == "rmse" else loss[v, k]
        named = self.baseline.parameters(value, amount)
        return Tuned(self.name, named, float(least), counts)


def tune(
    counts: np.ndarray, split: Split, names: Sequence[str] = tuple(NAIVE)
) -> dict[str, dict[str, Tuned]]:
    """Choose the baselines' parameters by grid search on the validation slots.

    One pass over the slots before the test part, which are all that is read. One step
    ahead nothing needs refitting: the state moves on with the data, the parameters
    stay. A model is compared on the metric it was tuned for: the two choices differ in
    how much they smooth.

    Args:
        counts: (T, M) requests.
        split: which slots to score (`validation`) and to keep unseen (`test`).
        names: keys of NAIVE.

    Returns:
        Metric (`cross_entropy`, `rmse`) → name → the best parameters.
    """
    stop = split.test.start
    searches = [_Search(name, counts.shape[1], stop) for name in names]
    for t in every(range(stop), "tuning the simple forecasts"):
        row = np.asarray(counts[t], float)
        requested = np.flatnonzero(row)
        for search in searches:
            if t in split.validation and len(requested):
                search.score(row, requested)
            search.average.update(row)
    return {
        metric: {search.name: search.best(metric, counts) for search in searches}
        for metric in METRICS
    }


def naive_tables(
    tuned: dict[str, dict[str, Tuned]],
    counts: np.ndarray,
    split: Split,
    parts: Sequence[str] = PARTS,
) -> dict[str, pd.DataFrame]:
    """Measures of the tuned baselines in every slot, each at its best.

    Args:
        tuned: from `tune`.
        counts: (T, M) requests.
        split: names the part that a slot belongs to; slot 0 is left out, since nothing
            is known before it.
        parts: whose slots are wanted.

    Returns:
        Name → per-slot table with a column `split`, see `judged_on_both`.
    """
    part_of = {t: part for part in parts for t in split.parts[part] if t}
    slots = np.array([t for t in part_of if counts[t].any()])
    scored = {"cross_entropy": score_rows, "rmse": share_errors}
    found: dict[tuple, list] = {
        (metric, name): [] for metric in tuned for name in NAIVE
    }
    for block, rows in _forecasts(tuned, counts, slots):
        for (metric, name), q in rows.items():
            found[metric, name].append(scored[metric](counts, q, block))
    tables = {key: pd.concat(all_, ignore_index=True) for key, all_ in found.items()}
    for name in NAIVE:
        tables["cross_entropy", name].insert(0, "split", [part_of[t] for t in slots])
    return {
        name: judged_on_both(*(tables[metric, name] for metric in METRICS))
        for name in NAIVE
    }


def _forecasts(tuned, counts, slots) -> Iterator[tuple[np.ndarray, dict]]:
    """Slots, a few at a time, and their forecasts by (metric, name), (slots, M)."""
    runs = {(m, name): one.run() for m in tuned for name, one in tuned[m].items()}
    wanted, rows = set(slots.tolist()), []
    for t in every(range(slots[-1] + 1), "simple forecasts"):
        if t in wanted:
            rows.append((t, {key: run.shares() for key, run in runs.items()}))
        if len(rows) == AT_ONCE or (rows and t == slots[-1]):
            block = np.array([slot for slot, _ in rows])
            yield block, {key: np.array([q[key] for _, q in rows]) for key in runs}
            rows = []
        row = np.asarray(counts[t], float)
        for run in runs.values():
            run.update(row)


def evaluate_naive(
    counts: np.ndarray, split: Split, parts: Sequence[str] = PARTS
) -> dict[str, pd.DataFrame]:
    """`naive_tables` of freshly tuned baselines."""
    return naive_tables(tune(counts, split), counts, split, parts)
