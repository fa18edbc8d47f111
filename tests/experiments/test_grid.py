"""The experiments: all combinations are trained once, read back and put in order."""

import numpy as np
import pandas as pd
import pytest

from lib import paths
from lib.errors import UserError
from lib.experiments import grid
from lib.experiments.grid import combinations, importance, read_all
from lib.experiments.variants import compare_variants
from lib.figures.grid import heat_maps, parallel_coordinates
from lib.results import Results

LISTS = {"cell": ["lstm", "gru"], "t_slot": [2, 3], "learning_rate": [0.01]}


@pytest.fixture
def table():
    """Made-up scores: the cell decides, the window does next to nothing."""
    rng = np.random.default_rng(0)
    lists = LISTS | {"hidden_layers": [1, 2, 3], "batch_size": [1, 4]}
    chosen = combinations(1, **lists).values()
    rows = [{name: getattr(s, name) for name in grid.VARIED} for s in chosen]
    frame = pd.DataFrame(rows)
    noise = rng.normal(0, 0.001, len(frame))
    frame["cross_entropy"] = 5 - 0.1 * (frame["cell"] == "gru") + noise
    return frame.sort_values("cross_entropy", ignore_index=True)


def test_combinations_are_all_and_only_those_that_make_sense():
    assert len(combinations(1, **LISTS)) == 4
    both = {"cell": ["lstm", "bidirectional_lstm"], "prediction_type": [1, 2, 3, 4]}
    chosen = combinations(1, **both).values()
    backward = [s for s in chosen if s.cell != "lstm"]
    assert [s.prediction_type for s in backward] == [3, 4]


def test_the_deciding_parameter_comes_first(table):
    order = importance(table)
    assert order.index[0] == "cell"
    assert order.loc["cell", ["best", "worst"]].tolist() == ["gru", "lstm"]
    assert order.loc["cell", "between"] == pytest.approx(0.1, abs=0.002)
    assert order["explained"].between(0, 1).all()
    assert order.loc["cell", "explained"] > 0.7 > 0.3 > order.loc["t_slot", "explained"]
    assert "learning_rate" not in order.index


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
    ewma = small_task.baselines[grid.BASELINE].forecast
    simple = small_task.scores(ewma, "validation")["cross_entropy"]
    for cell in LISTS["cell"]:
        chosen = combinations(1, units=[4], **LISTS | {"cell": [cell]})
        variants = {name: (small_task.features, one) for name, one in chosen.items()}
        results = Results(f"experiments-{cell}", grid.NOTEBOOK)
        results.record = results.add
        results.record(grid.BASELINE, "validation", {"cross_entropy": simple})
        compare_variants(results, small_task, variants, measured=grid.MEASURED)
        results.save()
    table, found = read_all("experiments")
    assert len(table) == 4 and table["cross_entropy"].is_monotonic_increasing
    assert set(table["cell"]) == {"lstm", "gru"} and set(table["t_slot"]) == {2, 3}
    assert table["learning_rate"].unique() == pytest.approx([0.01])
    assert found == pytest.approx(simple)


def test_runs_that_cannot_be_compared_are_told(reports):
    with pytest.raises(UserError, match="run 01_train first"):
        read_all("experiments")
    for name, value in (("one", 5.0), ("two", 6.0)):
        results = Results(f"experiments-{name}", grid.NOTEBOOK)
        results.add(grid.BASELINE, "validation", {"cross_entropy": value})
        results.save()
    with pytest.raises(UserError, match="different data or slots"):
        read_all("experiments")
