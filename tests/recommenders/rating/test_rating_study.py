"""Measuring rating models, stored forecasts, the comparison and the form."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lib.figures import ratings as charts
from lib.recommenders import comparison as compare
from lib.recommenders.app import form
from lib.recommenders.app.saved_models import Trained
from lib.recommenders.rating import evaluate as study
from lib.recommenders.rating import tables
from lib.recommenders.rating.bias import BiasModel
from lib.schema import MOVIE, RATING, USER
from tests.recommenders.small import small_data


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    data = small_data(folder)
    data.ratings.to_csv(folder / "u.data", sep="\t", header=False, index=False)
    fold = np.arange(len(data.ratings)) % 5
    for k in range(5):
        for name, part in (("base", fold != k), ("test", fold == k)):
            path = folder / f"u{k + 1}.{name}"
            data.ratings[part].to_csv(path, sep="\t", header=False, index=False)
    return data


@pytest.fixture(scope="module")
def measured(data):
    return study.measure(BiasModel, data, study.sound_splits(data, folds=5))


def forecast(errors, users=None):
    count = len(errors)
    users = np.arange(count) if users is None else users
    columns = {USER: users, MOVIE: np.arange(count), RATING: 3.0}
    table = pd.DataFrame(columns).assign(predicted=3.0 + np.asarray(errors, float))
    return table.assign(fold=0)


def test_every_protocol_is_measured_on_its_own_rows(data, measured):
    sizes = {name: len(rows) for name, rows in measured.forecasts.items()}
    rows = len(data.ratings)
    assert sizes["train_rows"] + sizes["random_80_20"] == sizes["all_rows"] == rows
    assert sizes["five_fold"] == rows
    pd.testing.assert_frame_equal(
        measured.forecasts["u1"],
        measured.forecasts["five_fold"].query("fold == 1").reset_index(drop=True),
    )
    assert measured.metrics("train_rows")["rmse"] < measured.metrics("u1")["rmse"]


def test_each_fold_is_forecast_by_a_model_that_did_not_see_it(data):
    seen = []

    class Spy(BiasModel):
        def _fit(self, ratings):
            seen.append(set(zip(ratings[USER], ratings[MOVIE], strict=True)))
            super()._fit(ratings)

    measured = study.measure(Spy, data, study.sound_splits(data, folds=2))
    assert len(seen) == 3  # the random fifth, u1 and one more fold
    for rows, protocol, fold in ((0, "random_80_20", 0), (1, "u1", 1)):
        held = measured.forecasts[protocol].query(f"fold == {fold}")
        pairs = set(zip(held[USER], held[MOVIE], strict=True))
        assert pairs and not pairs & seen[rows]


class Shifted(BiasModel):
    """Predicts the biases plus as many stars as its seed says."""

    defaults = {**BiasModel.defaults, "seed": 0}

    def predict(self, pairs):
        return super().predict(pairs) + self.settings["seed"]


def test_seeds_are_measured_averaged_and_recorded_one_by_one(data, tmp_path):
    splits = study.sound_splits(data, folds=2)
    found = study.measure(Shifted, data, splits, seeds=[0, 2])
    alone = [
        study.measure(partial(Shifted, seed=seed), data, splits) for seed in (0, 2)
    ]
    for protocol in ("u1", "random_80_20", "five_fold"):
        first, second = (one.metrics(protocol)["rmse"] for one in alone)
        expected = (first + second) / 2 if protocol == "u1" else first
        assert found.metrics(protocol)["rmse"] == pytest.approx(expected)
    both = study.averaged(found.forecasts["u1"])
    single = [one.forecasts["u1"]["predicted"] for one in alone]
    np.testing.assert_allclose(both["predicted"], sum(single) / 2)
    ends = study.with_interval(found.forecasts["u1"])
    assert ends["rmse_low"] < alone[0].metrics("u1")["rmse"]
    assert ends["rmse_high"] > alone[1].metrics("u1")["rmse"]
    gap = study.difference(found.forecasts["u1"], alone[0].forecasts["u1"])
    assert gap["low"] == pytest.approx(0)
    assert 0 < gap["difference"] < gap["high"]

    rows = []
    nb = SimpleNamespace(number="04", processed=tmp_path)
    nb.record = lambda *row, seed, **_: rows.append((row[1], seed, row[2]["rmse"]))
    study.record(nb, found)
    of_u1 = {seed: rmse for protocol, seed, rmse in rows if protocol == "u1"}
    assert list(of_u1) == ["mean", 0, 2]
    assert of_u1[2] == pytest.approx(alone[1].metrics("u1")["rmse"])
    assert [seed for protocol, seed, _ in rows if protocol == "five_fold"] == [0]


def test_metrics_of_folds_are_means_of_the_folds():
    table = pd.concat([forecast([1, -1]), forecast([3.0, 3.0, 3.0]).assign(fold=1)])
    metrics = study.forecast_metrics(table)
    assert metrics["rmse"] == pytest.approx((1 + 3) / 2)
    assert metrics["mse"] == pytest.approx((1 + 9) / 2)


def test_taking_users_keeps_whole_users(data):
    some = study.take_users(data, 10)
    assert some.ratings[USER].nunique() == 10 == len(some.users)
    counts = data.ratings[USER].value_counts()
    found = some.ratings[USER].value_counts()
    assert (found == counts[found.index]).all()
    assert study.take_users(data, 0) is data
    split = study.sound_splits(some)["u1"][0]
    assert set(split[0][USER]) | set(split[1][USER]) == set(some.users[USER])


def test_a_model_that_does_not_fit_is_named_and_left_out(data, tmp_path):
    class Huge(BiasModel):
        def _memory(self):
            return 1e18

    said = []
    nb = SimpleNamespace(
        say=said.append, number="04", processed=tmp_path, record=lambda *_, **__: None
    )
    splits = study.sound_splits(data)
    found = study.measure_all(nb, {"huge": Huge, "bias": BiasModel}, data, splits)
    assert list(found) == ["bias"]
    assert len(said) == 1 and "does not fit: needs 1,000,000,000 GB" in said[0]


def test_settings_are_tried_on_training_rows_alone(data):
    train, _ = study.sound_splits(data)["random_80_20"][0]
    grid = [{"damping": 500}, {"damping": 5}]
    table = study.try_settings(BiasModel, grid, train, data)
    assert table["damping"].tolist() == [5, 500]
    assert table["rmse"].is_monotonic_increasing


def test_a_difference_needs_the_same_rows():
    first, second = forecast([0.1] * 30), forecast([0.5] * 30)
    gap = study.difference(first, second)
    assert gap["difference"] == pytest.approx(-0.4)
    assert gap["high"] < 0
    table = tables.gap_table({"a": first, "b": second}, "a")
    assert table["knows"].tolist() == ["–"]
    assert table.loc["b", "verdict"] == "better"
    assert tables.gap_table({"a": first, "b": second}, "b").loc["a", "verdict"] == (
        "worse"
    )
    with pytest.raises(ValueError, match="different rows"):
        study.difference(first, second.iloc[::-1].reset_index(drop=True))


def test_forecasts_come_back_and_strangers_are_left_out(tmp_path):
    for name, table in {
        "a": forecast([1, 2, 3]),
        "b": forecast([0, 1, 2]),
        "old": forecast([0, 1]),
    }.items():
        study.keep_forecast(tmp_path, f"04_{name}", "u1", table)
    found = compare.stored_forecasts(tmp_path)
    assert list(found) == ["u1"]
    assert list(found["u1"]) == ["a", "b"]
    pd.testing.assert_frame_equal(found["u1"]["a"], forecast([1, 2, 3]))


def test_steps_gain_what_the_error_loses():
    steps = {"ids": forecast([0.9] * 40), "+ more": forecast([0.7] * 40)}
    table = tables.step_table(steps, {"ids": 1.0, "+ more": 2.0})
    assert np.isnan(table.loc["ids", "gain"])
    assert table.loc["+ more", "gain"] == pytest.approx(0.2)


def test_charts_show_every_model(measured):
    table = tables.score_table({"bias": measured}, "u1")
    shown = tables.readable(table)
    assert shown.loc["Biases", "knows"] == "ratings"
    assert " to " in shown.loc["Biases", "95 % interval"]
    fig = charts.error_dots(table, "title")
    assert [text.get_text() for text in fig.axes[0].get_yticklabels()] == ["Biases"]
    fig = charts.by_true_rating({"bias": measured.forecasts["u1"]})
    assert fig.axes[0].get_xlabel() == "true rating (stars)"
    assert len(charts.time_chart(table, pd.DataFrame()).axes) == 1


def test_the_form_lists_movies_and_explains_a_wrong_id(data, measured, capsys):
    train, test = study.sound_splits(data)["random_80_20"][0]
    pages = form.pages(Trained(data, measured.model, train, test))
    page = pages["Existing user"]
    assert [field.description for field in page.children[:-2]] == [
        *("User id", "Include movies already seen", "n"),
    ]
    user = page.children[0].value
    assert len(page.f(user=user, include=False, n=3)) == 3
    assert "ratings, mean" in capsys.readouterr().out
    assert "10000" in page.f(user=10_000, include=False, n=3).data
    assert "RMSE on test rows" in pages["RMSE"].f().data


def test_no_form_where_nobody_watches(data, measured, monkeypatch):
    shown = []
    monkeypatch.setattr(form, "display", shown.append)
    monkeypatch.setenv(form.BATCH, "somewhere")
    form.show_form(Trained(data, measured.model, data.ratings, data.ratings))
    assert "JupyterLab" in shown[0].data
