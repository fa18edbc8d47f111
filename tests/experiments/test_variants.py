"""Variants: what is changed, what is trained, what is recorded."""

import pytest

from lib.errors import UserError
from lib.experiments.task import train_seeds
from lib.experiments.variants import (
    SWEEPS,
    compare_networks,
    compare_variants,
    one_at_a_time,
)
from lib.figures.forecasts import sweep_chart
from lib.forecast.trainer import Settings

SETTINGS = Settings(units=4, epochs=1)


def test_one_thing_is_changed_at_a_time(small_task):
    chosen = one_at_a_time(small_task, SETTINGS, "small")
    assert next(iter(chosen)) == "sweep default"
    assert len(chosen) == 1 + sum(map(len, SWEEPS["small"].values()))
    assert all(data is small_task.features for data, _ in chosen.values())
    assert chosen["loss=rmse"][1] == Settings(units=4, epochs=1, loss="rmse")
    assert one_at_a_time(small_task, SETTINGS, "none") == {}
    assert "units=4" not in one_at_a_time(small_task, SETTINGS, "large")


def test_an_unknown_size_is_refused_in_one_line(small_task):
    with pytest.raises(UserError, match="'huge'; expected one of none, small, large"):
        one_at_a_time(small_task, SETTINGS, "huge")


def test_variants_are_judged_on_validation_slots_and_networks_on_test(
    small_task, recorder
):
    sweep = one_at_a_time(small_task, SETTINGS, "small")
    two = {name: sweep[name] for name in ("sweep default", "units=16")}
    table = compare_variants(recorder, small_task, two)
    assert table.index.tolist() == ["sweep default", "units=16"]
    assert [row[1:3] for row in recorder.rows] == [
        ("validation", {"cross_entropy": value}) for value in table["cross_entropy"]
    ]
    low, value, high = table.loc["units=16", ["low", "difference", "high"]]
    assert low <= value <= high
    default, other = table["cross_entropy"]
    assert value == pytest.approx(default - other)
    assert len(sweep_chart(table, "title").axes[0].get_yticklabels()) == 1
    recorder.rows.clear()
    recorder.number = "03"
    known = {"lstm": train_seeds(small_task, SETTINGS, [0])[0]}
    others = {"gru": Settings(units=4, epochs=1, cell="gru")}
    table = compare_networks(recorder, small_task, known, others, seed=0)
    assert table.index.tolist() == ["lstm", "gru"] and (table["weights"] > 0).all()
    assert {model for model, *_ in recorder.rows} == {"gru"}
