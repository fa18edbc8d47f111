"""What a run keeps, damaged in every way: noticed, told in a line, and made again."""

import itertools
import shutil
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from lib import paths
from lib.data.arrays import made_once
from lib.data.grid import TABLES, load_grid
from lib.data.preprocessing import FILES, META, preprocess, read_meta
from lib.errors import UserError
from lib.evaluation.splits import time_split
from lib.experiments.task import load_forecasts, save_forecast
from lib.figures.requests import requests_of
from lib.files import read_network, read_sealed, write_sealed
from lib.forecast.features import build_features
from lib.forecast.trainer import Settings, run
from lib.recommenders.rating.evaluate import keep_forecast, read_forecasts
from lib.report.front import forecast_table
from lib.results import read_results


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


DAMAGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "empty": lambda path: path.write_bytes(b""),
    "flipped": flip,
    "another type": lambda path: path.write_bytes(b"[1, 2]"),
    "gone": lambda path: path.unlink(),
}
every_damage = pytest.mark.parametrize("damage", DAMAGES)


def one_line(caught) -> str:
    message = str(caught.value)
    assert message.isprintable() and len(message) <= 300
    return message


@pytest.mark.parametrize("name", ["counts.npy", "facts.json"])
@every_damage
def test_arrays(damage, name, tmp_path, capsys):
    made = []

    def make(new):
        made.append(new({"counts": ((20, 30), np.float32)})["counts"])
        made[-1][:] = 7
        return {"alpha": 0.5}

    made_once(tmp_path, "grid", "0123456789abcdef", make)
    DAMAGES[damage](tmp_path / "grid-0123456789ab" / name)
    for _ in range(2):
        facts, arrays = made_once(tmp_path, "grid", "0123456789abcdef", make)
        assert facts == {"alpha": 0.5} and (arrays["counts"] == 7).all()
    assert len(made) == 2
    told = capsys.readouterr().out
    if (name, damage) == ("facts.json", "gone"):  # as if it had never been complete
        assert told == ""
    else:
        assert told.count("\n") == 1 and f"{name}: damaged, it is made again" in told
    assert [path.name for path in tmp_path.glob("grid-*")] == ["grid-0123456789ab"]


@pytest.fixture(scope="module")
def training(small_grid, tmp_path_factory):
    """What trains a network of one epoch in a folder, and that folder when done."""
    split = time_split(len(small_grid.slots))
    data = build_features(small_grid, split)

    def train(folder: Path):
        settings = Settings(cell="gru", epochs=1)
        given = (data, small_grid.counts, settings, split)
        return run(*given, seed=0, folder=folder, refit=False)

    folder = tmp_path_factory.mktemp("training")
    train(folder)
    return train, folder


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *(("forecast.npy", damage) for damage in DAMAGES),
        ("network.keras", "flipped"),
        ("network.keras", "gone"),
        ("history.csv", "empty"),
        ("facts.json", "another type"),
        ("facts.json", "gone"),
    ],
)
def test_a_training(name, damage, training, tmp_path, capsys):
    train, whole = training
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    (place,) = tmp_path.iterdir()
    DAMAGES[damage](place / name)
    again, before = train(tmp_path), train(whole)
    np.testing.assert_array_equal(again.forecast, before.forecast)
    np.testing.assert_array_equal(again.history, before.history)
    told = capsys.readouterr().out
    assert ("damaged, it is made again" in told) == (
        (name, damage) != ("facts.json", "gone")
    )
    assert {path.name for path in place.iterdir()} == {
        *("facts.json", "forecast.npy", "history.csv", "network.keras")
    }


@every_damage
def test_a_training_that_was_stopped(damage, training, tmp_path):
    train, whole = training
    (place,) = whole.iterdir()
    state = tmp_path / place.name / "first.npz"
    state.parent.mkdir()
    np.savez(state, history="[]", v0=np.zeros(3))  # of another network
    DAMAGES[damage](state)
    again = train(tmp_path)
    np.testing.assert_array_equal(again.forecast, train(whole).forecast)


@pytest.fixture
def log(tmp_path, place):
    rng = np.random.default_rng(0)
    times = 978300000 + rng.integers(0, 90 * 86400, 400)
    rows = zip(rng.integers(1, 9, 400), rng.integers(1, 20, 400), times, strict=True)
    lines = [f"{user},{movie},4,{time}" for user, movie, time in rows]
    head = "userId,movieId,rating,timestamp"
    (tmp_path / "log.csv").write_text("\n".join([head, *lines, ""]))
    preprocess(str(tmp_path / "log.csv"), "week")
    return tmp_path / "log.csv"


