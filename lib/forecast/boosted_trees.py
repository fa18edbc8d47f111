"""A strong opponent that is not a network: gradient-boosted trees on lags.

LightGBM won the M5 forecasting competition with lag and calendar features (Makridakis,
Spiliotis and Assimakopoulos 2022); its method is Ke et al. 2017. Here it predicts the
requests of every (slot, movie) cell with a Poisson loss, the slot's traffic as an
offset; the predictions of a slot are normalised to shares.

It comes in two kinds: with the lags and calendar features such a model is usually given
(`lightgbm_forecasts`), and on the networks' own terms: their features, and trees that
correct the EWMA's log share (`residual_trees`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, product

import lightgbm as lgb
import numpy as np
from scipy.special import log_softmax

from lib.data.arrays import scratch
from lib.data.grid import Grid
from lib.evaluation.metrics import cross_entropy_per_slot, mse_per_slot
from lib.evaluation.splits import Split
from lib.forecast.baselines import NAIVE, credit, mix
from lib.forecast.cells import Known, beginnings, draw, judged
from lib.forecast.features import Features
from lib.forecast.lags import REQUESTED, calendar, lag_rows
from lib.forecast.linear import Fitted
from lib.progress import every

LEAVES = (7, 31)
ROUNDS = (50, 100, 200, 300)
LEARNING_RATE = 0.1
RESIDUAL = {"learning_rate": 0.1, "busy_slots_alike": True, "lambda_l2": 10.0}
RESIDUAL_LEAVES = (4, 16)
RESIDUAL_ROUNDS = (10, 25, 50, 100, 150, 200)
UNSEEN_STRIDE = 5  # where all cells fit, of those without history every fifth is read


def lightgbm_forecasts(
    counts: np.ndarray,
    split: Split,
    metrics: Iterable[str] = ("cross_entropy", "rmse"),
    seed: int = 0,
    threads: int = 1,
    since: int = 0,
    **known: np.ndarray,
) -> dict[str, Fitted]:
    """Fit, tune and apply boosted trees; nothing from the test slots is used.

    Leaves, number of trees and the part spread evenly over all movies are chosen by
    grid search on the validation slots with trees fitted on the training slots. The
    trees are then fitted again on both, and forecast the test slots. The cells of a
    large grid are drawn (`lib.forecast.cells`).

    Args:
        counts: (T, M) requests.
        split: the cut-offs.
        metrics: what to tune for, `cross_entropy` and `rmse`: forecasts of their own.
        seed: of LightGBM; a seed gives the same trees on one machine.
        threads: number of threads.
        since: first slot that is forecast; rows before it stay zero.
        known: see `lag_rows`.

    Returns:
        Metric → forecasts tuned for it.
    """
    metrics = tuple(metrics)
    both = range(min(1, split.train.stop - 1), split.test.start)
    cells = _cells(_lagged(counts, both, known), counts, both)
    table = cells.between(0, split.train.stop).table()
    boosters = {n: _fit(table, n, max(ROUNDS), seed, threads) for n in LEAVES}
    chosen = _choose(boosters, counts, split, metrics, known)
    table = cells.between(0, both.stop).table()
    sizes = {(leaves, rounds) for leaves, rounds, *_ in chosen.values()}
    late = {size: _fit(table, *size, seed, threads) for size in sorted(sizes)}
    forecasts = {metric: scratch(counts.shape) for metric in metrics}
    told = every(range(len(counts)), "boosted trees on lags")
    for t, x in zip(told, lag_rows(counts, **known), strict=False):
        if t < since:
            continue
        found = {
            size: _predict(trees if t >= both.stop else boosters[size[0]], x, size[1])
            for size, trees in late.items()
        }
        for metric, (leaves, rounds, epsilon, _) in chosen.items():
            forecasts[metric][t] = mix(found[leaves, rounds], epsilon)
    return {
        metric: Fitted(
            forecasts[metric],
            {"leaves": leaves, "trees": rounds, "epsilon": epsilon},
            value,
            late[leaves, rounds],
        )
        for metric, (leaves, rounds, epsilon, value) in chosen.items()
    }


def residual_trees(
    data: Features,
    counts: np.ndarray,
    split: Split,
    seed: int = 0,
    threads: int = 1,
    since: int = 0,
) -> Fitted:
    """Trees with the networks' information: a correction of the EWMA's log share.

    The expected requests of a cell are N_t · ewma(i, t) · exp(trees(x)), with x all
    that the networks know before the slot (`lib.forecast.cells.Known`). The slot
    to begin with, leaves and number of trees are chosen on the validation slots; then
    the trees are fitted again with these slots.

    Args:
        data: the networks' features.
        counts: (T, M) requests.
        split: the cut-offs.
        seed: of LightGBM.
        threads: number of threads.
        since: first slot that is forecast; rows before it stay zero.
    """
    known, early = Known(data), range(split.test.start)
    more = RESIDUAL.copy()
    alike = more.pop("busy_slots_alike", False)
    both = early[1:]
    cells = _cells(_known(known, counts, both), counts, both, alike)
    fits = {}
    for first in beginnings(split.train):
        table = cells.between(first, split.train.stop).table()
        for leaves in RESIDUAL_LEAVES:
            trees = _fit(table, leaves, max(RESIDUAL_ROUNDS), seed, threads, **more)
            fits[first, leaves] = trees
    pairs = list(product(fits, range(len(RESIDUAL_ROUNDS))))
    nats = []
    for t in every(judged(counts, split), "choosing the boosted trees"):
        x, start = known.row(t), data.log_ewma[t]
        raw = {n: list(_staged(trees, x, RESIDUAL_ROUNDS)) for n, trees in fits.items()}
        nats.append(
            [_entropy(counts[t], _corrected(start, raw[n][k])) for n, k in pairs]
        )
    values = np.mean(nats, axis=0)
    (first, leaves), k = pairs[int(values.argmin())]
    rounds, trees = RESIDUAL_ROUNDS[k], fits[first, leaves]
    table = cells.between(first, split.test.start).table()
    again = _fit(table, leaves, rounds, seed, threads, **more)
    forecast = scratch(counts.shape)
    for t in every(range(since, len(counts)), "boosted trees"):
        raw = _raw(trees if t in early else again, known.row(t), rounds)
        forecast[t] = _corrected(data.log_ewma[t], raw)
    chosen = {"leaves": leaves, "trees": rounds, "first_slot": first}
    return Fitted(forecast, chosen, float(values.min()), again)


def apply(booster: lgb.Booster, data: Features, slots: range) -> np.ndarray:
    """Shares forecast for some slots with trees already fitted by `residual_trees`."""
    known, rounds = Known(data), booster.num_trees()
    return np.array(
        [
            _corrected(data.log_ewma[t], _raw(booster, known.row(t), rounds))
            for t in slots
        ]
    )


def apply_to_lags(
    booster: lgb.Booster, grid: Grid, slots: range, epsilon: float
) -> np.ndarray:
    """Shares forecast for some slots with trees fitted by `lightgbm_forecasts`."""
    rows = islice(lag_rows(grid.counts, **calendar(grid)), slots.start, slots.stop)
    return np.array(
        [mix(_predict(booster, x, booster.num_trees()), epsilon) for x in rows]
    )


def _choose(boosters, counts, split, metrics, known) -> dict[str, tuple]:
    """Metric → leaves, trees and ε of its least mean over the validation slots."""
    amounts, values = NAIVE["ewma"].amounts, {metric: [] for metric in metrics}
    measures = {"cross_entropy": cross_entropy_per_slot, "rmse": mse_per_slot}
    rows, slots = lag_rows(counts, **known), judged(counts, split)
    told = every(split.before_test(counts), "choosing the boosted trees")
    for t, (_, x) in enumerate(zip(told, rows, strict=False)):
        if t not in slots:
            continue
        shares_of = [
            credit(np.exp(raw), 0.0)
            for trees in boosters.values()
            for raw in _staged(trees, x, ROUNDS)
        ]
        true = counts[t : t + 1]
        for metric, found in values.items():
            found.append(
                [
                    [measures[metric](true, mix(q, e)[None])[0] for e in amounts]
                    for q in shares_of
                ]
            )
    chosen = {}
    for metric, found in values.items():
        mean = np.mean(found, axis=0)
        pair, k = np.unravel_index(mean.argmin(), mean.shape)
        leaves, rounds = list(product(boosters, ROUNDS))[pair]
        least = mean[pair, k] ** 0.5 if metric == "rmse" else mean[pair, k]
        chosen[metric] = leaves, rounds, amounts[k], float(least)
    return chosen


@dataclass(frozen=True)
class _Cells:
    """Cells to fit on: slot, features, requests, offset and weight of each.

    The offset log(N_t q) lets the trees start at the shares q of a simple forecast and
    not at 1.
    """

    slot: np.ndarray
    x: np.ndarray
    requests: np.ndarray
    offset: np.ndarray
    weight: np.ndarray

    def between(self, first: int, stop: int) -> "_Cells":
        """Those of the slots from one on and before another."""
        part = slice(*np.searchsorted(self.slot, [first, stop]))
        return _Cells(*(array[part] for array in vars(self).values()))

    def table(self) -> lgb.Dataset:
        """As LightGBM reads them."""
        return lgb.Dataset(
            self.x,
            self.requests,
            weight=self.weight,
            init_score=self.offset,
            free_raw_data=False,
        )


def _cells(
    rows: Iterable[tuple], counts: np.ndarray, slots: range, alike=False
) -> _Cells:
    """All cells with history and some without, or drawn ones where these are too many.

    Args:
        rows: slot, function from movies to features (movies, F), log shares to start
            from, shares to draw by, movies requested before.
        counts: (T, M) requests.
        slots: of the rows.
        alike: a slot weighs by the root of its traffic.
    """
    parts = []
    for t, read, start, expected, seen in rows:
        movies, stands_for = draw(t, counts[t], expected, len(slots))
        if stands_for is None:
            # Most cells are movies not requested yet, nearly alike: each fifth is read.
            flat = np.arange(len(seen)) + (t - slots.start) * len(seen)
            movies = np.flatnonzero(seen | (flat % UNSEEN_STRIDE == 0))
            stands_for = np.where(seen, 1.0, UNSEEN_STRIDE)[movies]
        traffic = counts[t].sum(dtype=float)
        # A slot without requests has no shares to learn from: its weight is zero.
        weight = (traffic > 0) / (np.sqrt(max(traffic, 1)) if alike else 1)
        parts.append(
            (
                np.full(len(stands_for), t),
                read(movies),
                counts[t][movies].astype(float),
                (start + np.log(max(traffic, 1)))[movies],
                weight * stands_for,
            )
        )
    return _Cells(*map(np.concatenate, zip(*parts, strict=True)))


def _lagged(counts: np.ndarray, slots: range, known: dict) -> Iterator[tuple]:
    """Rows for `_cells`: what `lag_rows` says, started at uniform shares."""
    rows = zip(range(slots.stop), lag_rows(counts, **known), strict=False)
    uniform = np.full(counts.shape[1], -np.log(counts.shape[1]))
    for t in every(slots, "cells of the boosted trees on lags"):
        x = next(x for at, x in rows if at == t)
        yield (
            t,
            x.__getitem__,
            uniform,
            x[:, REQUESTED - 1].astype(float),
            x[:, REQUESTED] > 0,
        )


def _known(known: Known, counts: np.ndarray, slots: range) -> Iterator[tuple]:
    """Rows for `_cells`: what the networks know, started where they start."""
    seen = counts[: slots.start].any(axis=0)
    for t in every(slots, "cells of the boosted trees"):
        start = known.data.log_ewma[t].astype(float)
        yield t, partial(known.row, t), start, np.exp(start), seen
        seen = seen | (counts[t] > 0)


def _fit(
    table: lgb.Dataset, leaves: int, rounds: int, seed: int, threads: int, **more
) -> lgb.Booster:
    """Poisson trees on some cells."""
    parameters = {
        "objective": "poisson",
        "learning_rate": LEARNING_RATE,
        "num_leaves": leaves,
        "min_data_in_leaf": 200,
        "feature_fraction": 0.7,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "max_bin": 63,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "verbosity": -1,
    }
    told = every(range(rounds), f"boosted trees of {leaves} leaves", "trees")
    callbacks = [lambda _: next(told, None)]
    return lgb.train(parameters | more, table, rounds, callbacks=callbacks)


def _raw(booster: lgb.Booster, x: np.ndarray, rounds: int) -> np.ndarray:
    """What the first trees add up to, (M,)."""
    return np.asarray(booster.predict(x, raw_score=True, num_iteration=rounds))


def _staged(booster: lgb.Booster, x: np.ndarray, rounds: Sequence[int]) -> Iterator:
    """`_raw` for several numbers of trees, ascending; each tree is asked once."""
    total, done = np.zeros(len(x)), 0
    for number in rounds:
        more = booster.predict(x, done, number - done, raw_score=True)
        total, done = total + np.asarray(more), number
        yield total


def _corrected(start: np.ndarray, raw: np.ndarray) -> np.ndarray:
    """Shares of a slot: the EWMA's, corrected by the trees."""
    return np.exp(log_softmax(start.astype(float) + raw))


def _predict(booster: lgb.Booster, x: np.ndarray, rounds: int) -> np.ndarray:
    """Shares from the first `rounds` trees: expected requests, normalised."""
    return credit(np.exp(_raw(booster, x, rounds)), 0.0)


def _entropy(counts: np.ndarray, q: np.ndarray) -> float:
    """Cross-entropy of one slot, nats per request."""
    return cross_entropy_per_slot(counts[None], q[None])[0]
