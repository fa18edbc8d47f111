"""The experiments: all combinations are trained once, read back and put in order."""

import numpy as np
import pandas as pd
import pytest

from lib import paths
from lib.errors import UserError
from lib.experiments import grid
from lib.experiments.grid import combinations, importance, read_all, train_all
from lib.figures.grid import heat_maps, parallel_coordinates
from lib.results import Results

LISTS = {"cell": ["lstm", "gru"], "t_slot": [2, 3], "learning_rate": [0.01]}


@pytest.fixture
def table():
    """Made-up scores: the cell decides, the window does next to nothing."""
    rng = np.random.default_rng(0)
    chosen = list(combinations(1, **LISTS, units=[4, 8], hidden_layers=[1, 2, 3]))
    rows = [{name: getattr(s, name) for name in grid.VARIED} for s in chosen]
    frame = pd.DataFrame(rows)
    noise = rng.normal(0, 0.001, len(frame))
    frame["cross_entropy"] = 5 - 0.1 * (frame["cell"] == "gru") + noise
    return frame.sort_values("cross_entropy", ignore_index=True)


def test_combinations_are_all_and_only_those_that_make_sense():
    assert len(list(combinations(1, **LISTS))) == 4
    both = {"cell": ["lstm", "bidirectional_lstm"], "prediction_type": [1, 2, 3, 4]}
    backward = [s for s in combinations(1, **both) if s.cell != "lstm"]
    assert [s.prediction_type for s in backward] == [3, 4]


def test_the_deciding_parameter_comes_first(table):
    order = importance(table)
    assert order.index[0] == "cell"
    assert order.loc["cell", ["best", "worst"]].tolist() == ["gru", "lstm"]
    assert order.loc["cell", "between"] == pytest.approx(0.1, abs=0.002)
    assert order["explained"].between(0, 1).all()
    assert order.loc["cell", "explained"] > 0.7 > 0.3 > order.loc["t_slot", "explained"]
    assert "learning_rate" not in order.index


def test_the_reading_gives_the_numbers(table):
    text = grid.reading(table, simple=4.95)
    assert "50% of the 24 networks are ahead" in text
    assert "cell gru" in text and "What matters most is cell" in text
    assert "gru is best and lstm worst, 0.1 nats apart" in text
    numbers = table.replace({"cell": {"gru": 2, "lstm": 3}})
    assert "2 is best and 3 worst" in grid.reading(numbers, simple=4.95)
    table["cross_entropy"] *= 1e-4
    assert "0.00001 nats apart" in grid.reading(table, simple=4.95)


def test_charts_show_every_network_and_pair(table):
    fig = parallel_coordinates(table, grid.varied(table))
    assert len(fig.axes[0].lines) == len(table)
    pairs = [("cell", "hidden_layers"), ("cell", "t_slot")]
    fig = heat_maps(table, 4.95, pairs)
    shown = [text.get_text() for ax in fig.axes for text in ax.texts]
    assert len(shown) == 2 * 3 + 2 * 2
    best = 1e3 * (4.95 - table["cross_entropy"].min())
    assert f"{best:.1f}" in shown


@pytest.fixture
def reports(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPORT", tmp_path)
    return tmp_path


@pytest.mark.slow
def test_trained_networks_are_read_back(small_task, reports):
    chosen = list(combinations(1, units=[4], **LISTS))
    for part, settings in (("a", chosen[:2]), ("b", chosen[2:])):
        results = Results(f"experiments-{part}", grid.NOTEBOOK)
        results.record = results.add
        train_all(results, small_task, settings, seed=0)
        results.save()
    table, simple = read_all("experiments")
    assert len(table) == 4 and table["cross_entropy"].is_monotonic_increasing
    assert set(table["cell"]) == {"lstm", "gru"} and set(table["t_slot"]) == {2, 3}
    assert table["learning_rate"].unique() == pytest.approx([0.01])
    ewma = small_task.baselines[grid.BASELINE].forecast
    expected = small_task.scores(ewma, "validation")["cross_entropy"]
    assert simple == pytest.approx(expected)


def test_runs_that_cannot_be_compared_are_told(reports):
    with pytest.raises(UserError, match="run 01_train first"):
        read_all("experiments")
    for name, value in (("one", 5.0), ("two", 6.0)):
        results = Results(f"experiments-{name}", grid.NOTEBOOK)
        results.add(grid.BASELINE, "validation", {"cross_entropy": value})
        results.save()
    with pytest.raises(UserError, match="different data or slots"):
        read_all("experiments")
