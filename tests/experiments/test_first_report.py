"""The first report's LSTM: its protocol, flaws included."""

import numpy as np
import pandas as pd
import pytest

from lib.data.panel import PANEL_SCHEMA
from lib.errors import UserError
from lib.experiments import first_report
from lib.schema import POPULARITY, SLOT


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    n = 1200
    weeks = pd.to_timedelta(7 * (np.arange(n) // 150), "D")
    panel = pd.DataFrame(
        {
            "movieId": rng.integers(1, 50, n),
            SLOT: pd.Timestamp("2000-01-03") + weeks,
            "requests": rng.poisson(3, n) + 1,
            POPULARITY: rng.uniform(0, 0.1, n),
            "mean_rating": rng.uniform(1, 5, n),
            "genres": rng.choice(["Drama", "Comedy|Drama"], n),
            "release_year": rng.integers(1980, 2000, n),
        }
    )[list(PANEL_SCHEMA)]
    return first_report.combined_table(panel)


def test_it_reads_1000_rows_and_predicts_the_slot_number(table):
    assert len(table) == 1000
    assert table.columns[-1] == SLOT
    x, y = first_report.as_reported(table)
    assert x.shape == (999, 1, 7)
    assert len(y) == 999 and y.min() == 0 and y.max() == 1
    np.testing.assert_allclose(y[:-1], x[1:, 0, -1])


def test_its_error_is_not_better_than_repeating_the_row_before(table):
    result, curves = first_report.reproduce(table, [2, 4])
    assert list(curves.index) == [1, 2, 3, 4] and (curves > 0).all(axis=None)
    assert list(result.index) == [2, 4]
    assert (result["rmse"] > 0).all()
    # Seven slots in 1000 rows: the slot number moves once in 150 rows.
    assert result["repeat_previous_row"].iloc[0] < 0.05


@pytest.mark.parametrize("rows", [10, 50, 700, 701])
def test_a_short_panel_is_cut_in_the_same_proportion(table, rows):
    result, _ = first_report.reproduce(table.head(rows), [1])
    assert result["rmse"].between(0, 2).all()


def test_a_panel_of_few_rows_is_refused_in_one_line(table):
    with pytest.raises(UserError, match="the panel has 9 rows; expected 10 or more"):
        first_report.reproduce(table.head(9), [1])
