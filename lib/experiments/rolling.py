"""All forecasters from several cut-offs: the rolling-origin part of notebook 06.

Everything is fitted anew at each cut-off with what lies before it, and judged on the
slots up to the next one (`splits.rolling_origins`). All opponents are tuned anew, too,
and the pool gets new weights; the networks keep their settings.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from lib import paths
from lib.data.grid import Grid, load_grid
from lib.evaluation.evaluate import compare, judged_on_both, stack
from lib.evaluation.metrics import per_slot_scores, summarise
from lib.evaluation.splits import Split, rolling_origins
from lib.experiments import workers
from lib.experiments.best import CELLS, train_members
from lib.experiments.comparison import FOR_RMSE, MEASURES, TUNED_FOR, start_shares
from lib.experiments.task import Task, mean_shares
from lib.forecast.baselines import evaluate_naive
from lib.forecast.combination import pooled
from lib.forecast.features import build_features
from lib.forecast.trainer import Settings
from lib.memory import of_a_notebook
from lib.progress import every


def begin(
    task: Task,
    settings: Settings,
    seeds: Sequence[int],
    n_origins: int,
    cluster: str = "",
) -> list[Callable[[], dict[str, pd.DataFrame]]]:
    """Begin what `origin_tables` does, at each cut-off, beside what follows.

    Args:
        task: the run.
        settings: of the networks, but for the cell.
        seeds: seeds to average over.
        n_origins: number of cut-offs, 0 for none.
        cluster: address of a Dask scheduler, see `workers.begin`.

    Returns:
        For each cut-off a function that waits for its tables. A cut-off that has no
        request to train a network on, to choose by or to judge by is left out.
    """
    counts, calls = task.grid.counts, []
    for split in rolling_origins(len(counts), n_origins) if n_origins else ():
        learnt = range(settings.t_slot, split.train.stop)
        if all(counts[part].any() for part in (learnt, split.validation, split.test)):
            calls.append((task.folder, settings, seeds, split))
    need = of_a_notebook(counts.shape[1])
    return workers.begin(_read_and_judge, calls, need, cluster)


def _read_and_judge(folder: Path, settings, seeds, split: Split) -> dict:
    """`origin_tables` of a run that is read from disk."""
    return origin_tables(load_grid(folder), folder, settings, seeds, split)


def origin_tables(
    grid: Grid, folder: Path, settings: Settings, seeds: Sequence[int], split: Split
) -> dict[str, pd.DataFrame]:
    """Every model from one cut-off, trained, tuned and pooled anew.

    Simple forecasts and LightGBM are tuned for cross-entropy and for the RMSE, see
    `lib.evaluation.evaluate.judged_on_both`. The default forecast `best` pools the
    networks, the linear softmax and the trees with weights from the validation slots
    of the cut-off.

    Args:
        grid: the grid.
        folder: data/processed/<run>, keeps trainings.
        settings: of the networks, but for the cell.
        seeds: seeds to average over.
        split: the cut-off.

    Returns:
        model → measures of each test slot, see `lib.evaluation.metrics`; `ensemble` is
        the mean of all networks' shares, `best of <cell> alone` the pool in which one
        network stands for all of them.
    """
    counts = split.seen(grid.counts)
    found = forecasts(grid, folder, settings, seeds, counts, split)
    tables = {
        name: per_slot_scores(counts, q, split.test)
        for name, q in every(list(found.items()), "measures", "models")
    }
    both = tables["lightgbm"], tables.pop(FOR_RMSE)
    tables["lightgbm"] = judged_on_both(*both)
    for name, table in evaluate_naive(counts, split, ["test"]).items():
        tables[name] = table.drop(columns="split")
    return tables


def rolling_tables(
    cut_offs: Sequence[Callable[[], dict[str, pd.DataFrame]]],
) -> tuple[dict[str, pd.DataFrame], dict[str, list[pd.DataFrame]]]:
    """Tables of all cut-offs under each other.

    Args:
        cut_offs: of `begin`.

    Returns:
        model → table with the cut-off's number, `origin`. And `ensemble` and `best` →
        tables of what they would be if each network alone stood for all of them, in
        place of other seeds, which are not trained here. Both are empty without a
        cut-off.
    """
    found = [tables_of() for tables_of in cut_offs]
    if not found:
        return {}, {}
    tables = {
        name: stack({number: one[name] for number, one in enumerate(found)}, "origin")
        for name in found[0]
    }
    draws = {
        "ensemble": [tables[cell] for cell in CELLS],
        "best": [tables.pop(_alone(cell)) for cell in CELLS],
    }
    return tables, draws


def _alone(cell: str) -> str:
    """Name of the pool in which one network stands for all of them."""
    return f"best of {cell} alone"


def forecasts(
    grid: Grid,
    folder: Path,
    settings: Settings,
    seeds: Sequence[int],
    counts: np.ndarray,
    split: Split,
) -> dict[str, np.ndarray]:
    """What is forecast from one cut-off: name → shares (slots, movies).

    Rows before the validation slots are zero, for nothing reads them.

    Args:
        grid: the grid; its counts are not read.
        folder: data/processed/<run>, keeps trainings.
        settings: of the networks, but for the cell.
        seeds: seeds to average over.
        counts: (slots, movies) requests up to the last test slot.
        split: the cut-off.
    """
    given = replace(grid.until(len(counts)), counts=counts)
    since = split.test.start
    data = build_features(given, split, folder)
    place = folder / "training"
    members = train_members(given, data, split, place, settings, seeds, TUNED_FOR)
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
        model → table as of `rolling_tables`; empty where `make peers`
        has stored none for these cut-offs.
    """
    path = paths.ROOT / "benchmarks" / "results" / f"peers-{run_name}-rolling.csv"
    if not path.exists():
        return {}
    tables = pd.read_csv(path).groupby("model")
    return {str(m): t for m, t in tables if set(slots) == set(t["slot"])}
