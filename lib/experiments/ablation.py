"""What each part of a network brings: the network is trained again without it.

Judged on the validation slots, so that the test slots stay out of every choice.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from lib.evaluation.evaluate import compare
from lib.evaluation.metrics import per_slot_scores
from lib.experiments.task import Task, normalised, train_to_compare
from lib.forecast.features import Features
from lib.forecast.trainer import Settings

# Part → its features; every feature belongs to one part.
FEATURE_GROUPS = {
    "window read by the recurrent layer": ("log_requests", "surprise"),
    "memories of several lengths": (
        *("memory_1", "memory_4", "memory_16", "memory_1e+09", "returning_memory"),
    ),
    "popularity, age and gaps so far": (
        *("log_popularity", "log_total_requests", "since_first", "since_last"),
    ),
    "movies never requested": ("unseen", "unseen_trend"),
    "release year": (
        *("release_trend", "future_year", "this_year", "last_year", "log_age"),
        *("unseen_future_year", "unseen_this_year", "unseen_last_year"),
        *("unseen_log_age", "unknown_year"),
    ),
    "genres": ("genre_trend",),
    "neighbours in the catalogue": ("neighbours_10", "neighbours_60"),
    "audience and traffic": (
        *("requests_per_user", "requests_per_user_trend"),
        *("new_users", "new_users_trend", "traffic"),
    ),
    "mean rating": ("mean_rating",),
}
START = "start from the tuned EWMA"
LOSS = "cross-entropy as the loss"


def variants(
    data: Features, settings: Settings
) -> dict[str, tuple[Features, Settings]]:
    """What is trained for each part: the features and settings without it.

    Returns:
        The whole network under "" first, then part → its variant. Without the EWMA to
        start from, a network corrects the uniform share; without the cross-entropy, it
        learns from the squared error of the shares.
    """
    shape = data.log_ewma.shape
    uniform = np.broadcast_to(np.float32(-np.log(shape[1])), shape)
    changed = {
        "": (data, settings),
        START: (replace(data, log_ewma=uniform), settings),
        LOSS: (data, replace(settings, loss="mse")),
    }
    for part, names in FEATURE_GROUPS.items():
        changed[part] = (data.without(*names), settings)
    return changed


def run_ablation(
    nb, task: Task, settings: Settings, epochs: int, seed: int = 0
) -> pd.DataFrame:
    """Train without each part in turn, on the training slots only.

    Args:
        nb: the notebook that records the numbers.
        task: the run.
        settings: of the whole network.
        epochs: epochs of every training, that of the whole network too.
        seed: seed of all trainings.

    Returns:
        One row per part, the one missed most first: `cross_entropy` of the validation
        slots without it, and `difference`, `low`, `high` and `verdict` of the whole
        network against that (paired over the validation slots).
    """
    tables, settings = {}, replace(settings, epochs=epochs)
    for part, (data, changed) in variants(task.features, settings).items():
        name = f"{settings.cell} without {part}" if part else f"{settings.cell} whole"
        trained = train_to_compare(task, changed, seed, name, data)
        tables[part] = per_slot_scores(
            task.grid.counts, normalised(trained.forecast), task.split.validation
        )
    whole, rows = tables.pop(""), {}
    for part, table in tables.items():
        found = compare(whole, table, ["cross_entropy"]).loc["cross_entropy"]
        rows[part] = {"cross_entropy": table["cross_entropy"].mean(), **found}
        nb.record(
            settings.cell,
            "validation",
            {"cross_entropy": rows[part]["cross_entropy"]},
            prediction_type=settings.prediction_type,
            setting=f"without {part}",
            seed=seed,
        )
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("part")
    return frame.sort_values("difference")


def reading(table: pd.DataFrame) -> str:
    """The ablation in a sentence or two, with its numbers."""
    helped = table[table["verdict"] == "better"]
    if helped.empty:
        return (
            "No part is missed beyond chance on these validation slots: what one part "
            "knows, the others know too."
        )
    named = [f"{part} ({-row.difference:.4f})" for part, row in helped.iterrows()]
    harmful = table.index[table["verdict"] == "worse"]
    text = (
        "Missed beyond chance, with the nats per request that each saves: "
        f"{', '.join(named)}."
    )
    if len(harmful):
        text += f" Better left out on these slots: {', '.join(harmful)}."
    return text + " Whatever is not named makes no difference that could not be luck."
