"""Rolling cut-offs: every model is fitted anew and meets the same slots."""

import numpy as np
import pandas as pd
import pytest

from lib import paths
from lib.experiments import rolling
from lib.experiments.wording import rolling_conclusion
from lib.forecast import boosted_trees as opponents
from lib.forecast.baselines import NAIVE
from lib.forecast.trainer import Settings

SETTINGS = [Settings(cell=cell, epochs=1, units=4) for cell in ("lstm", "gru")]


@pytest.fixture(scope="module")
def tables(small_task):
    networks = rolling.rolling_networks(small_task, SETTINGS, [0], 2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opponents, "ROUNDS", (10, 30))
        others = rolling.rolling_opponents(small_task, 2)
    return networks | others


@pytest.mark.slow
def test_all_models_meet_the_same_slots(tables):
    assert set(tables) == {"lstm", "gru", "ensemble", "lightgbm", *NAIVE}
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
def test_differences_and_their_conclusion(tables):
    names = ["ewma", "lightgbm"]
    table = rolling.rolling_differences(tables, "ensemble", names)
    expected = (tables["ensemble"] - tables["ewma"])["cross_entropy"].mean()
    found = table.loc[("ewma", "cross_entropy")]
    assert found["difference"] == pytest.approx(expected)
    wider = rolling.rolling_differences(tables, "ensemble", names, ["lstm", "gru"])
    row = wider.loc[("ewma", "cross_entropy")]
    assert row["difference"] == found["difference"] and row["low"] < found["low"]
    text = rolling_conclusion(table, rolling.rolling_scores(tables))
    assert f"{len(tables['ewma'])} slots, cross-entropy" in text


def test_the_conclusion_tells_even_from_worse():
    index = pd.MultiIndex.from_product(
        [["ewma", "lightgbm", "tsb"], rolling.METRICS], names=["opponent", "metric"]
    )
    verdicts = ["better", "even", "even", "even", "even", "even", "worse", "even", "x"]
    table = pd.DataFrame({"verdict": verdicts, "slots": 9}, index=index)
    scores = pd.DataFrame({"cross_entropy": [5.0]}, index=["gru"])
    text = rolling_conclusion(table, scores)
    first = text.splitlines()[0]
    assert "better beyond chance than 1 of 3 opponents" in first
    assert "even with LightGBM" in first and "worse than TSB" in first


def test_stored_peers_count_only_for_the_same_slots(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    folder = tmp_path / "benchmarks" / "results"
    folder.mkdir(parents=True)
    assert rolling.stored_rolling_peers("run", np.arange(3)) == {}
    frame = pd.DataFrame({"slot": [5, 6, 7], "model": "tsb", "cross_entropy": 1.0})
    frame.to_csv(folder / "peers-run-rolling.csv", index=False)
    assert list(rolling.stored_rolling_peers("run", np.array([5, 6, 7]))) == ["tsb"]
    assert rolling.stored_rolling_peers("run", np.array([6, 7, 8])) == {}
