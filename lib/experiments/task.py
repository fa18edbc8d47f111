"""What notebooks 03 to 06 share: a run's data, its baselines and its forecasts.

The same split, the same features and the same measures for every model: between two
sections of a notebook, and between two notebooks, only the model changes.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from lib.data.arrays import identity, made_once
from lib.data.grid import Grid, load_grid
from lib.errors import UserError
from lib.evaluation import evaluate as evaluation
from lib.evaluation import metrics
from lib.evaluation.evaluate import evaluate, scores_by_split
from lib.evaluation.metrics import score
from lib.evaluation.splits import PARTS, Split, time_split
from lib.experiments import workers
from lib.experiments.ablation import silent_features
from lib.files import read_network, replacing, seal, sealed
from lib.forecast import baselines
from lib.forecast.baselines import Tuned
from lib.forecast.features import MEANINGS, Features, build_features
from lib.forecast.trainer import Settings, Trained, run
from lib.memory import of_a_notebook


@dataclass(frozen=True)
class Task:
    """A run's data and its simple forecasts.

    Attributes:
        folder: data/processed/<run>.
        grid: requests of every movie in every slot.
        split: training, validation and test slots.
        features: inputs of the networks.
        baselines: name → simple forecast, tuned for cross-entropy.
        naive: name → its measures in every slot, see `evaluate.evaluate_naive`.
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
        """Measures of a forecast in every slot, see `evaluate.Evaluation`."""
        return evaluate(forecast, self.grid.counts, self.split).per_slot


def open_task(folder: Path) -> Task:
    """Read a preprocessed run, tune the baselines and build the features.

    Args:
        folder: data/processed/<run>.

    Raises:
        UserError: the run was not preprocessed, has too few slots, or a part of its
            split has no request.
    """
    grid = load_grid(folder)
    if note := grid.meta.get("left_out"):
        print(note)
    split = time_split(len(grid.slots))
    for part, slots in split.parts.items():
        if not grid.counts[slots.start : slots.stop].any():
            first, last = grid.slots[slots.start], grid.slots[slots.stop - 1]
            raise UserError(
                f"the {part} slots ({first} to {last}) hold no request; expected one "
                "or more: take longer slots (SLOT) or a log without such a gap."
            )
    simple, naive = _simple_forecasts(grid, split, folder)
    features = build_features(grid, split, folder)
    return Task(folder, grid, split, features, simple, naive)


def _simple_forecasts(grid: Grid, split: Split, folder: Path):
    """The tuned baselines and their measures in every slot, made once per run."""
    digest = hashlib.sha256(f"{split}".encode() + identity(grid.counts))
    for module in (baselines, evaluation, metrics):
        digest.update(Path(module.__file__).read_bytes())

    def make(new) -> dict:
        tuned = baselines.tune(grid.counts, split)
        found = baselines.naive_tables(tuned, grid.counts, split)
        tables = {name: table.drop(columns="split") for name, table in found.items()}
        shape = (len(tables), *next(iter(tables.values())).shape)
        values = new({"values": (shape, np.float64)})["values"]
        values[:] = list(tables.values())
        chosen = tuned["cross_entropy"].values()
        return {
            "columns": list(next(iter(tables.values()))),
            "tuned": [(t.name, t.parameters, t.validation_score) for t in chosen],
        }

    facts, arrays = made_once(folder, "baselines", digest.hexdigest(), make)
    simple = {one[0]: baselines.Tuned(*one, grid.counts) for one in facts["tuned"]}
    part = {slot: name for name, slots in split.parts.items() for slot in slots}
    naive = {}
    for name, values in zip(simple, arrays["values"], strict=True):
        table = pd.DataFrame(np.array(values), columns=facts["columns"])
        table["slot"] = table["slot"].astype(int)
        table.insert(0, "split", table["slot"].map(part))
        naive[name] = table
    return simple, naive


def train_seeds(
    task: Task, settings: Settings, seeds: Sequence[int], cluster: str = ""
) -> dict[int, Trained]:
    """Train the same network once with each seed.

    Args:
        task: the run.
        settings: of the network.
        seeds: its seeds.
        cluster: address of a Dask scheduler that trains them side by side, see
            `workers.begin`; else this process does, one after the other.

    Returns:
        seed → what `lib.forecast.trainer.run` returns.

    Raises:
        UserError: `seeds` is no list of whole numbers, or no scheduler answers.
    """
    if not isinstance(seeds, list | tuple) or not seeds:
        raise UserError(
            f"SEEDS is {seeds!r}; expected a list such as [0] or [0, 1, 2]."
        )
    if workers.is_dask(cluster):
        calls = [(task.folder, settings, seed) for seed in seeds]
        need = of_a_notebook(task.grid.counts.shape[1])
        for trained in workers.begin(_train_and_keep, calls, need, cluster):
            trained()
    return {seed: train_once(task, settings, seed) for seed in seeds}


