"""What does a recurrent layer bring? The same network without one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from lib.evaluation.evaluate import compare
from lib.experiments.task import Task, mean_forecast, normalised, train_seeds
from lib.forecast.trainer import Settings

# A model's forecast and the per-slot tables of its single seeds
Found = tuple[np.ndarray, list[pd.DataFrame]]


def without_recurrence(
    task: Task, settings: Settings, seeds: Sequence[int]
) -> dict[str, Found]:
    """Networks that read no order of slots, trained like the others.

    Returns:
        `dense`, a dense layer in place of the recurrent one, and `blind`, an LSTM whose
        window is zero: forecast and tables of the seeds.
    """
    silent = task.features.without(*task.features.series_names)
    blind = replace(task, features=silent)
    trained = {
        "dense": train_seeds(task, replace(settings, cell="dense"), seeds),
        "blind": train_seeds(blind, replace(settings, cell="lstm"), seeds),
    }
    return {
        name: (
            mean_forecast(found),
            [task.table(normalised(one.forecast)) for one in found.values()],
        )
        for name, found in trained.items()
    }


def against_dense(
    task: Task, networks: Mapping[str, Found], plain: Mapping[str, Found]
) -> pd.DataFrame:
    """Cross-entropy of networks minus that of the dense one, over the test slots.

    Returns:
        One row per network and for the blind one: cross_entropy, difference, low, high
        and verdict; intervals allow for slots and seeds.
    """

    def test(table):
        return table[table["split"] == "test"]

    dense, dense_seeds = plain["dense"]
    base = test(task.table(dense)), [test(t) for t in dense_seeds]
    rows = {}
    for name, (forecast, seeds) in {**networks, "blind": plain["blind"]}.items():
        table = test(task.table(forecast))
        more = [test(t) for t in seeds], base[1]
        row = compare(table, base[0], ["cross_entropy"], *more).loc["cross_entropy"]
        value = table["cross_entropy"].mean()
        rows[name] = {"cross_entropy": value, **row.drop("slots")}
    return pd.DataFrame.from_dict(rows, orient="index").infer_objects()
