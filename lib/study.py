"""What notebooks 03 to 06 share: a run's data, its baselines and its forecasts.

The same split, the same features and the same measures for every model: between two
sections of a notebook, and between two notebooks, only the model changes.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from lib.baselines import NAIVE, Tuned, tune
from lib.bootstrap import paired_bootstrap
from lib.errors import UserError
from lib.evaluation import evaluate, evaluate_naive, scores_by_split
from lib.experiment import Settings, Trained, run
from lib.features import Features, build_features
from lib.grid import Grid, load_grid
from lib.metrics import SCALES, per_slot_scores, score
from lib.plots import label
from lib.sequences import JOINT, PREDICTION_TYPES
from lib.splits import Split, time_split

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Study:
    """A run's data and its simple forecasts.

    Attributes:
        folder: data/processed/<run>.
        grid: requests of every movie in every slot.
        split: training, validation and test slots.
        features: inputs of the networks.
        baselines: name → simple forecast, tuned for cross-entropy.
        naive: name → its measures in every slot, see `lib.evaluation.evaluate_naive`.
    """

    folder: Path
    grid: Grid
    split: Split
    features: Features
    baselines: dict[str, Tuned]
    naive: dict[str, pd.DataFrame]

    def scores(self, forecast: np.ndarray, part: str) -> dict[str, float]:
        """All measures of a forecast (slots, movies) over a part of the split."""
        return score(self.grid.counts, forecast, self.split.parts[part])

    def table(self, forecast: np.ndarray) -> pd.DataFrame:
        """Measures of a forecast in every slot, see `lib.evaluation.Evaluation`."""
        return evaluate(forecast, self.grid.counts, self.split).per_slot


def open_study(folder: Path) -> Study:
    """Read a preprocessed run, tune the baselines and build the features.

    Args:
        folder: data/processed/<run>.

    Raises:
        UserError: the run was not preprocessed, has too few slots, or a part of its
            split has no request.
    """
    grid = load_grid(folder)
    split = time_split(len(grid.slots))
    for part, slots in split.parts.items():
        if not grid.counts[slots.start : slots.stop].any():
            first, last = grid.slots[slots.start], grid.slots[slots.stop - 1]
            raise UserError(
                f"the {part} slots ({first} to {last}) hold no request; expected one "
                "or more: take longer slots (SLOT) or a log without such a gap."
            )
    baselines = {name: tune(name, grid.counts, split) for name in NAIVE}
    naive = evaluate_naive(grid.counts, split)
    features = build_features(grid, split)
    return Study(folder, grid, split, features, baselines, naive)


def train_seeds(
    study: Study, settings: Settings, seeds: Sequence[int]
) -> dict[int, Trained]:
    """Train the same network once with each seed.

    Returns:
        seed → what `lib.experiment.run` returns.
    """
    return {
        seed: run(
            study.features,
            study.grid.counts,
            settings,
            study.split,
            seed=seed,
            folder=study.folder / "training",
        )
        for seed in seeds
    }


def train_to_compare(
    study: Study, settings: Settings, seed: int, name: str, data: Features | None = None
) -> Trained:
    """Train once, on the training slots only, to be compared by validation slots.

    Args:
        study: the run.
        settings: of the network.
        seed: its seed.
        name: shown in progress lines.
        data: other features than the study's.
    """
    return run(
        data or study.features,
        study.grid.counts,
        settings,
        study.split,
        seed=seed,
        folder=study.folder / "training",
        name=name,
        refit=False,
    )


def mean_forecast(trained: dict[int, Trained]) -> np.ndarray:
    """The seed-averaged forecast, float64 (slots, movies): the mean of the shares."""
    mean = np.mean([one.forecast for one in trained.values()], axis=0, dtype=float)
    return mean / mean.sum(axis=1, keepdims=True)


def normalised(forecast: np.ndarray) -> np.ndarray:
    """Shares in float64 whose rows sum to 1 beyond float32's last digits."""
    forecast = forecast.astype(float)
    return forecast / forecast.sum(axis=1, keepdims=True)


