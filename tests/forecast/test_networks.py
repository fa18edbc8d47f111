"""The networks: shapes, their start at the EWMA, independence, saving, errors."""

import keras
import numpy as np
import pytest

from lib.errors import UserError
from lib.forecast.device import device
from lib.forecast.networks import CELLS, OPTIMIZERS, build_model, fresh_model
from lib.forecast.sequences import JOINT, MANY_TO_MANY, PREDICTION_TYPES

M, S, C, T = 6, 2, 3, 4


def network(cell="lstm", kind=3, **settings):
    return build_model(
        cell,
        n_movies=M,
        n_series=S,
        n_context=C,
        t_slot=T,
        prediction_type=kind,
        **settings,
    )


def data(kind, batch=5, seed=0):
    rng = np.random.default_rng(seed)
    time = (T,) if kind in MANY_TO_MANY else ()
    ewma = rng.dirichlet(np.ones(M), (batch, *time))
    log_ewma = np.log(ewma).astype("float32")
    if kind in JOINT:
        return rng.normal(size=(batch, T, M)).astype("float32"), log_ewma
    window = rng.normal(size=(batch, T, M, S)).astype("float32")
    context = rng.normal(size=(batch, *time, M, C)).astype("float32")
    return window, context, log_ewma


def randomised(model, seed=0):
    """Give every weight a value, the zeros of the last layer too."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    return model


def possible(cell, kind):
    return not (cell.startswith(("bidirectional", "dense")) and kind in MANY_TO_MANY)


PAIRS = [(c, k) for c in CELLS for k in PREDICTION_TYPES if possible(c, k)]


@pytest.mark.parametrize(("cell", "kind"), PAIRS)
def test_an_untrained_network_is_the_ewma(cell, kind):
    x = data(kind)
    log_shares = network(cell, kind).predict_on_batch(list(x))
    assert log_shares.shape == x[-1].shape
    np.testing.assert_allclose(log_shares, x[-1], atol=1e-5)


@pytest.mark.parametrize("kind", PREDICTION_TYPES)
def test_shares_sum_to_one_in_every_slot(kind):
    x = data(kind)
    shares = np.exp(randomised(network(kind=kind)).predict_on_batch(list(x)))
    np.testing.assert_allclose(shares.sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_a_slot_ignores_the_other_slots_of_its_batch(cell):
    model, x = randomised(network(cell)), data(3)
    alone = model.predict_on_batch([part[:1] for part in x])
    together = model.predict_on_batch(list(x))
    np.testing.assert_allclose(together[:1], alone, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_a_movie_ignores_the_other_movies_but_for_the_sum(cell):
    model = randomised(network(cell))
    window, context, log_ewma = data(3)
    before = model.predict_on_batch([window, context, log_ewma])
    window[:, :, 0] += 3
    context[:, 0] -= 2
    after = model.predict_on_batch([window, context, log_ewma])
    assert np.abs(after[:, 0] - before[:, 0]).max() > 0.01
    # Ratios between other movies do not depend on movie 0; only the sum does.
    np.testing.assert_allclose(
        after[:, 1:] - after[:, 1:2], before[:, 1:] - before[:, 1:2], atol=1e-5
    )


@pytest.mark.parametrize("kind", MANY_TO_MANY)
@pytest.mark.parametrize("cell", [c for c in CELLS if possible(c, 1)])
def test_a_step_ignores_later_steps(cell, kind):
    model, x = randomised(network(cell, kind)), data(kind)
    before = model.predict_on_batch(list(x))
    x[0][:, -1] += 3
    after = model.predict_on_batch(list(x))
    np.testing.assert_allclose(after[:, :-1], before[:, :-1], atol=1e-5)
    assert np.abs(after[:, -1] - before[:, -1]).max() > 1e-3


def test_a_joint_network_reads_all_movies():
    model, (window, log_ewma) = randomised(network(kind=4)), data(4)
    before = model.predict_on_batch([window, log_ewma])
    window[:, :, 0] += 3
    after = model.predict_on_batch([window, log_ewma])
    assert np.abs((after - before)[:, 1:]).max() > 1e-3


@pytest.mark.parametrize("kind", [1, 3, 4])
def test_a_saved_network_comes_back(tmp_path, kind):
    model, x = randomised(network("conv1d_gru", kind, dropout=0.1)), data(kind)
    model.save(tmp_path / "n.keras")
    again = keras.models.load_model(tmp_path / "n.keras")
    np.testing.assert_allclose(
        again.predict_on_batch(list(x)), model.predict_on_batch(list(x)), atol=1e-6
    )
    assert again.loss is not None


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", [3, 4])
def test_a_graph_used_again_trains_as_a_new_one_does(kind, optimizer):
    settings = {"n_movies": M, "n_series": S, "n_context": C, "t_slot": T}
    settings |= {"prediction_type": kind, "optimizer": optimizer, "dropout": 0.3}
    x, counts = list(data(kind)), np.arange(5.0 * M, dtype="float32").reshape(5, M) % 7

    def trained(build, seed, learning_rate):
        model = build("gru", seed=seed, learning_rate=learning_rate, **settings)
        model.fit(x, counts, batch_size=2, epochs=3, shuffle=False, verbose=0)
        return model, model.get_weights()

    first, _ = trained(fresh_model, 1, 0.1)
    again, weights = trained(fresh_model, 2, 0.01)
    assert again is first
    _, expected = trained(build_model, 2, 0.01)
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_lowers_the_loss(optimizer):
    x, rng = data(3, batch=16), np.random.default_rng(1)
    counts = rng.poisson(5 * np.arange(M), (16, M)).astype("float32")
    rate = {"sgd": 0.5}.get(optimizer, 0.05)
    model = network(optimizer=optimizer, learning_rate=rate)
    losses = model.fit(list(x), counts, epochs=15, verbose=0).history["loss"]
    assert losses[-1] < losses[0] - 0.02


def test_a_seed_decides_the_weights():
    same = [network("gru", seed=3).get_weights() for _ in range(2)]
    other = network("gru", seed=4).get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(*same, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(same[0], other, strict=True))


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"cell": "lsmt"}, "cell is 'lsmt'; expected one of simple_rnn, lstm"),
        ({"kind": 7}, "prediction_type is 7"),
        ({"optimizer": "sdg"}, "optimizer is 'sdg'"),
        ({"loss": "rsme"}, "loss is 'rsme'"),
        ({"cell": "bidirectional_lstm", "kind": 1}, "backward layer"),
    ],
)
def test_wrong_settings_are_explained(settings, found):
    with pytest.raises(UserError, match=found):
        network(**settings)


def test_hidden_layers_are_stacked():
    names = [layer.name for layer in network("lstm", hidden_layers=3).layers]
    assert [n for n in names if n.startswith("lstm")] == ["lstm_1", "lstm_2", "lstm_3"]


def test_the_device_is_named():
    assert keras.backend.backend() in device()
