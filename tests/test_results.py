"""Tidy results and figures: what lands where."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from lib import paths
from lib.figures.style import (
    FORECASTERS,
    RECOMMENDERS,
    color,
    save_figure,
    use_style,
)
from lib.files import write_sealed
from lib.results import (
    Results,
    read_results,
    read_settings,
    results_path,
    setting_text,
)
from lib.schema import RESULT_COLUMNS


@pytest.fixture(autouse=True)
def output(tmp_path, monkeypatch):
    for name in ("REPORT", "FIGURES", "PROCESSED"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    return tmp_path


def test_rows_are_tidy_and_a_rerun_replaces_its_own():
    for value in (1.0, 2.0):
        for notebook in ("03_lstm", "04_gru"):
            results = Results("run", notebook)
            scores = {"rmse": value, "mae": np.nan}
            results.add("lstm", "test", scores, prediction_type=3, seed="mean")
            results.save()
    table = pd.read_csv(results_path("run"))
    assert list(table.columns) == RESULT_COLUMNS
    assert table["notebook"].tolist() == ["03_lstm"] * 2 + ["04_gru"] * 2
    assert table.query("metric == 'rmse'")["value"].tolist() == [2.0, 2.0]
    assert table["value"].isna().sum() == 2
    assert set(read_results("run")["seed"]) == {"mean"}


def test_numbers_keep_their_precision():
    results = Results("run", "06")
    results.add("ewma", "test", {"rmse": 0.1 + 0.2})
    results.save()
    assert read_results("run")["value"][0] == 0.1 + 0.2


def test_a_setting_and_a_protocol_have_columns_of_their_own():
    results = Results("run", "03")
    results.add("lstm", "test", {"rmse": 1.0}, setting="loss=rmse", protocol="rolling")
    results.add("lstm", "test", {"rmse": 2.0})
    results.save()
    table = read_results("run").set_index("setting")
    assert table.loc["loss=rmse", ["model", "protocol"]].tolist() == ["lstm", "rolling"]
    assert table.query("protocol == ''")["value"].tolist() == [2.0]


def test_settings_are_read_back_as_they_were_written():
    chosen = {"t_slot": 3, "learning_rate": 1e-05, "loss": "rmse"}
    table = read_settings(pd.Series([setting_text(chosen)], index=[7]))
    assert table.loc[7].to_dict() == chosen
    assert table["t_slot"].dtype.kind == "i" and table["learning_rate"].dtype == float


def test_a_run_without_results_is_empty():
    assert read_results("none").empty


def test_a_figure_is_saved_twice_and_the_same_each_time(output):
    use_style()

    def draw():
        fig, axes = plt.subplots()
        axes.plot([1, 2], [3, 4])
        return save_figure(fig, "03_lstm_loss", "Loss.", "run")

    png = draw()
    svg = png.with_suffix(".svg")
    first = png.read_bytes(), svg.read_bytes()
    assert png.parent == output / "figures" / "run"
    draw()
    same = (png.read_bytes(), svg.read_bytes()) == first
    assert same


def test_a_synthetic_run_says_so(output, capsys, monkeypatch):
    shown = []
    monkeypatch.setattr("lib.figures.style.display", lambda *_, **kw: shown.append(kw))
    folder = output / "processed" / "run"
    folder.mkdir(parents=True)
    write_sealed(folder / "meta.json", {"synthetic": True})
    fig, _ = plt.subplots()
    svg = save_figure(fig, "01_x", "A caption.", "run").with_suffix(".svg")
    assert shown[0]["metadata"]["caption"] == "A caption. Synthetic data."
    assert "synthetic data" in svg.read_text()


def test_each_network_has_a_colour_of_its_own():
    models = FORECASTERS.keys() - {"train", "validation", "test"}
    for series in (models, RECOMMENDERS):
        colours = [color(model) for model in series]
        assert len(set(colours)) == len(colours) > 10