@pytest.mark.parametrize("name", [*FILES, META])
@every_damage
def test_tables(damage, name, log):
    folder = paths.PROCESSED / "log.csv-week"
    before = load_grid(folder).counts.copy()
    DAMAGES[damage](folder / name)
    with pytest.raises(UserError) as caught:
        read_meta(folder)
    assert name in one_line(caught) and "make data" in one_line(caught)
    readers = [load_grid] if name in (*TABLES, META) else []
    readers += [requests_of] if name in ("users.parquet", "hours.parquet", META) else []
    for read in readers:
        with pytest.raises(UserError) as caught:
            read(folder)
        one_line(caught)
    assert isinstance(paths.recorded("log.csv-week"), dict)  # of a report: made again
    preprocess(str(log), "week")
    assert read_meta(folder)["rows"] == 400
    np.testing.assert_array_equal(load_grid(folder).counts, before)


@pytest.mark.parametrize("kind", ["cut", "empty", "another type"])
def test_results_and_the_forecast_of_a_report(kind, place):
    results, forecast = (
        paths.REPORT / "run" / f"{name}.csv" for name in ("results", "forecast")
    )
    results.parent.mkdir(parents=True)
    for path, read in {
        results: lambda: read_results("run"),
        forecast: lambda: forecast_table(forecast, {}),
    }.items():
        path.write_text('notebook,model,value\n01,lstm,0.5\n01,"x')
        DAMAGES[kind](path)
        with pytest.raises(UserError, match="damaged") as caught:
            read()
        assert path.name in one_line(caught)


@pytest.mark.parametrize("kind", ["cut", "empty", "another type", "gone", "code"])
def test_a_network_with_damage_or_code(kind, tmp_path):
    path, proof = tmp_path / "network.keras", tmp_path / "executed"
    layers = [keras.Input((2,)), keras.layers.Dense(1)]
    if kind == "code":
        code = f"lambda x: (open({str(proof)!r}, 'w').close(), x)[1]"
        layers.append(keras.layers.Lambda(eval(code)))  # noqa: S307
    keras.Sequential(layers).save(path)
    proof.unlink(missing_ok=True)  # built in this process, which may run it
    DAMAGES.get(kind, lambda path: None)(path)
    with pytest.raises(UserError) as caught:
        read_network(path)
    assert path.name in one_line(caught)
    assert not proof.exists()


def test_no_byte_of_a_sealed_record_changes_unnoticed(tmp_path):
    path, content = tmp_path / "meta.json", {"name": "é", "n": [1, None], "x": 0.1}
    write_sealed(path, content)
    assert read_sealed(path) == content
    whole = path.read_bytes()
    for place, bit in itertools.product(range(len(whole)), range(8)):
        changed = bytearray(whole)
        changed[place] ^= 1 << bit
        path.write_bytes(changed)
        try:
            assert read_sealed(path) == content  # space may have become a line's end
        except ValueError:
            pass


def test_a_seal_says_what_it_was_given(training):
    _, whole = training
    (place,) = whole.iterdir()
    found = read_sealed(place / "facts.json")
    assert set(found["sums"]) == {"forecast.npy", "history.csv", "network.keras"}
    assert found["facts"]["parameters"] > 0


@every_damage
@pytest.mark.parametrize("name", ["03_lstm-3-mean.npy", "03_lstm-3-mean.json"])
def test_the_forecasts_that_notebooks_keep(name, damage, tmp_path):
    save_forecast(tmp_path, "03_lstm-3-mean", np.full((30, 40), 1 / 40))
    assert load_forecasts(tmp_path)["lstm", 3, "mean"].shape == (30, 40)
    DAMAGES[damage](tmp_path / "forecasts" / name)
    if (name, damage) == ("03_lstm-3-mean.npy", "gone"):
        assert load_forecasts(tmp_path) == {}
        return
    with pytest.raises(UserError, match="03 again") as caught:
        load_forecasts(tmp_path)
    assert "03_lstm-3-mean.npy: damaged" in one_line(caught)


@every_damage
def test_the_forecasts_of_ratings(damage, tmp_path):
    table = pd.DataFrame({"userId": range(90), "predicted": np.linspace(1, 5, 90)})
    keep_forecast(tmp_path, "04_svm", "u1", table)
    assert read_forecasts(tmp_path, "u1")["svm"].equals(table)
    DAMAGES[damage](tmp_path / "forecasts" / "u1" / "04_svm.parquet")
    if damage == "gone":
        assert read_forecasts(tmp_path, "u1") == {}
        return
    with pytest.raises(UserError, match="run notebook 04 again") as caught:
        read_forecasts(tmp_path, "u1")
    one_line(caught)
