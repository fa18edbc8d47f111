"""A strong opponent that is not a network: gradient-boosted trees on lags.

LightGBM won the M5 forecasting competition with lag and calendar features (Makridakis,
Spiliotis and Assimakopoulos 2022); its method is Ke et al. 2017. Here it predicts the
requests of every (slot, movie) cell with a Poisson loss, the slot's traffic as an
offset; the predictions of a slot are normalised to shares.

It comes in two kinds: with the lags and calendar features such a model is usually given
(`lightgbm_forecasts`), and on the networks' own terms: their features, and trees that
correct the EWMA's log share (`residual_trees`).
"""

from collections.abc import Iterable
from functools import partial
from itertools import product
from operator import itemgetter

import lightgbm as lgb
import numpy as np
from scipy.special import log_softmax

from lib.data.grid import Grid
from lib.evaluation.metrics import shares, single
from lib.evaluation.splits import Split
from lib.forecast.baselines import (
    NAIVE,
    credit,
    ewma_count_weighted,
    mix,
    moving_average,
)
from lib.forecast.features import Features, genre_flags
from lib.forecast.linear import Fitted, known_before
from lib.schema import RELEASE_YEAR

LAGS = (1, 2, 3, 4, 6, 8)  # slots
WINDOWS = (4, 13, 26)  # slots
ALPHAS = (0.05, 0.1, 0.2, 0.4)
LEAVES = (7, 31)
ROUNDS = (50, 100, 200, 300)
LEARNING_RATE = 0.1
RESIDUAL = {"learning_rate": 0.1, "busy_slots_alike": True, "lambda_l2": 10.0}
RESIDUAL_LEAVES = (4, 16)
RESIDUAL_ROUNDS = (10, 25, 50, 100, 150, 200)
UNSEEN_STRIDE = 5  # of the cells of movies without history every fifth is fitted on


def lag_features(
    counts: np.ndarray,
    release_age: np.ndarray | None = None,
    genres: np.ndarray | None = None,
    season: np.ndarray | None = None,
) -> np.ndarray:
    """Inputs of the trees; row t is made from counts before t.

    Args:
        counts: (T, M) requests.
        release_age: (T, M) years from release to slot t, NaN where unknown.
        genres: (M, G) flags.
        season: (T,) place of slot t in the year, from 0 to 1.

    Returns:
        (T, M, F) float32: share × M at each lag, mean share × M over windows,
        discounted shares × M, log of all requests so far, slots since the first and
        since the latest request (NaN before it), log of the latest traffic, then
        what is given of release age, genres and season.
    """
    n_slots, n_movies = counts.shape
    s = shares(counts) * n_movies
    before = np.zeros_like(s)
    before[1:] = np.cumsum(counts, axis=0, dtype=float)[:-1]
    columns = [_lagged(s, lag) for lag in LAGS]
    columns += [moving_average(counts, w, 0.0) * n_movies for w in WINDOWS]
    columns += [ewma_count_weighted(counts, a, 0.05) * n_movies for a in ALPHAS]
    columns += [np.log1p(before), *_recency(counts)]
    columns.append(np.log1p(_lagged(counts.sum(axis=1, keepdims=True), 1)))
    columns += [] if release_age is None else [release_age]
    columns += [] if genres is None else list(np.asarray(genres).T[:, None, :])
    columns += [] if season is None else [np.asarray(season)[:, None]]
    features = np.empty((n_slots, n_movies, len(columns)), dtype=np.float32)
    for i, column in enumerate(columns):
        features[..., i] = column
    return features


def calendar(grid: Grid) -> dict:
    """What LightGBM may know beside the counts: ages, genres and the season."""
    year = grid.movies[RELEASE_YEAR].to_numpy(np.float64, na_value=np.nan)
    season = (grid.slots.day_of_year / 366).to_numpy(np.float64)
    return {
        "release_age": (grid.slots.year.to_numpy() + season)[:, None] - year,
        "genres": genre_flags(grid),
        "season": season,
    }


