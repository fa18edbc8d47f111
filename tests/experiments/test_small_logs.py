"""Small logs: a panel of 50 to 1,000 rows is forecast, or refused in one line."""

import numpy as np
import pandas as pd
import pytest

from lib.data.preprocessing import preprocess
from lib.errors import UserError
from lib.experiments.task import open_task, train_seeds
from lib.forecast.trainer import Settings
from lib.schema import MOVIE, RATING, TIMESTAMP, USER

WEEK = 7 * 86_400


def write_log(path, rows: int):
    """A log of about so many panel rows: 12 movies, each in every third week."""
    rng = np.random.default_rng(rows)
    n = 2 * rows
    log = pd.DataFrame(
        {
            USER: rng.integers(1, 30, n),
            MOVIE: rng.integers(1, 13, n),
            RATING: rng.integers(1, 6, n),
            TIMESTAMP: 10**9 + rng.integers(0, max(1, rows // 4) * WEEK, n),
        }
    )
    log.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("rows", [5, 20, 50, 100, 400, 1000])
def test_a_small_panel_is_forecast_or_refused_in_one_line(rows, place):
    log = write_log(place / "log.csv", rows)
    try:
        meta = preprocess(str(log), "week", run="small")
        task = open_task(place / "data" / "processed" / "small")
    except UserError as error:
        assert rows < 50
        assert "\n" not in str(error) and len(str(error)) <= 300
        return
    # A last slot that the log does not fill is in the panel but not in the grid.
    assert 0 < (task.grid.counts > 0).sum() <= meta["panel_rows"]
    for part in task.split.parts:
        scores = task.scores(task.baselines["ewma"].forecast, part)
        assert np.isfinite(scores["cross_entropy"])


@pytest.mark.slow
def test_the_smallest_panel_trains_a_network(place):
    log = write_log(place / "log.csv", 50)
    preprocess(str(log), "week", run="small")
    task = open_task(place / "data" / "processed" / "small")
    trained = train_seeds(task, Settings(units=4, epochs=1), [0])
    assert np.isfinite(task.scores(trained[0].forecast, "test")["rmse"])
