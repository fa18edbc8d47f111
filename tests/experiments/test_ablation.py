"""The ablation: each part can be left out, and nothing else changes with it."""

from dataclasses import replace

import numpy as np
import pytest

from lib.experiments.ablation import FEATURE_GROUPS, LOSS, START, parts_left_out
from lib.experiments.variants import compare_variants
from lib.figures.forecasts import ablation_chart
from lib.forecast.trainer import Settings

SETTINGS = Settings(units=4, epochs=10)


def test_every_feature_belongs_to_one_part(small_task):
    named = [name for names in FEATURE_GROUPS.values() for name in names]
    assert sorted(named) == sorted(small_task.features.names)


def test_the_start_and_the_loss_are_parts_too(small_task):
    changed = parts_left_out(small_task.features, SETTINGS)
    start = changed[f"without {START}"][0].log_ewma
    assert np.ptp(start) == 0
    assert np.exp(start).sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert changed[f"without {LOSS}"][1].loss == "mse"
    assert len(changed) == 3 + len(FEATURE_GROUPS)
    assert changed[""] == (small_task.features, SETTINGS)


@pytest.fixture
def planted(small_task):
    """The task, with the perfect correction in the place of the mean rating."""
    data = small_task.features
    context = np.asarray(data.context, np.float32)
    perfect = np.log(small_task.grid.shares + 0.01) - data.log_ewma
    place = data.all_context_names.index("mean_rating")
    context[..., place] = np.roll(perfect, -1, axis=0)
    return replace(small_task, features=replace(data, context=context))


@pytest.mark.slow
def test_what_decides_is_missed_most(planted, recorder):
    names = ["", "without genres", "without mean rating"]
    parts = parts_left_out(planted.features, SETTINGS)
    table = compare_variants(recorder, planted, {name: parts[name] for name in names})
    assert table.index.tolist() == names
    assert table.loc["", ["difference", "verdict"]].tolist() == [0, "even"]
    table = table.iloc[1:].sort_values("difference")
    assert table.index[0] == "without mean rating"
    assert table.loc["without mean rating", "verdict"] == "better"
    assert (table["low"] <= table["difference"]).all()
    assert (table["difference"] <= table["high"]).all()
    assert {split for _, split, *_ in recorder.rows} == {"validation"}
    assert [more["setting"] for *_, more in recorder.rows] == names[1:]
    fig = ablation_chart(table, "title")
    assert fig.axes[0].get_yticklabels()[-1].get_text() == "without mean rating"