def lightgbm_forecast(
    counts: np.ndarray,
    split: Split,
    release_age: np.ndarray | None = None,
    genres: np.ndarray | None = None,
    season: np.ndarray | None = None,
    *,
    metric: str = "cross_entropy",
    seed: int = 0,
    threads: int = 1,
) -> Fitted:
    """Fit, tune and apply boosted trees; nothing from the test slots is used.

    Leaves, number of trees and the part spread evenly over all movies are chosen by
    grid search on the validation slots with trees fitted on the training slots. The
    trees are then fitted again on both, and forecast the test slots.

    Args:
        counts: (T, M) requests.
        split: the cut-offs.
        release_age, genres, season: see `lag_features`.
        metric: what to tune for, `cross_entropy` or `rmse`.
        seed: of LightGBM; a seed gives the same trees on one machine.
        threads: number of threads.
    """
    return lightgbm_forecasts(
        counts, split, release_age, genres, season, (metric,), seed, threads
    )[metric]


def lightgbm_forecasts(
    counts: np.ndarray,
    split: Split,
    release_age: np.ndarray | None = None,
    genres: np.ndarray | None = None,
    season: np.ndarray | None = None,
    metrics: Iterable[str] = ("cross_entropy", "rmse"),
    seed: int = 0,
    threads: int = 1,
) -> dict[str, Fitted]:
    """As `lightgbm_forecast`, tuned for several metrics with the same first fit.

    Returns:
        Metric → forecasts tuned for it.
    """
    features = lag_features(counts, release_age, genres, season)
    fitted = range(min(1, split.train.stop - 1), split.train.stop)
    boosters = {
        leaves: _fit(features, counts, fitted, leaves, max(ROUNDS), seed, threads)
        for leaves in LEAVES
    }
    both = range(fitted.start, split.test.start)
    results = {}
    for metric in metrics:
        leaves, rounds, epsilon, value = _choose(
            boosters, features, counts, split, metric
        )
        again = _fit(features, counts, both, leaves, rounds, seed, threads)
        early = _predict(boosters[leaves], features[: both.stop], rounds)
        late = _predict(again, features[both.stop :], rounds)
        parameters = {"leaves": leaves, "trees": rounds, "epsilon": epsilon}
        forecast = mix(np.vstack([early, late]), epsilon)
        results[metric] = Fitted(forecast, parameters, value, again)
    return results


def residual_trees(
    data: Features, counts: np.ndarray, split: Split, seed: int = 0, threads: int = 1
) -> Fitted:
    """Trees with the networks' information: a correction of the EWMA's log share.

    The expected requests of a cell are N_t · ewma(i, t) · exp(trees(x)), with x all
    that the networks know before the slot (`lib.forecast.linear.known_before`). Leaves,
    number of trees and how much of their correction is taken are chosen on the
    validation slots; then the trees are fitted again with these slots.

    Args:
        data: the networks' features.
        counts: (T, M) requests.
        split: the cut-offs.
        seed: of LightGBM.
        threads: number of threads.
    """
    x, start = known_before(data), data.log_ewma.astype(float)
    seen = counts.cumsum(axis=0) - counts > 0
    fit = partial(_fit, x, counts, start=start, seen=seen, **RESIDUAL)
    rows, tried = split.validation, []
    for leaves in RESIDUAL_LEAVES:
        trees = fit(split.train[1:], leaves, max(RESIDUAL_ROUNDS), seed, threads)
        for rounds in RESIDUAL_ROUNDS:
            q = _corrected(trees, x, start, rows, rounds)
            value = single("cross_entropy", counts[rows], q, range(len(rows)))
            tried.append((value, leaves, rounds, trees))
    value, leaves, rounds, trees = min(tried, key=itemgetter(0))
    again = fit(range(1, split.test.start), leaves, rounds, seed, threads)
    parts = [
        _corrected(trees, x, start, range(split.test.start), rounds),
        _corrected(again, x, start, range(split.test.start, len(counts)), rounds),
    ]
    chosen = {"leaves": leaves, "trees": rounds}
    return Fitted(np.vstack(parts), chosen, value, again)


def apply(booster: lgb.Booster, data: Features, slots: range) -> np.ndarray:
    """Shares forecast for some slots with trees already fitted by `residual_trees`."""
    x, start = known_before(data), data.log_ewma.astype(float)
    return _corrected(booster, x, start, slots, booster.num_trees())


