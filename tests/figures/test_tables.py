"""Tables of results: their numbers stay short on small catalogues, too."""

import pandas as pd
import pytest

from lib.figures.style import show_table
from lib.figures.tables import difference_table


@pytest.fixture
def displayed(monkeypatch):
    """Texts of the tables that are displayed."""
    shown = []

    def keep(data, **_):
        shown.append(data.get("text/plain"))

    monkeypatch.setattr("lib.figures.style.display", keep)
    return shown


def test_differences_and_their_intervals_have_four_digits():
    row = {"difference": -199.7186e-6, "low": -467.4864e-6, "high": 0.0492e-6}
    index = pd.MultiIndex.from_tuples([("ewma", "rmse")])
    table = difference_table(pd.DataFrame([row | {"verdict": "even"}], index))
    assert table["squared error"].tolist() == ["-199.7 (-467.5, +0.0492) even"]


def test_a_table_has_four_digits_of_large_numbers_and_all_of_small_ones(displayed):
    table = pd.DataFrame({"x": [199.7186, 0.00123, None], "y": [6.77214, 1, 2]})
    show_table(table.assign(n=[1500.0, 2.0, 3.0]), "Numbers.", "no-run")
    assert displayed[-1].split() == [
        *("x", "y", "n"),
        *("0", "199.7", "6.7721", "1500.0"),
        *("1", "0.0012", "1.0000", "2.0"),
        *("2", "–", "2.0000", "3.0"),
    ]
