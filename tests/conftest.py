"""Small data that many tests share."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib import paths
from lib.data.grid import Grid
from lib.evaluation.splits import time_split
from lib.experiments.task import Task
from lib.forecast.baselines import naive_tables, tune
from lib.forecast.features import build_features
from lib.schema import GENRES, MOVIE, RELEASE_YEAR, TITLE
from tests.batch.small_series import write_notebooks


def make_grid(n_slots: int = 40, n_movies: int = 15, seed: int = 0) -> Grid:
    """A small grid with releases, genres, an unknown year and an empty slot."""
    rng = np.random.default_rng(seed)
    level = np.exp(rng.normal(0, 1, n_movies))
    age = np.arange(n_slots)[:, None] - rng.integers(-10, n_slots // 2, n_movies)
    rate = level * np.where(age >= 0, np.exp(-np.clip(age, 0, None) / 12) + 0.1, 0)
    counts = rng.poisson(30 * rate / rate.mean()).astype(np.float32)
    counts[5] = 0
    rating = np.where(counts > 0, rng.uniform(1, 5, counts.shape), np.nan)
    movies = pd.DataFrame(
        {
            MOVIE: np.arange(1, n_movies + 1),
            TITLE: [f"Movie {i}" for i in range(n_movies)],
            GENRES: ["Drama|Comedy", "Horror", "(no genres listed)"] * (n_movies // 3),
            RELEASE_YEAR: pd.array(
                [None, *rng.integers(1990, 2001, n_movies - 1).tolist()], "Int32"
            ),
        }
    )
    slots = pd.date_range("2000-01-03", periods=n_slots, freq="7D")
    returning = rng.binomial(counts.astype(int), 0.3).astype(np.float32)
    users = np.ceil(counts.sum(axis=1) / 12).astype(np.float32)
    meta = {"dataset": "small", "slot": "week", "synthetic": True}
    rating = rating.astype(np.float32)
    return Grid(counts, rating, returning, users, slots, movies, meta)


@pytest.fixture(scope="session")
def small_grid() -> Grid:
    """40 weeks of 15 movies."""
    return make_grid()


@pytest.fixture(scope="session")
def small_task(small_grid, tmp_path_factory) -> Task:
    """The task of the small grid; trainings are kept in a temporary folder."""
    split = time_split(len(small_grid.slots))
    tuned = tune(small_grid.counts, split)
    naive = naive_tables(tuned, small_grid.counts, split)
    features = build_features(small_grid, split)
    folder = tmp_path_factory.mktemp("task")
    return Task(folder, small_grid, split, features, tuned["cross_entropy"], naive)


class Recorder:
    """Stands for a notebook: keeps the rows that are recorded."""

    def __init__(self):
        self.rows: list[tuple] = []

    def record(self, model, split, metrics, **names):
        """Keep a row as `lib.notebook.Notebook.record` gets it."""
        self.rows.append((model, split, dict(metrics), names))


@pytest.fixture
def recorder() -> Recorder:
    """A notebook that only remembers what it is told to record."""
    return Recorder()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An output folder of its own, for this process and those it starts."""
    monkeypatch.setenv("POPULARITY_OUTPUT", str(tmp_path))
    for name in ("DATASET", "SLOT", "EPOCHS", "SEEDS", "T_SLOT", "MAX_SLOTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(paths, "OUTPUT", tmp_path)
    monkeypatch.setattr(paths, "PROCESSED", tmp_path / "data" / "processed")
    monkeypatch.setattr(paths, "FIGURES", tmp_path / "figures")
    monkeypatch.setattr(paths, "REPORT", tmp_path / "report")
    write_notebooks(tmp_path / "nb")
    return tmp_path
