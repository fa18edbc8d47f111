"""The brief's hyper-parameters, varied one at a time and judged on validation slots."""

from dataclasses import replace

import numpy as np
import pandas as pd

from lib.errors import UserError
from lib.experiment import Settings
from lib.metrics import single
from lib.study import Study, normalised, train_to_compare

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
    nb, study: Study, settings: Settings, size: str, epochs: int, seed: int = 0
) -> pd.DataFrame:
    """Train the default settings and every variation, on the training slots only.

    Args:
        nb: the notebook that records the numbers.
        study: the run.
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
    longest = len(study.split.train) - 1
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
        trained = train_to_compare(study, changed, seed, title)
        counts, slots = study.grid.counts, study.split.validation
        entropy = single("cross_entropy", counts, normalised(trained.forecast), slots)
        rows.append((name, value, entropy, trained.seconds))
        model = f"{settings.cell}[{name}={value}]" if value != "" else None
        nb.record(
            model or f"{settings.cell}[sweep default]",
            "validation",
            {"cross_entropy": entropy},
            prediction_type=settings.prediction_type,
            seed=seed,
        )
    columns = ["parameter", "value", "cross_entropy", "seconds"]
    return pd.DataFrame(rows, columns=columns).replace({np.inf: np.nan})
