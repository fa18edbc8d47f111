"""The figures of the exploration on small logs."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from lib.data.grid import Grid
from lib.figures.requests import life_cycle


def small_grid(counts: np.ndarray) -> Grid:
    slots = pd.date_range("2024-01-01", periods=len(counts), freq="7D")
    empty = np.zeros_like(counts)
    movies = pd.DataFrame({"movieId": range(counts.shape[1])})
    return Grid(counts, empty, empty, counts[:, 0], slots, movies, {"slot": "7d"})


@pytest.mark.parametrize("slots", [2, 12, 60])
def test_life_cycle_follows_movies_for_half_of_a_short_log(slots):
    counts = np.ones((slots, 3), "float32")
    assert life_cycle(small_grid(counts)) is None  # none enters: no empty axes
    counts[0, 2] = 0  # the last movie enters in the second slot
    fig = life_cycle(small_grid(counts))
    if slots == 2:
        assert fig is None
        return
    [axes] = fig.axes
    [line] = axes.lines
    assert len(line.get_xdata()) == min(26, slots // 2)
    assert "7 days" in axes.get_xlabel()
    plt.close(fig)