def record_network(nb, study: Study, settings: Settings, trained: dict) -> pd.DataFrame:
    """Score a network's seeds and their mean, keep the numbers and the forecasts.

    Args:
        nb: the notebook that records.
        study: the run.
        settings: of the network.
        trained: seed → trained network.

    Returns:
        Measures over the test slots, one row per seed and one for the mean forecast.
    """
    forecasts = {str(seed): normalised(t.forecast) for seed, t in trained.items()}
    forecasts["mean"] = mean_forecast(trained)
    kind = settings.prediction_type
    rows = {}
    for seed, forecast in forecasts.items():
        for part in PARTS:
            scores = study.scores(forecast, part)
            nb.record(settings.cell, part, scores, prediction_type=kind, seed=seed)
        rows[seed] = scores
        name = f"{nb.number}_{settings.cell}-{kind}-{seed}"
        save_forecast(study.folder, name, forecast)
    return pd.DataFrame(rows).T.rename_axis("seed")


def record_baselines(nb, study: Study) -> pd.DataFrame:
    """Score every baseline, keep the numbers and return those of the test slots.

    Each is tuned for cross-entropy and again for the RMSE, and meets every measure
    with the fitting choice, see `lib.evaluation.judged_on_both`.
    """
    rows = {}
    for name, table in study.naive.items():
        for part, scores in scores_by_split(table).items():
            nb.record(name, part, scores)
            if part == "test":
                rows[name] = scores
    return pd.DataFrame(rows).T.rename_axis("model")


def save_forecast(folder: Path, name: str, forecast: np.ndarray) -> None:
    """Keep a forecast for notebook 06, float32, written whole or not at all."""
    place = folder / "forecasts"
    place.mkdir(exist_ok=True)
    temporary = place / f".{name}.npy"
    np.save(temporary, forecast.astype(np.float32))
    os.replace(temporary, place / f"{name}.npy")


def load_forecasts(folder: Path) -> dict[tuple[str, int, str], np.ndarray]:
    """Every forecast that notebooks 03 to 05 kept: (model, type, seed) → shares."""
    found = {}
    for path in sorted((folder / "forecasts").glob("[0-9][0-9]_*.npy")):
        _, name = path.stem.split("_", 1)
        model, kind, seed = name.rsplit("-", 2)
        found[model, int(kind), seed] = normalised(np.load(path))
    return found


MEANINGS = {
    "log_requests": "ln(1 + requests in the slot)",
    "surprise": "ln of observed over expected requests in the slot, one added to both",
    "log_popularity": "ln of the EWMA's forecast for the next slot, times movies",
    "log_total_requests": "ln(1 + all requests so far)",
    "unseen": "1 if never requested so far",
    "since_first": "ln(1 + slots since the first request)",
    "since_last": "ln(1 + slots since the latest request)",
    "mean_rating": "mean rating so far minus the overall mean, damped (stars)",
    "traffic": "ln(1 + requests of the slot)",
    "memory_1": "ln of a memory of half-life 1 slot over the EWMA",
    "memory_4": "the same, half-life 4 slots",
    "memory_16": "the same, half-life 16 slots",
    "memory_1e+09": "the same, nothing forgotten",
    "genre_trend": "smoothed surprise of the movie's genres",
    "release_trend": "smoothed surprise of movies released in the same five years",
    "neighbours_10": "smoothed surprise of movies about 10 places away by movieId",
    "neighbours_60": "the same, about 60 places away",
    "returning_memory": "memory of returning users' requests, 16 slots, over the EWMA",
    "requests_per_user": "ln of the slot's requests per user",
    "requests_per_user_trend": "the same, smoothed over slots",
    "new_users": "share of the slot's requests made by new users",
    "new_users_trend": "the same, smoothed over slots",
    "unseen_trend": "smoothed surprise of newcomers, for movies not requested yet",
    "future_year": "1 if the release year is still to come in the next slot",
    "this_year": "1 if released in the next slot's year",
    "last_year": "1 if released the year before",
    "log_age": "ln(1 + years since the release year began)",
    "unknown_year": "1 if the title has no year",
}


