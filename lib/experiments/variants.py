"""Variants of a network, each trained once and compared with the first.

Whatever a notebook varies goes through `compare_variants`: hyper-parameters one at a
time, the parts of the network, and every combination of the grid. All are judged on the
validation slots, so that the test slots stay out of every choice. `compare_networks`
is for what is not chosen: other cells and prediction types, on the test slots.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from lib.errors import UserError
from lib.evaluation.evaluate import compare
from lib.evaluation.metrics import per_slot_scores, summarise
from lib.experiments.task import (
    Task,
    mean_forecast,
    normalised,
    record_network,
    train_once,
    train_seeds,
)
from lib.forecast.features import Features
from lib.forecast.trainer import Settings, Trained

SMALL = {
    "hidden_layers": [2],
    "units": [16],
    "learning_rate": [0.003],
    "t_slot": [6],
    "batch_size": [4],
    "optimizer": ["sgd"],
    "loss": ["rmse", "binary_crossentropy"],
}
LARGE = {
    "hidden_layers": [2, 3],
    "units": [4, 16, 32],
    "dropout": [0.2],
    "learning_rate": [0.001, 0.003, 0.03],
    "t_slot": [1, 2, 6, 12],
    "batch_size": [2, 4, 8],
    "optimizer": ["adamw", "sgd", "rmsprop"],
    "loss": ["mse", "rmse", "mae", "binary_crossentropy", "poisson"],
}
SWEEPS = {"none": {}, "small": SMALL, "large": LARGE}


def one_at_a_time(task: Task, default: Settings, size: str) -> dict[str, tuple]:
    """The default settings, then each with one hyper-parameter changed.

    Args:
        task: the run; windows longer than its training slots are left out.
        default: where every variant starts from.
        size: none, small or large: a key of SWEEPS.

    Returns:
        Setting as it stands in results.csv → features and settings, as
        `compare_variants` takes them; empty when `size` is none.

    Raises:
        UserError: `size` is something else.
    """
    if size not in SWEEPS:
        raise UserError(f"SWEEP is {size!r}; expected one of {', '.join(SWEEPS)}.")
    changes = {
        f"{name}={value}": replace(default, **{name: value})
        for name, values in SWEEPS[size].items()
        for value in values
        if value != getattr(default, name)
    }
    chosen = {"sweep default": default} | changes if changes else {}
    longest = len(task.split.train) - 1
    return {
        name: (task.features, settings)
        for name, settings in chosen.items()
        if settings.t_slot <= max(longest, default.t_slot)
    }


def compare_variants(
    nb,
    task: Task,
    variants: Mapping[str, tuple[Features, Settings]],
    seed: int = 0,
    measured: Sequence[str] = ("cross_entropy",),
) -> pd.DataFrame:
    """Train each variant on the training slots, judge it on the validation slots.

    A training that an earlier call finished is read back.

    Args:
        nb: the notebook that records the numbers.
        task: the run.
        variants: setting as it stands in results.csv → features and settings; one
            named "" is the network itself, which other rows record.
        seed: seed of all trainings.
        measured: columns of the result that are recorded.

    Returns:
        One row per variant: `cross_entropy` (nats per request) and `rmse` over the
        validation slots, `seconds` of training, and what the first variant is in
        cross-entropy against it: `difference`, `low`, `high`, `verdict` (paired over
        the slots, see `lib.evaluation.evaluate.compare`).
    """
    tables, rows = {}, {}
    forecast = np.zeros(task.grid.counts.shape, np.float32)  # empty pages hold nothing
    judged = slice(task.split.validation.start, task.split.validation.stop)
    for number, (name, (data, settings)) in enumerate(variants.items(), start=1):
        title = f"{number}/{len(variants)} {settings.cell} {name}".rstrip()
        trained = train_once(task, settings, seed, data, name=title, refit=False)
        forecast[judged] = normalised(trained.forecast[judged])
        tables[name] = per_slot_scores(
            task.grid.counts, forecast, task.split.validation
        )
        scores = summarise(tables[name]) | {"seconds": trained.seconds}
        first = next(iter(tables.values()))
        against = compare(first, tables[name], ["cross_entropy"]).iloc[0]
        rows[name] = {m: scores[m] for m in ("cross_entropy", "rmse", "seconds")}
        rows[name] |= against.drop("slots")
        if name:
            nb.record(
                settings.cell,
                "validation",
                {metric: scores[metric] for metric in measured},
                prediction_type=settings.prediction_type,
                setting=name,
                seed=seed,
            )
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("setting")


def compare_networks(
    nb,
    task: Task,
    known: Mapping[str, Trained],
    variants: Mapping[str, Settings],
    seed: int,
) -> pd.DataFrame:
    """Train other networks with one seed and put them beside one that is known.

    Args:
        nb: the notebook that records the numbers of the others.
        task: the run.
        known: name → a trained network that was recorded before.
        variants: name → settings of each other network.
        seed: seed of the others.

    Returns:
        One row per network: number of `weights` and the measures over the test slots.
    """
    networks = dict(known)
    for name, settings in variants.items():
        trained = train_seeds(task, settings, [seed])
        record_network(nb, task, settings, trained)
        networks[name] = trained[seed]
    rows = {
        name: {"weights": one.parameters}
        | task.scores(mean_forecast({seed: one}), "test")
        for name, one in networks.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def compare_with_baseline(
    task: Task, trained: Mapping[int, Trained], baseline: str
) -> pd.Series:
    """Cross-entropy of a network minus that of a simple forecast, test slots.

    Args:
        task: the run.
        trained: seed → trained network; their mean forecast is compared.
        baseline: a key of `task.baselines`.

    Returns:
        difference, low, high (nats per request), slots, verdict, as in
        `lib.evaluation.evaluate.compare`, which allows for the slots and the seeds.
    """

    def tested(forecast):
        return per_slot_scores(task.grid.counts, forecast, task.split.test)

    ours, theirs = mean_forecast(dict(trained)), task.baselines[baseline].forecast
    seeds = [tested(normalised(one.forecast)) for one in trained.values()]
    return compare(tested(ours), tested(theirs), ["cross_entropy"], seeds).iloc[0]
