"""Every loss against its formula in plain numpy."""

import keras
import numpy as np
import pytest

from lib.forecast import losses

COUNTS = np.array([[3, 0, 1, 0], [0, 0, 5, 5]], np.float32)
SHARES = np.array([[0.5, 0.1, 0.3, 0.1], [0.2, 0.2, 0.3, 0.3]], np.float32)


def value(loss):
    counts, log_shares = map(keras.ops.convert_to_tensor, (COUNTS, np.log(SHARES)))
    return keras.ops.convert_to_numpy(loss(counts, log_shares))


def by_hand(name):
    n = COUNTS.sum(1, keepdims=True)
    s, rate = COUNTS / n, n * SHARES
    error = COUNTS.shape[1] * (SHARES - s)
    chance = 1 - np.exp(-rate)
    formulas = {
        "categorical_crossentropy": -(s * np.log(SHARES)).sum(1),
        "poisson": (rate - COUNTS * np.log(rate)).mean(1),
        "binary_crossentropy": -np.where(COUNTS > 0, np.log(chance), -rate).mean(1),
        "mse": (error**2).mean(1),
        "rmse": np.sqrt((error**2).mean(1)),
        "mae": np.abs(error).mean(1),
    }
    return formulas[name]


@pytest.mark.parametrize("name", losses.LOSSES)
def test_a_loss_is_its_formula(name):
    np.testing.assert_allclose(value(losses.LOSSES[name]), by_hand(name), rtol=1e-5)


def test_metrics_are_of_the_share_itself():
    n = COUNTS.sum(1, keepdims=True)
    expected = ((SHARES - COUNTS / n) ** 2).mean(1)
    np.testing.assert_allclose(value(losses.share_mse), expected, rtol=1e-5)
    called = 1 - np.exp(-n * SHARES) > 0.5
    expected = (called == (COUNTS > 0)).mean(1)
    np.testing.assert_allclose(value(losses.accuracy), expected)


def test_a_slot_without_requests_costs_nothing():
    empty = np.zeros((1, 4), np.float32)
    loss = losses.categorical_crossentropy(empty, np.log(SHARES[:1]))
    assert float(loss[0]) == 0


@pytest.mark.parametrize("name", ["categorical_crossentropy", "poisson"])
def test_the_true_shares_have_the_least_loss(name):
    loss = losses.LOSSES[name]
    truth = COUNTS / COUNTS.sum(1, keepdims=True)
    log_truth = keras.ops.convert_to_tensor(np.log(np.maximum(truth, 1e-6)))
    best = loss(keras.ops.convert_to_tensor(COUNTS), log_truth)
    assert (keras.ops.convert_to_numpy(best) < value(loss)).all()