def _corrected(booster, features, start, slots, rounds) -> np.ndarray:
    """Shares of the given slots: the EWMA's, corrected by the first trees."""
    rows = slice(slots.start, slots.stop)
    flat = features[rows].reshape(-1, features.shape[-1])
    raw = booster.predict(flat, raw_score=True, num_iteration=rounds)
    return np.exp(log_softmax(start[rows] + raw.reshape(start[rows].shape), axis=1))


def apply_to_lags(
    booster: lgb.Booster, grid: Grid, slots: range, epsilon: float
) -> np.ndarray:
    """Shares forecast for some slots with trees fitted by `lightgbm_forecasts`."""
    features = lag_features(grid.counts, **calendar(grid))[slots.start : slots.stop]
    return mix(_predict(booster, features, booster.num_trees()), epsilon)


def _choose(boosters, features, counts, split, metric):
    """Leaves, trees and ε of the least metric over the validation slots."""
    rows = split.validation
    truth, slots = counts[rows.start : rows.stop], range(len(rows))
    best = None
    for leaves, rounds in product(boosters, ROUNDS):
        q = _predict(boosters[leaves], features[rows.start : rows.stop], rounds)
        for epsilon in NAIVE["ewma"].amounts:
            value = single(metric, truth, mix(q, epsilon), slots)
            if best is None or value < best[-1]:
                best = (leaves, rounds, epsilon, value)
    return best


def _fit(
    features,
    counts,
    slots,
    leaves,
    rounds,
    seed,
    threads,
    start=None,
    seen=None,
    **more,
) -> lgb.Booster:
    """Poisson trees on the cells of the given slots.

    The offset log(N_t q) lets the trees start at the shares q = exp(start), the uniform
    ones unless given, and not at 1.
    """
    rows = slice(slots.start, slots.stop)
    x = features[rows].reshape(-1, features.shape[-1])
    y = counts[rows].reshape(-1).astype(float)
    if start is None or seen is None:
        start = np.full(counts.shape, -np.log(counts.shape[1]))
        seen = features[..., len(LAGS) + len(WINDOWS) + len(ALPHAS)] > 0
    # A slot without requests has no shares to learn from: its weight is zero.
    traffic = counts[rows].sum(axis=1, keepdims=True, dtype=float)
    offset = (start[rows] + np.log(np.maximum(traffic, 1))).reshape(-1)
    weight = np.repeat(traffic > 0, counts.shape[1]).astype(float)
    if more.pop("busy_slots_alike", False):
        weight /= np.repeat(np.sqrt(np.maximum(traffic, 1)), counts.shape[1])
    keep, stride_weight = _thin_out(seen[rows].reshape(-1))
    weight = (weight * stride_weight)[keep]
    data = lgb.Dataset(x[keep], y[keep], weight=weight, init_score=offset[keep])
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
    return lgb.train(parameters | more, data, num_boost_round=rounds)


def _thin_out(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells to fit on and their weights: all with history, some without.

    Most cells of a large grid are movies not requested yet, nearly alike; every fifth
    stands for five.
    """
    regular = np.arange(len(seen)) % UNSEEN_STRIDE == 0
    return np.flatnonzero(seen | regular), np.where(seen, 1.0, UNSEEN_STRIDE)


def _predict(booster: lgb.Booster, features: np.ndarray, rounds: int) -> np.ndarray:
    """Shares from the first `rounds` trees: expected requests, normalised per slot."""
    flat = features.reshape(-1, features.shape[-1])
    log_rate = booster.predict(flat, raw_score=True, num_iteration=rounds)
    log_rate = np.asarray(log_rate)
    return credit(np.exp(log_rate).reshape(features.shape[:2]), 0.0)


def _lagged(values: np.ndarray, lag: int) -> np.ndarray:
    """Rows moved down by `lag`, zeros above."""
    moved = np.zeros(values.shape)
    moved[lag:] = values[:-lag] if lag else values
    return moved


def _recency(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slots since the first and since the latest request before t, NaN before both."""
    slot = np.arange(len(counts))[:, None]
    requested = np.where(counts > 0, slot, -1)
    latest = np.full(counts.shape, -1)
    latest[1:] = np.maximum.accumulate(requested, axis=0)[:-1]
    first = np.where(counts.any(axis=0), (counts > 0).argmax(axis=0), len(counts))
    since_first = np.where(slot > first, slot - first, np.nan)
    return since_first, np.where(latest >= 0, slot - latest, np.nan)
