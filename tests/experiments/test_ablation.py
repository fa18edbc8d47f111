"""The ablation: each part can be left out, and nothing else changes with it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lib.experiments.ablation import (
    FEATURE_GROUPS,
    LOSS,
    START,
    reading,
    run_ablation,
    variants,
)
from lib.figures import forecasts as charts
from lib.forecast.trainer import Settings

SETTINGS = Settings(units=4)


def test_every_feature_belongs_to_one_part(small_task):
    named = [name for names in FEATURE_GROUPS.values() for name in names]
    assert sorted(named) == sorted(small_task.features.names)


def test_the_start_and_the_loss_are_parts_too(small_task):
    changed = variants(small_task.features, SETTINGS)
    assert np.ptp(changed[START][0].log_ewma) == 0
    assert np.exp(changed[START][0].log_ewma).sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert changed[LOSS][1].loss == "mse"
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
    table = run_ablation(recorder, planted, SETTINGS, epochs=10)
    assert set(table.index) == {START, LOSS, *FEATURE_GROUPS}
    assert table.index[0] == "mean rating"
    assert table.loc["mean rating", "verdict"] == "better"
    assert (table["low"] <= table["difference"]).all()
    assert (table["difference"] <= table["high"]).all()
    assert {split for _, split, *_ in recorder.rows} == {"validation"}
    fig = charts.ablation_chart(table, "title")
    assert fig.axes[0].get_yticklabels()[-1].get_text() == "mean rating"


def test_the_reading_names_what_is_missed_and_nothing_else():
    rows = {
        "genres": {"difference": -0.02, "verdict": "better"},
        "ratings": {"difference": -0.0001, "verdict": "even"},
        "audience": {"difference": 0.01, "verdict": "worse"},
    }
    text = reading(pd.DataFrame.from_dict(rows, orient="index"))
    assert "genres (0.0200)" in text and "ratings" not in text
    assert "left out on these slots: audience" in text
    rows = {"genres": {"difference": -0.02, "verdict": "even"}}
    text = reading(pd.DataFrame.from_dict(rows, orient="index"))
    assert text.startswith("No part is missed")
