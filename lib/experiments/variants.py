"""The brief's hyper-parameters, varied one at a time and judged on validation slots."""

from dataclasses import replace

import numpy as np
import pandas as pd

from lib.errors import UserError
from lib.evaluation.metrics import single
from lib.experiments.task import (
    Task,
    mean_forecast,
    normalised,
    record_network,
    train_seeds,
    train_to_compare,
)
from lib.forecast.sequences import JOINT, PREDICTION_TYPES
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


def run_variations(
    nb, task: Task, settings: Settings, size: str, epochs: int, seed: int = 0
) -> pd.DataFrame:
    """Train the default settings and every variation, on the training slots only.

    Args:
        nb: the notebook that records the numbers.
        task: the run.
        settings: defaults, from which one thing at a time is changed.
        size: none, small or large.
        epochs: epochs of each training.
        seed: seed of all trainings.

    Returns:
        Columns parameter, value, cross_entropy (validation slots), seconds; the first
        row is the default. Empty when `size` is none.

    Raises:
        UserError: `size` is something else.
    """
    if size not in SWEEPS:
        raise UserError(f"SWEEP is {size!r}; expected {', '.join(SWEEPS)}.")
    default = replace(settings, epochs=epochs)
    longest = len(task.split.train) - 1
    tried = [("default", "", default)] + [
        (name, value, replace(default, **{name: value}))
        for name, values in SWEEPS[size].items()
        for value in values
        if value != getattr(default, name)
        and not (name == "t_slot" and value > longest)
    ]
    rows = []
    for name, value, changed in tried if SWEEPS[size] else []:
        title = f"{settings.cell} {name} {value}".rstrip()
        trained = train_to_compare(task, changed, seed, title)
        counts, slots = task.grid.counts, task.split.validation
        entropy = single("cross_entropy", counts, normalised(trained.forecast), slots)
        rows.append((name, value, entropy, trained.seconds))
        nb.record(
            settings.cell,
            "validation",
            {"cross_entropy": entropy},
            prediction_type=settings.prediction_type,
            setting=f"{name}={value}" if value != "" else "sweep default",
            seed=seed,
        )
    columns = ["parameter", "value", "cross_entropy", "seconds"]
    return pd.DataFrame(rows, columns=columns).replace({np.inf: np.nan})


def compare_types(
    nb, task: Task, settings: Settings, seed: int, done: Trained
) -> pd.DataFrame:
    """Train the same cell as each of the four prediction types, with one seed.

    Args:
        nb: the notebook that records the numbers.
        task: the run.
        settings: of the network in `done`.
        seed: seed of all networks.
        done: the trained network of the settings' own type.

    Returns:
        Measures over the test slots and the number of weights, one row per type.
    """
    variants = {}
    for kind in PREDICTION_TYPES:
        # A joint network has thousands of outputs and learns them in smaller steps.
        rate = settings.learning_rate / (10 if kind in JOINT else 1)
        variants[kind] = replace(settings, prediction_type=kind, learning_rate=rate)
    variants[settings.prediction_type] = settings
    return _side_by_side(nb, task, settings, variants, seed, done).rename_axis("type")


def compare_cells(
    nb, task: Task, settings: Settings, cells, seed: int, done: Trained
) -> pd.DataFrame:
    """Train the same network with other recurrent layers, with one seed.

    Args:
        nb: the notebook that records the numbers.
        task: the run.
        settings: of the network in `done`.
        cells: the other cells, keys of `lib.forecast.networks.CELLS`.
        seed: seed of all networks.
        done: the trained network of the settings' own cell.

    Returns:
        As `compare_types`, one row per cell, the settings' own first.
    """
    variants = {cell: replace(settings, cell=cell) for cell in (settings.cell, *cells)}
    return _side_by_side(nb, task, settings, variants, seed, done).rename_axis("cell")


def _side_by_side(nb, task, settings, variants, seed, done) -> pd.DataFrame:
    rows = {}
    for name, changed in variants.items():
        trained = {seed: done}
        if changed != settings:
            trained = train_seeds(task, changed, [seed])
            record_network(nb, task, changed, trained)
        row = task.scores(mean_forecast(trained), "test")
        rows[name] = {"weights": trained[seed].parameters, **row}
    return pd.DataFrame.from_dict(rows, orient="index")