def feature_table(study: Study) -> pd.DataFrame:
    """What each feature means, and where it enters the network."""
    data = study.features
    names = [(name, "every slot of the window") for name in data.series_names]
    names += [(name, "end of the window") for name in data.context_names]
    rows = {
        name: {
            "read at": place,
            "meaning": MEANINGS.get(
                name, MEANINGS.get(name.removeprefix("unseen_"), "") + ", and unseen"
            ),
        }
        for name, place in names
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("feature")


def load_network(trained: Trained) -> keras.Model:
    """The saved network of a training."""
    return keras.models.load_model(trained.path)


def compare_types(
    nb, study: Study, settings: Settings, seed: int, done: Trained
) -> pd.DataFrame:
    """Train the same cell as each of the four prediction types, with one seed.

    Args:
        nb: the notebook that records the numbers.
        study: the run.
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
    return _side_by_side(nb, study, settings, variants, seed, done).rename_axis("type")


def compare_cells(
    nb, study: Study, settings: Settings, cells, seed: int, done: Trained
) -> pd.DataFrame:
    """Train the same network with other recurrent layers, with one seed.

    Args:
        nb: the notebook that records the numbers.
        study: the run.
        settings: of the network in `done`.
        cells: the other cells, keys of `lib.models.CELLS`.
        seed: seed of all networks.
        done: the trained network of the settings' own cell.

    Returns:
        As `compare_types`, one row per cell, the settings' own first.
    """
    variants = {cell: replace(settings, cell=cell) for cell in (settings.cell, *cells)}
    return _side_by_side(nb, study, settings, variants, seed, done).rename_axis("cell")


def _side_by_side(nb, study, settings, variants, seed, done) -> pd.DataFrame:
    rows = {}
    for name, changed in variants.items():
        trained = {seed: done}
        if changed != settings:
            trained = train_seeds(study, changed, [seed])
            record_network(nb, study, changed, trained)
        row = study.scores(mean_forecast(trained), "test")
        rows[name] = {"weights": trained[seed].parameters, **row}
    return pd.DataFrame.from_dict(rows, orient="index")


def verdict(
    study: Study, model: str, trained: dict[int, Trained], scores, baselines
) -> str:
    """Plain conclusions on a network, with the numbers that they rest on.

    Args:
        study: the run.
        model: name of the network.
        trained: seed → trained network.
        scores: from `record_network`.
        baselines: from `record_baselines`.
    """
    mean = scores.loc["mean"]
    lines = []
    for metric, (scale, unit) in SCALES.items():
        name = baselines[metric].idxmin()
        value = baselines.loc[name, metric]
        word = "below" if mean[metric] < value else "not below"
        lines.append(
            f"- {label(model)}: {metric.replace('_', ' ')} "
            f"{scale * mean[metric]:.4f} {unit}, {word} the best simple "
            f"forecast ({label(name)}, {scale * value:.4f} {unit})."
        )
    slots = study.split.test
    name = baselines["cross_entropy"].idxmin()
    pair = [
        per_slot_scores(study.grid.counts, q, slots)["cross_entropy"]
        for q in (mean_forecast(trained), study.baselines[name].forecast)
    ]
    gap = paired_bootstrap(*pair)
    sure = "holds" if gap.below_zero or gap.above_zero else "may be luck"
    lines.append(
        f"- Over the {gap.n_slots} test slots the difference is {gap.mean:+.4f} nats "
        f"per request, 95 % interval {gap.low:+.4f} to {gap.high:+.4f} (paired "
        f"bootstrap over slots): it {sure}."
    )
    if len(scores) > 2:
        spread = scores.drop("mean")["cross_entropy"].std()
        lines.append(
            f"- Single seeds differ by a standard deviation of {spread:.4f} nats; "
            "averaging the forecasts takes part of that error away."
        )
    return "\n".join(lines)
