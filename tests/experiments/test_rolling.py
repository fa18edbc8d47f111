"""Rolling cut-offs: every model is fitted anew and meets the same slots."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lib import paths
from lib.evaluation.evaluate import check_no_leak
from lib.experiments import rolling
from lib.forecast import boosted_trees as opponents
from lib.forecast.baselines import NAIVE
from lib.forecast.trainer import Settings
from tests.conftest import make_grid

SETTINGS = [Settings(cell=cell, epochs=1, units=4) for cell in ("lstm", "gru")]


@pytest.fixture(scope="module")
def tables(small_task):
    networks = rolling.rolling_networks(small_task, SETTINGS, [0], 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opponents, "ROUNDS", (10, 30))
        patch.setattr(opponents, "RESIDUAL_ROUNDS", (5,))
        others = rolling.rolling_opponents(small_task, 2)
    return networks | others


@pytest.mark.slow
def test_all_models_meet_the_same_slots(tables):
    informed = {"start", "linear", "lightgbm_residual", "lightgbm"}
    assert set(tables) == {"lstm", "gru", "ensemble", *informed, *NAIVE}
    first = tables["lstm"]
    assert first["origin"].nunique() == 2
    for table in tables.values():
        assert table["slot"].tolist() == first["slot"].tolist()
    scores = rolling.rolling_scores(tables)
    assert scores["cross_entropy"].is_monotonic_increasing
    assert scores.loc["ewma", "cross_entropy"] == pytest.approx(
        tables["ewma"]["cross_entropy"].mean()
    )


@pytest.mark.slow
def test_differences_are_those_of_the_tables(tables):
    names = ["ewma", "lightgbm"]
    table = rolling.rolling_differences(tables, "ensemble", names)
    expected = (tables["ensemble"] - tables["ewma"])["cross_entropy"].mean()
    found = table.loc[("ewma", "cross_entropy")]
    assert found["difference"] == pytest.approx(expected)
    wider = rolling.rolling_differences(tables, "ensemble", names, ["lstm", "gru"])
    row = wider.loc[("ewma", "cross_entropy")]
    assert row["difference"] == found["difference"] and row["low"] < found["low"]


@pytest.mark.slow
def test_what_is_rolled_reads_the_counts_it_is_given(small_task):
    """Forecasters are caught that ignore them, or know later slots."""
    seen = []

    def check(forecaster, counts, origins):
        check_no_leak(forecaster, counts, origins[0], catalogue=False)
        seen.append(forecaster)
        return pd.DataFrame()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rolling, "evaluate_rolling", check)
        patch.setattr(rolling, "rolling_naive", lambda *_: {})
        patch.setattr(rolling, "judged_on_both", lambda *_: None)
        patch.setattr(opponents, "ROUNDS", (10,))
        patch.setattr(opponents, "RESIDUAL_ROUNDS", (5,))
        rolling.rolling_networks(small_task, SETTINGS[:1], [0], 2)
        # enough rows for the least leaf of a tree
        rolling.rolling_opponents(replace(small_task, grid=make_grid(40, 150)), 2)
    assert len(seen) == 7


def test_stored_peers_count_only_for_the_same_slots(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    folder = tmp_path / "benchmarks" / "results"
    folder.mkdir(parents=True)
    assert rolling.stored_rolling_peers("run", np.arange(3)) == {}
    frame = pd.DataFrame({"slot": [5, 6, 7], "model": "tsb", "cross_entropy": 1.0})
    frame.to_csv(folder / "peers-run-rolling.csv", index=False)
    assert list(rolling.stored_rolling_peers("run", np.array([5, 6, 7]))) == ["tsb"]
    assert rolling.stored_rolling_peers("run", np.array([6, 7, 8])) == {}
