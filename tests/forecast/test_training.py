"""Training: resume after a stop, and no look at the future."""

import gc
import os
import weakref
from dataclasses import replace

import keras
import numpy as np
import pytest

from lib.evaluation.splits import time_split
from lib.forecast import callbacks, trainer
from lib.forecast.batches import SampledSlots, SlotBatches
from lib.forecast.features import build_features
from lib.forecast.losses import LOSSES, categorical_crossentropy
from lib.forecast.networks import build_model
from lib.forecast.trainer import Settings, fit, run
from lib.progress import announce


def small_training(tmp_path, epochs, validation=True):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 3, 6, 2)).astype("float32")
    context = rng.normal(size=(20, 6, 3)).astype("float32")
    ewma = np.full((20, 6), -np.log(6), "float32")
    counts = rng.poisson(np.exp(1 + context[..., 0])).astype("float32")
    model = build_model("gru", n_movies=6, n_series=2, n_context=3, dropout=0.2)
    views = (x, context, ewma)
    watched = SlotBatches(views, counts, range(15, 20)) if validation else None
    _, history, _ = fit(
        model,
        SlotBatches(views, counts, range(15), 2, seed=0),
        watched,
        epochs=epochs,
        state=tmp_path / "state.npz",
        name="test",
    )
    return model, history


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize(
    ("where", "time"), [("lib.forecast.callbacks.announce", 3), ("os.replace", 3)]
)
def test_a_stopped_training_ends_with_the_same_numbers(
    tmp_path, monkeypatch, where, time
):
    """Stopped after an epoch was kept, or while its file is being written."""
    straight, history = small_training(tmp_path / "a", epochs=6)
    times = []

    def stop(*_):
        times.append(1)
        if len(times) == time:
            raise Killed
        return real(*_)

    real = os.replace if where == "os.replace" else callbacks.announce
    with monkeypatch.context() as patch:
        patch.setattr(where, stop)
        with pytest.raises(Killed):
            small_training(tmp_path / "b", epochs=6)
    resumed, again = small_training(tmp_path / "b", epochs=6)
    np.testing.assert_allclose(again.to_numpy(), history.to_numpy(), rtol=1e-6)
    for a, b in zip(straight.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("at_once", [1, 4, 32])
def test_the_step_size_falls_along_a_cosine_to_nothing(at_once):
    model, views, counts = joint()
    if keras.backend.backend() != "torch":
        model.steps_per_execution = at_once
    rates = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            rates.append(float(self.model.optimizer.learning_rate))

    batches = SlotBatches(views, counts, range(10))
    decay = callbacks.CosineDecay(0.02, epochs=2, steps=10)
    model.fit(batches, epochs=2, callbacks=[decay, Watch()], verbose=0, shuffle=False)
    middles = {1: np.arange(20) + 0.5, 4: [2, 6, 9, 12, 16, 19], 32: [5, 15]}
    done = np.array(middles[model.steps_per_execution]) / 20
    assert rates == pytest.approx(0.01 * (1 + np.cos(np.pi * done)), rel=1e-5)


def test_a_training_needs_no_validation(tmp_path):
    model, history = small_training(tmp_path, epochs=3, validation=False)
    assert len(history) == 3
    assert "val_loss" not in history


def test_every_epoch_sees_every_slot_once_in_a_new_order():
    values = np.arange(10, dtype="float32")[:, None]
    batches = SlotBatches((values,), values, range(10), 3, seed=1)
    orders = []
    for epoch in (1, 2):
        batches.start_epoch(epoch)
        seen = np.concatenate([batches[i][1].ravel() for i in range(len(batches))])
        assert sorted(seen) == list(range(10))
        orders.append(seen.tolist())
    assert orders[0] != orders[1]


def joint():
    """A network of type 4, windows and EWMA of ten slots and their counts."""
    model = build_model("gru", n_movies=6, n_series=1, n_context=1, prediction_type=4)
    counts = np.random.default_rng(0).poisson(2, (10, 6)).astype("float32")
    windows = np.random.default_rng(1).normal(size=(10, 3, 6)).astype("float32")
    return model, (windows, np.zeros_like(counts)), counts


class Noted(SlotBatches):
    """Notes which rows were read in which epoch."""

    def __init__(self, *arguments, **options):
        self.noted = {}
        super().__init__(*arguments, **options)

    def __getitem__(self, index):
        self.noted.setdefault(self.epoch, {})[int(index)] = self.order[index]
        return super().__getitem__(index)


def test_a_training_reads_every_slot_in_each_epochs_own_order(tmp_path):
    model, views, counts = joint()
    batches = Noted(views, counts, range(10), seed=0)
    options = {"epochs": 3, "state": tmp_path / "s.npz"}
    fit(model, batches, None, name="test", **options)
    assert sorted(batches.noted) == [1, 2, 3]
    for epoch, rows in batches.noted.items():
        expected = np.random.default_rng([0, epoch]).permutation(10)
        assert [rows[index] for index in range(10)] == expected.tolist()


def test_a_training_that_has_ended_keeps_no_arrays(tmp_path):
    model, views, counts = joint()
    batches = [SlotBatches(views, counts, rows) for rows in (range(8), range(8, 10))]
    options = {"epochs": 2, "state": tmp_path / "s.npz"}
    fit(model, *batches, name="test", **options)
    kept = [weakref.ref(one) for one in batches]
    del batches
    gc.collect()
    assert [one() for one in kept] == [None, None]


def loss_of(counts, log_shares) -> float:
    loss = categorical_crossentropy(counts, log_shares.astype("float32"))
    return float(keras.ops.mean(loss))


def test_drawn_movies_estimate_the_loss_of_all(small_grid):
    rng = np.random.default_rng(0)
    slots, movies = 4, 400
    logits = rng.normal(size=(slots, movies)).astype("float32")
    counts = rng.poisson(0.1, (slots, movies)).astype("float32")
    window = np.zeros((slots, 3, movies, 1), "float32")
    context = np.arange(slots * movies).reshape(slots, movies, 1)
    views = (window, context, logits)
    batches = SampledSlots(views, counts, range(slots), slots, seed=0, movies=120)
    losses = []
    for epoch in range(60):
        batches.start_epoch(epoch)
        (x, chosen, drawn), target = batches[0]
        assert x.shape == (slots, 3, 120, 1) and chosen.shape == (slots, 120, 1)
        assert all(len(np.unique(one)) == 120 for one in chosen[..., 0])
        slot = chosen[:, :1, 0].astype(int) // movies
        assert (slot.ravel() == batches.order).all()
        shares = drawn - np.log(np.exp(drawn).sum(1, keepdims=True))
        losses.append(loss_of(target, shares))
    whole = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    truth = loss_of(counts, whole)
    assert np.mean(losses) == pytest.approx(truth, abs=0.03)


def test_movies_drawn_evenly_estimate_a_mean_over_movies():
    rng = np.random.default_rng(0)
    slots, movies = 4, 400
    logits = rng.normal(size=(slots, movies)).astype("float32")
    counts = rng.poisson(3, (slots, movies)).astype("float32")
    views = (np.zeros((slots, 3, movies, 1)), np.zeros((slots, movies, 1)), logits)

    def error(target, drawn):
        shares = drawn - np.log(np.exp(drawn).sum(axis=1, keepdims=True))
        return float(keras.ops.mean(LOSSES["mse"](target, shares.astype("float32"))))

    batches = SampledSlots(views, counts, range(4), 4, seed=0, movies=200, evenly=True)
    losses = []
    for epoch in range(60):
        batches.start_epoch(epoch)
        (_, _, drawn), target = batches[0]
        losses.append(error(target, drawn))
    assert np.mean(losses) == pytest.approx(error(counts, logits), rel=0.03)


@pytest.mark.parametrize("change", [{"prediction_type": 1}, {"loss": "rmse"}])
def test_large_catalogues_are_drawn_for_every_type_and_loss(
    small_task, tmp_path, monkeypatch, change
):
    monkeypatch.setattr(trainer, "WHOLE", 10)
    monkeypatch.setattr(trainer, "EVENLY", 1)
    read = []
    monkeypatch.setattr(
        SampledSlots,
        "read",
        lambda self, *place, true=SampledSlots.read: (
            read.append(self.movies) or true(self, *place)
        ),
    )
    settings = Settings(epochs=2, movies_per_slot=8, **change)
    counts, split = small_task.grid.counts, small_task.split
    options = {"seed": 0, "folder": tmp_path, "refit": False}
    one = run(small_task.features, counts, settings, split, **options)
    judged = split.validation
    assert set(read) == {8}
    sums = one.forecast[judged.start : judged.stop].sum(axis=1)
    np.testing.assert_allclose(sums, 1, rtol=1e-5)


def test_progress_lines_go_to_the_named_file(tmp_path, monkeypatch):
    monkeypatch.setenv("POPULARITY_PROGRESS", str(tmp_path / "lines"))
    small_training(tmp_path, epochs=2)
    lines = (tmp_path / "lines").read_text().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("test · epoch 1/2 · loss ")


def test_progress_goes_to_the_console_but_not_line_by_line(monkeypatch, capsys):
    monkeypatch.delenv("POPULARITY_PROGRESS", raising=False)
    now = 100.0
    monkeypatch.setattr("lib.progress.time.monotonic", lambda: now)
    monkeypatch.setattr("lib.progress._last_told", 0.0)
    for line in ("features: 1 of 9", "features: 2 of 9", "training …", ""):
        announce(line)
    now += 11
    announce("features: 9 of 9")
    told = capsys.readouterr().err.splitlines()
    assert told == ["features: 1 of 9", "training …", "features: 9 of 9"]


@pytest.fixture(scope="module")
def trained(small_grid, tmp_path_factory):
    split = time_split(40)
    settings = Settings(epochs=2, units=4)
    folder = tmp_path_factory.mktemp("training")
    data = build_features(small_grid, split)
    return settings, split, folder, data


def test_a_forecast_does_not_know_the_future(small_grid, trained, tmp_path):
    settings, split, folder, data = trained
    cut = split.test.start
    one = run(data, small_grid.counts, settings, split, seed=0, folder=folder)
    changed = small_grid.counts.copy()
    changed[cut:] = np.random.default_rng(1).poisson(9, changed[cut:].shape)
    other_grid = replace(small_grid, counts=changed)
    other_data = build_features(other_grid, split)
    other = run(other_data, changed, settings, split, seed=0, folder=tmp_path)
    np.testing.assert_allclose(
        one.forecast[: cut + 1], other.forecast[: cut + 1], rtol=1e-5
    )
    assert np.abs(one.forecast[cut + 1 :] - other.forecast[cut + 1 :]).max() > 1e-4


def test_a_training_is_deterministic_and_kept(small_grid, trained, tmp_path):
    settings, split, folder, data = trained
    first = run(data, small_grid.counts, settings, split, seed=0, folder=folder)
    kept = run(data, small_grid.counts, settings, split, seed=0, folder=folder)
    assert kept.path == first.path
    anew = run(data, small_grid.counts, settings, split, seed=0, folder=tmp_path)
    np.testing.assert_array_equal(anew.forecast, first.forecast)
    other = run(data, small_grid.counts, settings, split, seed=1, folder=folder)
    assert other.path != first.path
    assert (other.forecast != first.forecast).any()


def test_forecasts_are_shares(small_grid, trained):
    settings, split, folder, data = trained
    one = run(data, small_grid.counts, settings, split, seed=0, folder=folder)
    assert one.forecast.shape == small_grid.counts.shape
    np.testing.assert_allclose(one.forecast.sum(axis=1), 1, rtol=1e-5)
    assert list(one.history.index) == [1, 2]
    assert {"loss", "val_loss", "share_mse", "accuracy"} <= set(one.history)


@pytest.mark.parametrize("kind", [1, 2, 4])
def test_every_prediction_type_trains(small_grid, trained, kind):
    settings, split, folder, data = trained
    settings = replace(settings, prediction_type=kind, epochs=1)
    one = run(data, small_grid.counts, settings, split, seed=0, folder=folder)
    np.testing.assert_allclose(one.forecast.sum(axis=1), 1, rtol=1e-5)
    rows = list(split.test)
    assert np.abs(one.forecast[rows] - np.exp(data.log_ewma[rows])).max() > 0


def test_an_epoch_draws_its_slots():
    values = np.arange(12.0).reshape(12, 1)
    batches = SlotBatches((values,), values, range(12), seed=0, slots_per_epoch=5)
    epochs = []
    for epoch in (1, 2, 1):
        batches.start_epoch(epoch)
        assert len(batches) == 5
        epochs.append([batches[i][1].item() for i in range(5)])
    assert len({*epochs[0]}) == 5
    assert epochs[0] == epochs[2] != epochs[1]
    whole = SlotBatches((values,), values, range(12), seed=0)
    assert {whole[i][1].item() for i in range(len(whole))} == {*range(12)}


def test_large_catalogues_draw_slots(small_task, monkeypatch):
    """`Settings.slots_per_epoch` holds where there are more than WHOLE movies."""
    counts, split = small_task.grid.counts, small_task.split
    made = small_task.features, counts, Settings(slots_per_epoch=2), split, 0, ""
    one = trainer._Training(None, *made)
    assert [len(one.batches(range(6), watched=w)) for w in (False, True)] == [6, 6]
    monkeypatch.setattr(trainer, "WHOLE", counts.shape[1] - 1)
    assert [len(one.batches(range(6), watched=w)) for w in (False, True)] == [2, 2]
