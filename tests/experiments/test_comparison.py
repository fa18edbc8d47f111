"""Notebook 06's parts that no other test reaches."""

from dataclasses import replace

import numpy as np
import pytest

from lib.experiments import comparison


@pytest.mark.parametrize("divide", [1, 40])
def test_intervals_are_judged_by_enough_cells(small_task, divide):
    """Also where traffic is so low that hardly a movie expects one request."""
    rng = np.random.default_rng(0)
    q = np.full(small_task.grid.counts.shape, 1 / small_task.grid.counts.shape[1])
    traffic = small_task.grid.counts.sum(axis=1).astype(int) // divide
    counts = rng.multinomial(traffic, q[0]).astype(np.float32)
    task = replace(small_task, grid=replace(small_task.grid, counts=counts))
    dispersion, curves, values = comparison.calibration(task, q)
    test = counts[task.split.test.start :]
    assert len(values) == test.size  # 120 cells: all are looked at
    assert dispersion < 0.05  # drawn without bursts
    np.testing.assert_allclose(curves["multinomial"], curves["level"], atol=0.12)
