"""All forecasters from several cut-offs: the rolling-origin part of notebook 06.

Everything is fitted anew at each cut-off with what lies before it, and judged on the
slots up to the next one (`splits.rolling_origins`). All opponents are tuned anew, too,
and the pool gets new weights; the networks keep their settings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from lib import paths
from lib.data.arrays import identity
from lib.data.grid import Grid
from lib.evaluation.evaluate import compare, evaluate_rolling, judged_on_both
from lib.evaluation.metrics import summarise
from lib.evaluation.splits import Split, rolling_origins
from lib.experiments.best import CELLS, train_members
from lib.experiments.comparison import (
    FOR_RMSE,
    MEASURES,
    POOLED,
    TUNED_FOR,
    start_shares,
)
from lib.experiments.task import Task, mean_shares
from lib.forecast.baselines import rolling_naive
from lib.forecast.combination import pooled
from lib.forecast.features import build_features
from lib.forecast.trainer import Settings


def rolling_tables(
    task: Task, settings: Settings, seeds: Sequence[int], n_origins: int
) -> tuple[dict[str, pd.DataFrame], dict[str, list[pd.DataFrame]]]:
    """Every model from several cut-offs, trained, tuned and pooled anew at each.

    Simple forecasts and LightGBM are tuned for cross-entropy and for the RMSE, see
    `lib.evaluation.evaluate.judged_on_both`. The default forecast `best` pools the
    networks, the linear softmax and the trees with weights from the validation slots
    of the cut-off.

    Args:
        task: the run.
        settings: of the networks, but for the cell.
        seeds: seeds to average over.
        n_origins: number of cut-offs.

    Returns:
        model → per-slot table of `evaluate.evaluate_rolling`; `ensemble` is the mean of
        all networks' shares. And `ensemble` and `best` → tables of what they would be
        if each network alone stood for all of them, in place of other seeds, which are
        not trained here. A cut-off without a slot to train a network on is left out;
        both are empty where that leaves none.
    """
    counts = task.grid.counts
    origins = [
        split
        for split in rolling_origins(len(task.grid.slots), n_origins)
        if counts[settings.t_slot : split.train.stop].any()
    ]
    if not origins:
        return {}, {}
    memory: dict[tuple, dict[str, np.ndarray]] = {}

    def found(name: str, counts: np.ndarray, split: Split) -> np.ndarray:
        key = split, identity(counts)
        if key not in memory:
            memory[key] = _forecasts(task, settings, seeds, counts, split)
        return memory[key][name]

    def rolled(name: str) -> pd.DataFrame:
        return evaluate_rolling(partial(found, name), counts, origins)

    tables = {name: rolled(name) for name in (*POOLED, "ensemble", "best", "start")}
    tables["lightgbm"] = judged_on_both(tables["lightgbm"], rolled(FOR_RMSE))
    draws = {
        "ensemble": [tables[cell] for cell in CELLS],
        "best": [rolled(_alone(cell)) for cell in CELLS],
    }
    return tables | rolling_naive(counts, origins), draws


def _alone(cell: str) -> str:
    """Name of the pool in which one network stands for all of them."""
    return f"best of {cell} alone"


def _forecasts(
    task: Task,
    settings: Settings,
    seeds: Sequence[int],
    counts: np.ndarray,
    split: Split,
) -> dict[str, np.ndarray]:
    """What is forecast from one cut-off: name → shares (slots, movies).

    Rows before the validation slots are zero, for nothing reads them.
    """
    grid, since = _given(task, counts), split.test.start
    folder = task.folder / "training"
    data = build_features(grid, split, folder)
    members = train_members(grid, data, split, folder, settings, seeds, TUNED_FOR)
    found, pool = dict(members.forecasts), members.best
    networks = {cell: found[cell] for cell in CELLS}
    for cell, forecast in networks.items():
        alone = found | dict.fromkeys(networks, forecast)
        found[_alone(cell)] = pooled(pool.pool, pool.weights, alone, since)
    return found | {
        "best": pool.forecast,
        "ensemble": mean_shares([*networks.values()], since, np.float32),
        "start": start_shares(data, since),
    }


def _given(task: Task, counts: np.ndarray) -> Grid:
    """The grid as known before the end of the given counts, with these counts."""
    return replace(task.grid.until(len(counts)), counts=counts)


def rolling_scores(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Scores over all tested slots of a rolling evaluation, one row per model."""
    rows = {model: summarise(table) for model, table in tables.items()}
    return pd.DataFrame.from_dict(rows, orient="index").sort_values("cross_entropy")


def rolling_differences(
    tables: Mapping[str, pd.DataFrame],
    draws: Mapping[str, Sequence[pd.DataFrame]],
) -> pd.DataFrame:
    """The default forecast against all others over the slots of the cut-offs.

    Args:
        tables: model → per-slot table.
        draws: model → tables of its seeds, as of `rolling_tables`.

    Returns:
        Index opponent, metric; columns difference, low, high, slots, verdict.
    """
    best, mine = tables["best"], draws.get("best", ())
    rows = {
        model: compare(best, table, MEASURES, mine, draws.get(model, ()))
        for model, table in tables.items()
        if model != "best"
    }
    return pd.concat(rows, names=["opponent", "metric"])


def stored_peers(run_name: str) -> pd.DataFrame | None:
    """Test scores of the forecasting libraries, if `make peers` has stored them.

    Returns:
        One row per model, one column per metric; None where nothing is stored.
    """
    path = paths.ROOT / "benchmarks" / "results" / f"peers-{run_name}.csv"
    if not path.exists():
        return None
    rows = pd.read_csv(path).query("protocol == 'single' and split == 'test'")
    table = rows.pivot(index="model", columns="metric", values="value")
    return table.sort_values("cross_entropy")


def stored_rolling_peers(run_name: str, slots: np.ndarray) -> dict[str, pd.DataFrame]:
    """Per-slot tables of the forecasting libraries, if stored for these very slots.

    Args:
        run_name: the run.
        slots: numbers of the tested slots, which a table must all hold.

    Returns:
        model → table as of `evaluate.evaluate_rolling`; empty where `make peers`
        has stored none for these cut-offs.
    """
    path = paths.ROOT / "benchmarks" / "results" / f"peers-{run_name}-rolling.csv"
    if not path.exists():
        return {}
    tables = pd.read_csv(path).groupby("model")
    return {str(m): t for m, t in tables if set(slots) == set(t["slot"])}
