"""What notebooks 03 to 06 share: seeds, and the forecasts that are kept."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lib.errors import UserError
from lib.experiments import comparison
from lib.experiments.task import load_forecasts, record_network, train_seeds
from lib.forecast.trainer import Settings, Trained


@pytest.mark.parametrize("seeds", [0, [], "0,1", None])
def test_seeds_that_are_no_list_are_refused_in_one_line(small_task, seeds):
    with pytest.raises(UserError, match=r"SEEDS is .*; expected a list such as"):
        train_seeds(small_task, Settings(), seeds)


@pytest.fixture
def recorded(small_task, recorder, tmp_path):
    """A task in a folder of its own, and a function that records trained seeds."""
    task = replace(small_task, folder=tmp_path)
    recorder.number = "03"
    shares = np.full(task.grid.counts.shape, 1 / task.grid.counts.shape[1], "float32")

    def record(cell: str, *seeds: int):
        one = Trained(shares, pd.DataFrame(), 0.0, 1, Path())
        trained = dict.fromkeys(seeds, one)
        return record_network(recorder, task, Settings(cell=cell), trained)

    return task, record


def test_only_the_seeds_of_the_last_run_are_read(recorded):
    task, record = recorded
    record("lstm", 0, 1, 2)
    record("conv1d_lstm", 5)
    record("lstm", 0)
    found = load_forecasts(task.folder)
    assert set(found) == {
        *(("lstm", 3, seed) for seed in ("0", "mean")),
        *(("conv1d_lstm", 3, seed) for seed in ("5", "mean")),
    }


def test_a_missing_network_is_told_in_one_line(recorded):
    task, record = recorded
    record("lstm", 0)
    record("gru", 0)
    with pytest.raises(UserError, match="no forecast of conv1d_lstm: first run"):
        comparison.network_forecasts(task)
