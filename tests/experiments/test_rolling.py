"""Rolling cut-offs: every model is fitted anew and meets the same slots."""

from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from lib import paths
from lib.evaluation.evaluate import check_no_leak
from lib.evaluation.splits import rolling_origins
from lib.experiments import best, rolling
from lib.forecast import boosted_trees as opponents
from lib.forecast.baselines import NAIVE
from lib.forecast.combination import Combination
from lib.forecast.trainer import Settings
from tests.conftest import make_grid

SETTINGS = Settings(epochs=1, units=4)


def of_all_cut_offs(task, number):
    """As the notebook does it, but in this process."""
    splits = rolling_origins(len(task.grid.slots), number)
    given = task.grid, task.folder, SETTINGS, [0]
    made = [partial(rolling.origin_tables, *given, split) for split in splits]
    return rolling.rolling_tables(made)


@pytest.fixture(scope="module", autouse=True)
def few_rounds():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opponents, "ROUNDS", (10, 30))
        patch.setattr(opponents, "RESIDUAL_ROUNDS", (5,))
        yield


@pytest.fixture(scope="module")
def found(small_task):
    return of_all_cut_offs(small_task, 2)


@pytest.mark.slow
def test_all_models_meet_the_same_slots(found):
    tables, draws = found
    informed = {"start", "linear", "lightgbm_residual", "lightgbm"}
    assert set(tables) == {*best.CELLS, "ensemble", "best", *informed, *NAIVE}
    first = tables["lstm"]
    assert first["origin"].nunique() == 2
    for table in (*tables.values(), *draws["best"], *draws["ensemble"]):
        assert table["slot"].tolist() == first["slot"].tolist()
    scores = rolling.rolling_scores(tables)
    assert scores["cross_entropy"].is_monotonic_increasing
    assert scores.loc["ewma", "cross_entropy"] == pytest.approx(
        tables["ewma"]["cross_entropy"].mean()
    )


@pytest.mark.slow
def test_the_pool_is_fitted_at_each_cut_off(small_task, found, monkeypatch):
    """With all the weight on one member the pool is that member."""
    tables, draws = found
    assert not np.allclose(*(one["cross_entropy"] for one in draws["best"][:2]))

    def first_alone(forecasts, counts, split, since):
        name, q = next(iter(forecasts.items()))
        return Combination("linear", {name: 1.0}, q, 0.0)

    monkeypatch.setattr(best, "combine", first_alone)
    alone, of_one = of_all_cut_offs(small_task, 2)
    pd.testing.assert_frame_equal(alone["best"], tables["lstm"])
    for table, cell in zip(of_one["best"], best.CELLS, strict=True):
        pd.testing.assert_frame_equal(table, tables[cell], rtol=1e-5)


@pytest.mark.slow
def test_differences_are_those_of_the_tables(found):
    tables, draws = found
    table = rolling.rolling_differences(tables, draws)
    assert "best" not in table.index.get_level_values("opponent")
    expected = (tables["best"] - tables["ewma"])["cross_entropy"].mean()
    row = table.loc[("ewma", "cross_entropy")]
    assert row["difference"] == pytest.approx(expected)
    narrow = rolling.rolling_differences(tables, {}).loc[("ewma", "cross_entropy")]
    assert row["difference"] == narrow["difference"] and row["low"] < narrow["low"]


@pytest.mark.slow
def test_what_is_rolled_reads_the_counts_it_is_given(small_task):
    """Forecasters are caught that ignore them, or know later slots."""
    grid = make_grid(40, 150)  # enough rows for the least leaf of a tree
    split = rolling_origins(40, 2)[0]
    made = {}

    def forecaster(name, counts, split):
        key = counts.tobytes()
        if key not in made:
            given = grid, small_task.folder, SETTINGS, [0], counts, split
            made[key] = rolling.forecasts(*given)
        return made[key][name]

    names = rolling.forecasts(
        grid, small_task.folder, SETTINGS, [0], split.seen(grid.counts), split
    )
    assert len(names) == 13
    for name in names:
        check_no_leak(partial(forecaster, name), grid.counts, split, catalogue=False)


def test_a_cut_off_without_a_slot_to_train_on_is_left_out(small_task):
    short = replace(small_task, grid=make_grid(8, 30))
    assert rolling.begin(short, SETTINGS, [0], 1) == []
    counts = small_task.grid.counts.copy()
    (split,) = rolling_origins(len(counts), 1)
    counts[split.test] = 0
    gap = replace(small_task, grid=replace(small_task.grid, counts=counts))
    assert rolling.begin(gap, SETTINGS, [0], 1) == []
    assert rolling.begin(small_task, SETTINGS, [0], 0) == []
    assert rolling.rolling_tables([]) == ({}, {})


def test_stored_peers_count_only_for_the_same_slots(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    folder = tmp_path / "benchmarks" / "results"
    folder.mkdir(parents=True)
    assert rolling.stored_rolling_peers("run", np.arange(3)) == {}
    frame = pd.DataFrame({"slot": [5, 6, 7], "model": "tsb", "cross_entropy": 1.0})
    frame.to_csv(folder / "peers-run-rolling.csv", index=False)
    assert list(rolling.stored_rolling_peers("run", np.array([5, 6, 7]))) == ["tsb"]
    assert rolling.stored_rolling_peers("run", np.array([6, 7, 8])) == {}