def _train_and_keep(folder: Path, settings: Settings, seed: int) -> None:
    """`train_once` elsewhere; the training is read back from disk."""
    train_once(open_task(folder), settings, seed)


def train_once(
    task: Task, settings: Settings, seed: int, data: Features | None = None, **options
) -> Trained:
    """Train a network with one seed.

    Args:
        task: the run.
        settings: of the network.
        seed: its seed.
        data: other features than the task's.
        **options: `name` and `refit` of `lib.forecast.trainer.run`.
    """
    place = task.folder / "training"
    arguments = data or task.features, task.grid.counts, settings, task.split
    return run(*arguments, seed=seed, folder=place, **options)


def mean_forecast(trained: dict[int, Trained], since: int = 0) -> np.ndarray:
    """The seed-averaged forecast, see `mean_shares`."""
    return mean_shares([one.forecast for one in trained.values()], since)


def mean_shares(
    forecasts: Sequence[np.ndarray], since: int = 0, dtype: type = float
) -> np.ndarray:
    """Mean of several forecasts, float32 (slots, movies), slot by slot.

    Args:
        forecasts: each (slots, movies).
        since: first slot wanted; rows before it stay zero and take no memory.
        dtype: of the mean before it is normalised.
    """
    mean = np.zeros(forecasts[0].shape, np.float32)
    for t in range(since, len(mean)):
        row = np.mean([one[t] for one in forecasts], axis=0, dtype=dtype).astype(float)
        mean[t] = row / row.sum()
    return mean


def normalised(forecast: np.ndarray) -> np.ndarray:
    """Shares whose rows sum to 1 up to float32's last digit; a network's may not."""
    return mean_shares([forecast])


def record_network(nb, task: Task, settings: Settings, trained: dict) -> pd.DataFrame:
    """Score a network's seeds and their mean, keep the numbers and the forecasts.

    Args:
        nb: the notebook that records.
        task: the run.
        settings: of the network.
        trained: seed → trained network.

    Returns:
        Measures over the test slots, one row per seed and one for the mean forecast.
    """
    forecasts = {str(seed): normalised(t.forecast) for seed, t in trained.items()}
    forecasts["mean"] = mean_forecast(trained)
    kind = settings.prediction_type
    for old in (task.folder / "forecasts").glob(f"??_{settings.cell}-{kind}-*"):
        old.unlink()  # of seeds that this run may not have
    rows = {}
    for seed, forecast in forecasts.items():
        for part in PARTS:
            scores = task.scores(forecast, part)
            nb.record(settings.cell, part, scores, prediction_type=kind, seed=seed)
        rows[seed] = scores
        name = f"{nb.number}_{settings.cell}-{kind}-{seed}"
        save_forecast(task.folder, name, forecast)
    return pd.DataFrame(rows).T.rename_axis("seed")


def record_baselines(nb, task: Task) -> pd.DataFrame:
    """Score every baseline, keep the numbers and return those of the test slots.

    Each is tuned for cross-entropy and again for the RMSE, and meets every measure
    with the fitting choice, see `lib.evaluation.evaluate.judged_on_both`.
    """
    rows = {}
    for name, table in task.naive.items():
        for part, scores in scores_by_split(table).items():
            nb.record(name, part, scores)
            if part == "test":
                rows[name] = scores
    return pd.DataFrame(rows).T.rename_axis("model")


def save_forecast(folder: Path, name: str, forecast: np.ndarray) -> None:
    """Keep a forecast for notebook 06, float32, written whole or not at all."""
    path = folder / "forecasts" / f"{name}.npy"
    with replacing(path) as part:
        np.save(part, forecast.astype(np.float32))
    seal(path)


def load_forecasts(folder: Path) -> dict[tuple[str, int, str], np.ndarray]:
    """Every forecast that notebooks 03 to 05 kept: (model, type, seed) → shares.

    They are read from disk where they are used.

    Raises:
        UserError: one is damaged.
    """
    found = {}
    for path in sorted((folder / "forecasts").glob("[0-9][0-9]_*.npy")):
        _, name = path.stem.split("_", 1)
        model, kind, seed = name.rsplit("-", 2)
        found[model, int(kind), seed] = np.load(sealed(path), mmap_mode="r")
    return found


def feature_table(task: Task) -> pd.DataFrame:
    """What each feature means, and where it enters the network."""
    data = task.features
    names = [(name, "every slot of the window") for name in data.series_names]
    names += [(name, "end of the window") for name in data.context_names]
    silent = silent_features(task.grid.meta)
    rows = {
        name: {
            "read at": place,
            "meaning": MEANINGS.get(
                name, MEANINGS.get(name.removeprefix("unseen_"), "") + ", and unseen"
            ),
        }
        for name, place in names
        if name not in silent
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("feature")


def load_network(trained: Trained) -> keras.Model:
    """The saved network of a training."""
    return read_network(trained.path)
