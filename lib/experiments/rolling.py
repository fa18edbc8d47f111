"""All forecasters from several cut-offs: the rolling-origin part of notebook 06.

Everything is fitted anew at each cut-off with what lies before it, and judged on the
slots up to the next one (`splits.rolling_origins`). All opponents are tuned anew, too;
the networks keep their settings.
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
from lib.experiments.comparison import TUNED_FOR, start_shares
from lib.experiments.task import Task, mean_forecast, mean_shares
from lib.forecast.baselines import rolling_naive
from lib.forecast.combination import companions
from lib.forecast.features import build_features
from lib.forecast.trainer import Settings, run

METRICS = ("cross_entropy", "rmse", "hit_ratio_at_50")


def rolling_networks(
    task: Task, settings: Sequence[Settings], seeds: Sequence[int], n_origins: int
) -> dict[str, pd.DataFrame]:
    """Networks from several cut-offs, each trained anew, and their common mean.

    Args:
        task: the run.
        settings: one for each network.
        seeds: seeds to average over.
        n_origins: number of cut-offs.

    Returns:
        model → per-slot table of `evaluate.evaluate_rolling`; `ensemble` is the
        mean of all networks' shares.
    """
    folder = task.folder / "training"
    origins = rolling_origins(len(task.grid.slots), n_origins)
    memory: dict[tuple, np.ndarray] = {}

    def forecast_of(one: Settings, counts: np.ndarray, split: Split) -> np.ndarray:
        key = one, split, identity(counts)
        if key not in memory:
            grid = _given(task, counts)
            data = build_features(grid, split, folder)
            name = f"{one.cell} until slot {split.test.start}"
            trained = {
                seed: run(
                    data,
                    counts,
                    one,
                    split,
                    seed=seed,
                    folder=folder,
                    name=f"{name} seed {seed}",
                    watch=False,
                )
                for seed in seeds
            }
            memory[key] = mean_forecast(trained, split.test.start)
        return memory[key]

    def network(one: Settings):
        return lambda counts, split: forecast_of(one, counts, split)

    def ensemble(counts: np.ndarray, split: Split) -> np.ndarray:
        parts = [forecast_of(one, counts, split) for one in settings]
        return mean_shares(parts, split.test.start, np.float32)

    forecasters = {one.cell: network(one) for one in settings} | {"ensemble": ensemble}
    return {
        name: evaluate_rolling(forecaster, task.grid.counts, origins)
        for name, forecaster in forecasters.items()
    }


def rolling_opponents(task: Task, n_origins: int) -> dict[str, pd.DataFrame]:
    """The simple forecasts and the opponents that learn, from several cut-offs.

    Each is tuned at every cut-off; simple forecasts and LightGBM for cross-entropy and
    for the RMSE, see `lib.evaluation.evaluate.judged_on_both`.

    Returns:
        model → per-slot table of `lib.evaluation.evaluate.evaluate_rolling`.
    """
    counts = task.grid.counts
    origins = rolling_origins(len(task.grid.slots), n_origins)
    memory: dict[tuple, dict[str, np.ndarray]] = {}

    def found(counts: np.ndarray, split: Split) -> dict[str, np.ndarray]:
        key, since = (split, identity(counts)), split.test.start
        if key not in memory:
            grid = _given(task, counts)
            data = build_features(grid, split, task.folder / "training")
            fitted = companions(grid, data, split, TUNED_FOR, since)
            memory[key] = {name: one.forecast for name, one in fitted.items()}
            memory[key]["start"] = start_shares(data, since)
        return memory[key]

    def rolled(name: str) -> pd.DataFrame:
        forecaster = partial(_one_of, found, name)
        return evaluate_rolling(forecaster, counts, origins)

    tables = rolling_naive(counts, origins)
    tables |= {name: rolled(name) for name in ("start", "linear", "lightgbm_residual")}
    tables["lightgbm"] = judged_on_both(rolled("lightgbm"), rolled("lightgbm_rmse"))
    return tables


def _one_of(found, name: str, counts: np.ndarray, split: Split) -> np.ndarray:
    """One of the forecasts that are made together."""
    return found(counts, split)[name]


def _given(task: Task, counts: np.ndarray) -> Grid:
    """The grid as known before the end of the given counts, with these counts."""
    return replace(task.grid.until(len(counts)), counts=counts)


def rolling_scores(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Scores over all tested slots of a rolling evaluation, one row per model."""
    rows = {model: summarise(table) for model, table in tables.items()}
    return pd.DataFrame.from_dict(rows, orient="index").sort_values("cross_entropy")


def rolling_differences(
    tables: Mapping[str, pd.DataFrame],
    ours: str,
    opponents: Sequence[str],
    members: Sequence[str] = (),
) -> pd.DataFrame:
    """One network against opponents over the slots of the rolling evaluation.

    Args:
        tables: model → per-slot table.
        ours: the network.
        opponents: whom it is compared with.
        members: networks whose mean `ours` is; each has a seed of its own, so they
            stand for what other seeds would bring.

    Returns:
        Index opponent, metric; columns difference, low, high, slots, verdict.
    """
    seeds = [tables[member] for member in members]
    rows = {
        model: compare(tables[ours], tables[model], METRICS, seeds)
        for model in opponents
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
