"""What notebooks 03 to 06 share: made once, seeds, and the forecasts that are kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib.errors import UserError
from lib.experiments import comparison, task
from lib.experiments.task import load_forecasts, record_network, train_seeds
from lib.forecast.baselines import evaluate_naive
from lib.forecast.trainer import Settings, Trained


@pytest.mark.parametrize("seeds", [0, [], "0,1", None])
def test_seeds_that_are_no_list_are_refused_in_one_line(small_task, seeds):
    with pytest.raises(UserError, match=r"SEEDS is .*; expected a list such as"):
        train_seeds(small_task, Settings(), seeds)


@pytest.fixture
def recorded(small_task, recorder, tmp_path):
    """A task in a folder of its own, and a function that records trained seeds."""
    run = replace(small_task, folder=tmp_path)
    recorder.number = "03"
    shares = np.full(run.grid.counts.shape, 1 / run.grid.counts.shape[1], "float32")

    def record(cell: str, *seeds: int):
        one = Trained(shares, pd.DataFrame(), 0.0, 1, Path())
        trained = dict.fromkeys(seeds, one)
        return record_network(recorder, run, Settings(cell=cell), trained)

    return run, record


def test_only_the_seeds_of_the_last_run_are_read(recorded):
    run, record = recorded
    record("lstm", 0, 1, 2)
    record("conv1d_lstm", 5)
    record("lstm", 0)
    found = load_forecasts(run.folder)
    assert set(found) == {
        *(("lstm", 3, seed) for seed in ("0", "mean")),
        *(("conv1d_lstm", 3, seed) for seed in ("5", "mean")),
    }


def test_a_missing_network_is_told_in_one_line(recorded):
    run, record = recorded
    record("lstm", 0)
    record("gru", 0)
    with pytest.raises(UserError, match="no forecast of conv1d_lstm: first run"):
        comparison.network_forecasts(run)


def refused(*_):
    raise AssertionError("this was made already")


def test_a_task_is_made_once_and_opened_from_disk(small_grid, tmp_path, monkeypatch):
    monkeypatch.setattr(task, "load_grid", lambda folder: small_grid)
    first = task.open_task(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("lib.forecast.baselines.tune", refused)
        patch.setattr("lib.forecast.features.tune_start", refused)
        again = task.open_task(tmp_path)
    np.testing.assert_array_equal(again.features.context, first.features.context)
    expected = evaluate_naive(small_grid.counts, first.split)
    for name, table in expected.items():
        columns = ["split", *(c for c in table if c != "split")]
        found = again.naive[name]
        assert list(found) == columns
        pd.testing.assert_frame_equal(found, table[columns], check_dtype=False)
        assert again.baselines[name].parameters == first.baselines[name].parameters
    one = again.baselines["ewma"]
    np.testing.assert_array_equal(one.forecast, first.baselines["ewma"].forecast)


def test_mean_forecasts_are_shares():
    rng = np.random.default_rng(0)
    parts = [rng.dirichlet(np.ones(50), 4).astype(np.float32) for _ in range(3)]
    mean = task.mean_shares(parts)
    np.testing.assert_allclose(mean, np.mean(parts, axis=0), rtol=1e-5)
    np.testing.assert_allclose(mean.sum(axis=1, dtype=float), 1, atol=1e-7)
    np.testing.assert_allclose(task.normalised(2 * parts[0]), parts[0], rtol=1e-6)
