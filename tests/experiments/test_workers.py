"""Work in processes beside a notebook's own."""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import psutil
import pytest

from lib import paths
from lib.data import preprocess
from lib.errors import UserError
from lib.evaluation.splits import rolling_origins
from lib.experiments import rolling, workers
from lib.experiments.task import open_task, train_seeds
from lib.forecast import trainer
from lib.forecast.trainer import Settings


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")


def test_calls_are_made_elsewhere(two_cores):
    pids = [one() for one in workers.begin(os.getpid, [(), ()], need=1)]
    assert os.getpid() not in pids


def test_what_a_call_raises_is_raised(two_cores):
    (result,) = workers.begin(int, [("x",)], need=1)
    with pytest.raises(ValueError, match="invalid literal"):
        result()


@pytest.mark.parametrize(("cores", "need"), [("1", 1), ("2", 10**18)])
def test_without_core_or_memory_calls_are_made_here(monkeypatch, cores, need):
    monkeypatch.setenv("OMP_NUM_THREADS", cores)
    (result,) = workers.begin(os.getpid, [()], need)
    assert result() == os.getpid()


def test_a_stopped_process_is_told(two_cores):
    (result,) = workers.begin(os._exit, [(1,)], need=1)
    with pytest.raises(UserError, match="was stopped"):
        result()


def test_an_interrupted_cell_does_not_stop_them(two_cores):
    (result,) = workers.begin(_interrupt, [()], need=1)
    assert result() == "still here"


def _interrupt() -> str:
    os.kill(os.getpid(), signal.SIGINT)
    return "still here"


def test_a_process_ends_with_its_parent():
    code = """
import time
from lib.experiments import rolling, workers
workers.begin(time.sleep, [(600,), (600,)], need=1)
print("begun", flush=True)
time.sleep(600)
"""
    environment = os.environ | {"OMP_NUM_THREADS": "2"}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment
    ) as parent:
        assert parent.stdout.readline()
        while len(found := psutil.Process(parent.pid).children()) < 3:
            time.sleep(0.1)  # two, and what watches over shared resources
        parent.send_signal(signal.SIGKILL)
    assert not psutil.wait_procs(found, timeout=30)[1]


@pytest.mark.slow
def test_a_dask_cluster_trains_the_same_networks(place):
    """Two seeds, trained by two workers and here."""
    from distributed import LocalCluster

    preprocess("sample", "month")
    task = open_task(paths.PROCESSED / "sample-month")
    settings = Settings(epochs=1, units=2)
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=2, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(trainer, "_Training", None)  # not in this process
        given = task, settings, [0, 1], cluster.scheduler_address
        there = {seed: np.array(t.forecast) for seed, t in train_seeds(*given).items()}
    shutil.rmtree(task.folder / "training")
    for seed, one in train_seeds(task, settings, [0, 1]).items():
        np.testing.assert_array_equal(one.forecast, there[seed])


@pytest.mark.slow
def test_a_cut_off_is_the_same_elsewhere(place, two_cores, monkeypatch):
    preprocess("sample", "month")
    task = open_task(paths.PROCESSED / "sample-month")
    settings = Settings(epochs=1, units=2)
    monkeypatch.setattr(rolling, "of_a_notebook", lambda movies: 1)  # there is room
    (begun,) = rolling.begin(task, settings, [0], 1)
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "_Training", None)  # not in this process
        there = begun()
    shutil.rmtree(task.folder / "training")
    (split,) = rolling_origins(len(task.grid.slots), 1)
    here = rolling.origin_tables(task.grid, task.folder, settings, [0], split)
    assert set(there) == set(here)
    for name, table in here.items():
        pd.testing.assert_frame_equal(there[name], table)


@pytest.mark.parametrize(("given", "cores"), [("3,2", 3), ("0", None), ("x", None)])
def test_cores_are_those_of_the_process(monkeypatch, given, cores):
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert workers._cores() == (cores or len(os.sched_getaffinity(0)))
