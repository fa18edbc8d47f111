"""All forecasters of a run side by side: what notebook 06 shows."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import polars as pl

from lib.errors import UserError
from lib.evaluation.caches import oracle_hit_ratio, reactive_hit_ratio
from lib.evaluation.calibration import coverage_curve, fit_dispersion, pit
from lib.evaluation.evaluate import (
    best_simple,
    compare,
    evaluate,
    judged_on_both,
    over_seeds,
    scores_by_split,
)
from lib.evaluation.metrics import floor_gap_closed, hit_ratio_at_k_per_slot
from lib.experiments.task import Task, load_forecasts, normalised
from lib.figures.style import NETWORKS
from lib.forecast.baselines import NAIVE
from lib.forecast.boosted_trees import calendar, lightgbm_forecasts
from lib.schema import MOVIE, TIMESTAMP

TUNED_FOR = ("cross_entropy", "rmse")
LEVELS = np.linspace(0.05, 0.95, 19)
ENOUGH_CELLS = 500  # to judge intervals by


def opponents(task: Task) -> dict[str, pd.DataFrame]:
    """Per-slot tables of the baselines and LightGBM, every measure at its best.

    A baseline is tuned twice on the validation slots, for cross-entropy and for the
    RMSE, and meets each measure with the fitting choice.
    """
    grid, split = task.grid, task.split
    tables = dict(task.naive)
    boosted = lightgbm_forecasts(grid.counts, split, **calendar(grid))
    tables["lightgbm"] = judged_on_both(
        *(evaluate(boosted[m].forecast, grid.counts, split).per_slot for m in TUNED_FOR)
    )
    return tables


def network_forecasts(task: Task) -> dict[str, np.ndarray]:
    """Seed-averaged forecasts by model, type 3, and their common mean, `ensemble`.

    Raises:
        UserError: notebooks 03 to 05 have not run.
    """
    kept = load_forecasts(task.folder)
    means = {
        model: forecast
        for (model, kind, seed), forecast in kept.items()
        if kind == 3 and seed == "mean"
    }
    if missing := [model for model in NETWORKS if model not in means]:
        raise UserError(
            f"data/processed/{task.folder.name}: no forecast of {', '.join(missing)}: "
            "first run 03_lstm, 04_gru and 05_conv1d_lstm with this DATASET and SLOT."
        )
    parts = [means[model] for model in NETWORKS]
    return means | {"ensemble": normalised(np.mean(parts, axis=0))}


def seed_spread(task: Task) -> pd.DataFrame:
    """Mean and standard deviation over seeds of every network's test scores."""
    seeds: dict[str, list] = {}
    for (model, kind, seed), forecast in load_forecasts(task.folder).items():
        if kind == 3 and seed != "mean":
            seeds.setdefault(model, []).append(task.scores(forecast, "test"))
    return pd.concat({model: over_seeds(rows) for model, rows in seeds.items()})


def all_scores(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Scores of every model, with the fraction of the gap to the floor it closes.

    Args:
        tables: model → per-slot table with a `split` column.

    Returns:
        part of the split → one row per model, best cross-entropy first.
    """
    reference = best_simple({m: tables[m] for m in NAIVE})
    parts: dict[str, dict] = {}
    for model, table in tables.items():
        for part, scores in scores_by_split(table).items():
            scores["floor_gap_closed"] = floor_gap_closed(
                scores["rmse"], reference[part][1], scores["rmse_floor"]
            )
            parts.setdefault(part, {})[model] = scores
    return {
        part: pd.DataFrame.from_dict(rows, orient="index").sort_values("cross_entropy")
        for part, rows in parts.items()
    }


def differences(
    tables: Mapping[str, pd.DataFrame], ours: str, metrics: Sequence[str]
) -> pd.DataFrame:
    """One model against every opponent, paired over the test slots.

    Returns:
        Index opponent, metric; columns difference, low, high, slots, verdict.
    """
    test = {m: t[t["split"] == "test"] for m, t in tables.items()}
    rows = {
        model: compare(test[ours], test[model], metrics)
        for model in (*NAIVE, "lightgbm")
    }
    return pd.concat(rows, names=["opponent", "metric"])


def caches(
    task: Task, forecasts: Mapping[str, np.ndarray], capacities: Sequence[int]
) -> pd.DataFrame:
    """Cache hit ratio over the test slots by capacity, beside LRU, LFU and oracle.

    Args:
        task: the run.
        forecasts: model → forecast; the cache holds the K movies of largest share.
        capacities: numbers of movies K.

    Returns:
        Index capacity, one column per model and policy.
    """
    grid, slots = task.grid, np.asarray(task.split.test)
    slots = slots[grid.counts[slots].sum(axis=1) > 0]
    movies, request_slots = _requests(task)
    rows = {}
    for k in capacities:
        rows[k] = {
            model: hit_ratio_at_k_per_slot(grid.counts[slots], q[slots], k).mean()
            for model, q in forecasts.items()
        }
        for policy in ("lru", "lfu"):
            hits = reactive_hit_ratio(policy, movies, request_slots, slots, k)
            rows[k][policy] = np.nanmean(hits)
        rows[k]["oracle"] = np.nanmean(oracle_hit_ratio(grid.counts, slots, k))
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("capacity")


def _requests(task: Task) -> tuple[np.ndarray, np.ndarray]:
    """Movie index and slot index of every request, in the order of time."""
    log = (
        pl.scan_parquet(task.folder / "requests.parquet")
        .select(MOVIE, TIMESTAMP)
        .sort(TIMESTAMP, maintain_order=True)
        .collect()
    )
    movies = np.searchsorted(task.grid.movies[MOVIE].to_numpy(), log[MOVIE].to_numpy())
    times = log[TIMESTAMP].to_numpy().astype("datetime64[s]")
    starts = task.grid.slots.to_numpy()
    return movies, np.searchsorted(starts, times, side="right") - 1


def calibration(
    task: Task, forecast: np.ndarray
) -> tuple[float, pd.DataFrame, np.ndarray]:
    """How often the intervals around a forecast hold the true number of requests.

    The dispersion of the negative binomial is fitted on the validation slots; cells
    with at least one request expected are looked at, or the 500 with most where traffic
    is so low that these are fewer.

    Returns:
        The dispersion, a table (level, multinomial, negative_binomial) and the PIT
        values of the negative binomial, which should be uniform.
    """
    counts, split = task.grid.counts, task.split
    rows = np.asarray(split.validation)
    dispersion = fit_dispersion(counts[rows], forecast[rows])
    rows = np.asarray(split.test)
    truth, q = counts[rows], forecast[rows]
    expected = truth.sum(axis=1, keepdims=True) * q
    few = min(ENOUGH_CELLS, expected.size)
    looked_at = expected >= min(1.0, np.partition(expected, -few, axis=None)[-few])
    curves = {"level": LEVELS}
    values = {}
    for name, phi in (("multinomial", None), ("negative_binomial", dispersion)):
        values[name] = pit(truth, q, phi)[looked_at]
        curves[name] = coverage_curve(values[name], LEVELS)
    return dispersion, pd.DataFrame(curves), values["negative_binomial"]
