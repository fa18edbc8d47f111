"""Losses and training metrics, all from the same two arrays.

Every network here puts out log shares: ln q(i, t), the logarithm of the predicted share
of the requests of slot t that go to movie i, with Σ_i q(i, t) = 1. The target is the
array of counts c(i, t). From these two each loss of the brief follows, so that networks
trained with different losses stay comparable: they forecast the same thing. With
N = Σ_i c(i, t), s = c / N and M movies:

| loss                      | per slot                                                |
| ------------------------- | ------------------------------------------------------- |
| categorical_crossentropy  | −Σ_i s ln q, nats per request                           |
| poisson                   | mean_i (λ − c ln λ), λ = N q the expected requests      |
| binary_crossentropy       | −mean_i ln P(requested or not), P(requested) = 1 − e^−λ |
| mse, rmse, mae            | of M q against M s: 1 is the share of the average movie |

The last axis is the movies; any axes before it (slots, steps) are averaged by Keras.
"""

import keras
from keras import ops

TINY = 1e-7  # the smallest chance of a request that a logarithm is taken of


def _split(counts):
    """Counts c, their total N of each slot (at least 1) and shares s = c / N."""
    total = ops.maximum(ops.sum(counts, axis=-1, keepdims=True), 1.0)  # (…, 1)
    return total, counts / total


def _scaled_error(counts, log_shares):
    _, shares = _split(counts)
    movies = ops.cast(ops.shape(counts)[-1], log_shares.dtype)
    return movies * (ops.exp(log_shares) - shares)


def _chance_of_request(counts, log_shares):
    total, _ = _split(counts)
    return ops.clip(-ops.expm1(-total * ops.exp(log_shares)), TINY, 1 - TINY)


@keras.saving.register_keras_serializable("popularity")
def categorical_crossentropy(counts, log_shares):
    """Cross-entropy per request in nats (Gneiting and Raftery, 2007)."""
    _, shares = _split(counts)
    return -ops.sum(shares * log_shares, axis=-1)


@keras.saving.register_keras_serializable("popularity")
def poisson(counts, log_shares):
    """Poisson deviance of the counts, without the terms that do not depend on q."""
    total, _ = _split(counts)
    log_rate = ops.log(total) + log_shares
    return ops.mean(ops.exp(log_rate) - counts * log_rate, axis=-1)


@keras.saving.register_keras_serializable("popularity")
def binary_crossentropy(counts, log_shares):
    """Cross-entropy of "requested at least once or not"."""
    chance = _chance_of_request(counts, log_shares)
    requested = ops.cast(counts > 0, chance.dtype)
    return -ops.mean(
        requested * ops.log(chance) + (1 - requested) * ops.log1p(-chance), axis=-1
    )


@keras.saving.register_keras_serializable("popularity")
def mse(counts, log_shares):
    """Mean squared error of the share, in units of the average movie's share."""
    return ops.mean(ops.square(_scaled_error(counts, log_shares)), axis=-1)


@keras.saving.register_keras_serializable("popularity")
def rmse(counts, log_shares):
    """Root of `mse`, slot by slot."""
    return ops.sqrt(mse(counts, log_shares) + TINY)


@keras.saving.register_keras_serializable("popularity")
def mae(counts, log_shares):
    """Mean absolute error of the share, in units of the average movie's share."""
    return ops.mean(ops.abs(_scaled_error(counts, log_shares)), axis=-1)


@keras.saving.register_keras_serializable("popularity")
def share_mse(counts, log_shares):
    """Squared error of the share itself; its root over an epoch is the RMSE."""
    _, shares = _split(counts)
    return ops.mean(ops.square(ops.exp(log_shares) - shares), axis=-1)


@keras.saving.register_keras_serializable("popularity")
def accuracy(counts, log_shares):
    """Fraction of movies for which "requested or not" is forecast rightly."""
    requested = _chance_of_request(counts, log_shares) > 0.5
    return ops.mean(ops.cast(ops.equal(requested, counts > 0), "float32"), axis=-1)


LOSSES = {
    loss.__name__: loss
    for loss in (
        categorical_crossentropy,
        poisson,
        binary_crossentropy,
        mse,
        rmse,
        mae,
    )
}
