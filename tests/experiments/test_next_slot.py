"""What will be popular next: the forecast, its intervals, the kept model."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.data.grid import load_grid
from lib.data.preprocessing import preprocess
from lib.errors import UserError
from lib.evaluation.splits import time_split
from lib.experiments import best, next_slot
from lib.files import RECORD
from lib.forecast import boosted_trees
from lib.forecast.trainer import Settings
from lib.schema import MOVIE, TITLE
from tests.conftest import make_grid
from tests.test_damage import DAMAGES

MONDAY = 883_958_400  # 5 January 1998
SMALL = Settings(epochs=1, units=4)


@pytest.fixture(scope="module", autouse=True)
def few_trees():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boosted_trees, "ROUNDS", (5,))
        patch.setattr(boosted_trees, "LEAVES", (7,))
        patch.setattr(boosted_trees, "RESIDUAL_ROUNDS", (5,))
        patch.setattr(boosted_trees, "RESIDUAL_LEAVES", (4,))
        yield


@pytest.fixture(scope="module")
def grid():
    return make_grid(40, 15)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def made(grid, folder):
    """A model of the first 37 slots."""
    return best.train(grid.until(37), folder, SMALL, [0])


def test_the_forecast_is_whole(grid, made):
    known = grid.until(37)
    table = next_slot.forecast_slots(known, made.split, made.best, 3)
    assert table.columns.tolist() == [
        *("slot", "rank", MOVIE, TITLE, "share", "expected"),
        *("low50", "high50", "low95", "high95", "change", "new"),
    ]
    assert table["slot"].unique().tolist() == grid.slots[37:40].tolist()
    for _, rows in table.groupby("slot"):
        assert rows["share"].sum() == pytest.approx(1)
        assert rows["rank"].tolist() == list(range(1, 16))
        assert rows["share"].is_monotonic_decreasing
        assert sorted(rows[MOVIE]) == known.movies[MOVIE].tolist()
    assert (table["low95"] <= table["low50"]).all()
    assert (table["high50"] <= table["high95"]).all()
    last = table.set_index(MOVIE).groupby("slot").get_group(grid.slots[37])
    change = last["expected"] - last["change"]
    np.testing.assert_allclose(change.sort_index(), known.counts[-1], atol=1e-3)


def test_the_saved_model_has_a_card(made, folder):
    card = (folder / "next_slot" / "README.md").read_text("utf-8")
    assert card.startswith("# Model card: `best` for small, week\n")
    assert "37 complete slots" in card and "windows of 3 slots" in card
    about = json.loads((folder / "next_slot" / "model.json").read_text("utf-8"))
    for name, weight in about["weights"].items():
        assert f"{name} {weight:.3f}" in card
    assert "{" not in card and "synthetic" in card


@settings(max_examples=60)
@given(st.floats(0.5, 1e5), st.floats(0, 5), st.integers(0, 99))
def test_intervals_nest_and_shares_stay(expected, dispersion, seed):
    grid = make_grid(6, 15)
    shares = np.random.default_rng(seed).dirichlet(np.full(15, 0.3))
    table = next_slot.table_of(grid, shares, grid.slots[-1], expected, dispersion)
    assert table["share"].sum() == pytest.approx(1)
    assert (table["low95"] <= table["low50"]).all()
    assert (table["low50"] <= table["high50"]).all()
    assert (table["high50"] <= table["high95"]).all()


def test_the_added_slot_says_nothing(grid):
    longer, split = best.with_next_slot(grid.until(37))
    assert longer.slots.equals(grid.slots[:38])
    assert not longer.counts[37].any() and split.test == range(37, 38)
    with pytest.raises(UserError, match="expected 3 or more"):
        best.with_next_slot(grid.until(2))


def test_without_a_slot_to_test_the_forecast_stands_alone(grid, tmp_path, monkeypatch):
    few, table = grid.until(4), pd.DataFrame({"slot": []})
    monkeypatch.setattr(next_slot, "load_grid", lambda _: few)
    monkeypatch.setattr(next_slot, "train", lambda *_: SimpleNamespace(split=0, best=0))
    monkeypatch.setattr(next_slot, "forecast_slots", lambda *_: table)
    monkeypatch.setattr(next_slot, "_headlines", lambda _: [])
    report = tmp_path / "report"
    (line,) = next_slot.write_forecast(tmp_path, report, 1, SMALL, [0])
    assert line.startswith("No backtest: no slot to train on") and len(line) <= 300
    assert (report / "forecast.csv").is_file()
    assert not (report / "forecast_backtest.csv").exists()


@pytest.mark.parametrize("horizon", [1, 3])
def test_later_slots_change_no_earlier_forecast(grid, horizon):
    split = time_split(len(grid.slots))
    uniform = np.full(grid.counts.shape, 1 / 15)
    changed = grid.counts.copy()
    changed[split.test.start :] = changed[split.test.start :, ::-1] + 7
    ends = split.test.start + 1
    one, two = (
        next_slot.ahead(uniform, c, split, horizon)[:ends]
        for c in (grid.counts, changed)
    )
    np.testing.assert_array_equal(one, two)
    one, two = (next_slot.traffic(c, split, horizon) for c in (grid.counts, changed))
    assert (one.alpha, one.spread) == (two.alpha, two.spread)
    np.testing.assert_array_equal(one.expected[:ends], two.expected[:ends])


def test_the_backtest_stands_beside_every_horizon(grid):
    split = time_split(len(grid.slots))
    uniform = np.full(grid.counts.shape, 1 / 15)
    table = next_slot.backtest(grid.counts, split, uniform, 4)
    assert table["horizon"].tolist() == [1, 2, 3, 4]
    assert table["slots"].tolist() == [8, 7, 6, 5]
    assert table["cross_entropy"][0] == pytest.approx(np.log(15))
    assert (table["cross_entropy"][1:] < np.log(15)).all()
    assert (table["inside_50"] <= table["inside_95"]).all()
    assert table["inside_95"].between(0.7, 1).all()


def test_a_kept_model_says_the_same_and_tells_its_age(grid, made, folder):
    again = best.read_back(grid.until(37), folder)
    np.testing.assert_allclose(again.best[-1], made.best[-1], rtol=1e-3)
    assert (again.age, again.trained_until) == (0, grid.slots[36])
    later = best.read_back(grid, folder)
    assert (later.age, len(later.best)) == (3, 41)
    np.testing.assert_allclose(later.best[:37], made.best[:37], rtol=1e-4)
    first = made.split.validation.start
    np.testing.assert_allclose(later.best[first:].sum(axis=1), 1)
    assert not later.best[:first].any()  # nobody asks for these


def test_a_kept_model_meets_new_movies(grid, made, folder):
    fewer = grid.until(37)
    longer = make_grid(40, 18)
    counts = longer.counts.copy()
    counts[:37, :15], counts[:37, 15:] = fewer.counts, 0
    found = best.read_back(replace(longer, counts=counts), folder)
    assert found.best.shape == (41, 18) and (found.best[-1] > 0).all()


def test_models_that_do_not_fit_are_refused_in_one_line(grid, made, folder, tmp_path):
    with pytest.raises(UserError, match="no saved model"):
        best.read_back(grid, tmp_path)
    with pytest.raises(UserError, match="starts at"):
        best.read_back(replace(grid, slots=grid.slots + pd.Timedelta(days=7)), folder)


FILES = ["model.json", "numbers.npz", "lightgbm.txt", "lightgbm_residual.txt"]
FILES += [f"{cell}-0.keras" for cell in best.CELLS]
WRECKS = DAMAGES | {
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "deep": lambda path: path.write_text(100_000 * "["),
}


@pytest.mark.parametrize("damage", WRECKS)
@pytest.mark.parametrize("name", FILES)
def test_a_kept_model_with_damage_is_refused(
    grid, made, folder, tmp_path, name, damage
):
    shutil.copytree(folder / "next_slot", tmp_path / "next_slot")
    there = {path.name for path in (tmp_path / "next_slot").iterdir()}
    assert there == {*FILES, "README.md", RECORD}
    WRECKS[damage](tmp_path / "next_slot" / name)
    with pytest.raises(UserError, match="damaged|no saved model") as caught:
        best.read_back(grid, tmp_path)
    message = str(caught.value)
    assert name in message and "without MODEL=last" in message
    assert message.isprintable() and len(message.replace(str(tmp_path), "")) <= 200


@pytest.mark.parametrize("damage", WRECKS)
def test_a_record_with_damage_makes_the_place_free_or_taken(
    grid, made, folder, tmp_path, damage
):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    WRECKS[damage](tmp_path / "next_slot" / RECORD)
    best.read_back(grid, tmp_path)
    try:
        best.train(grid.until(37), tmp_path, SMALL, [0])
    except UserError as error:
        assert "taken" in str(error) and str(error).isprintable()


def test_a_damaged_model_is_made_anew_and_what_lies_beside_it_is_not_read(
    grid, made, folder
):
    place = folder / "next_slot"
    (place / "numbers.npz").write_bytes(b"")
    again = best.train(grid.until(37), folder, SMALL, [0])
    np.testing.assert_array_equal(again.best, made.best)
    (place / "stray-0.keras").write_bytes(b"no network")
    read = best.read_back(grid.until(37), folder)
    np.testing.assert_allclose(read.best[-1], made.best[-1], rtol=1e-3)


def test_a_slot_that_the_log_does_not_fill_is_left_out(tmp_path, place):
    days = [0, 1, 6, 8, 13.9, 15, 20.9, 22, 24]  # the fourth week has four days
    lines = [
        f"{i % 3 + 1},{10 * (i + 1)},4,{MONDAY + int(d * 86400)}"
        for i, d in enumerate(days)
    ]
    text = "userId,movieId,rating,timestamp"
    (tmp_path / "log.csv").write_text("\n".join([text, *lines]) + "\n")
    preprocess(str(tmp_path / "log.csv"), "week")
    folder = place / "data" / "processed" / "log.csv-week"
    found = load_grid(folder)
    assert found.counts.sum(axis=1).tolist() == [3, 2, 2]
    assert found.movies[MOVIE].tolist() == [10, 20, 30, 40, 50, 60, 70]
    assert found.counts.shape == found.returning.shape and len(found.users) == 3
    assert (
        "ends on 1998-01-29 00:00, when 43% of it were over" in found.meta["left_out"]
    )
