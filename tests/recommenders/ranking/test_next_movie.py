"""The recurrent next-movie model and neural collaborative filtering, small."""

import keras
import numpy as np
import pandas as pd
import pytest

from lib.errors import UserError
from lib.recommenders.ranking.evaluate import evaluate, hits
from lib.recommenders.ranking.histories import build_histories
from lib.recommenders.ranking.neural_cf import (
    NeuralCF,
    PairBatches,
    build_neural_cf,
)
from lib.recommenders.ranking.next_movie import PAD, NextMovie, WindowBatches, pad
from lib.recommenders.ranking.splits import Unseen, leave_one_out
from lib.schema import MOVIE, TIMESTAMP, USER


def cycles(users=80, movies=40, watched=12):
    """Every user watches movies k, k + 1, k + 2, … of a circle: the next is certain."""
    rows = [
        (user, (7 * user + time) % movies, 100 * time)
        for user in range(users)
        for time in range(watched)
    ]
    return build_histories(pd.DataFrame(rows, columns=[USER, MOVIE, TIMESTAMP]))


@pytest.fixture(scope="module", params=["gru", "sasrec"])
def fitted(request):
    split = leave_one_out(cycles())
    model = NextMovie(
        request.param,
        epochs=40,
        embedding_size=16,
        units=32,
        dropout=0,
        learning_rate=0.01,
    )
    return model.fit(split.train), split


def test_it_learns_what_follows(fitted):
    model, split = fitted
    assert hits(evaluate(model, split, seeds=(0,)).full, 1).mean() > 0.9
    assert model.history["loss"][-1] < model.history["loss"][0]


def test_score_depends_on_the_own_history_only(fitted):
    model, split = fitted
    together = model.scores(np.array([3, 60, 17]))
    assert together.shape == (3, 40)
    assert model.scores(np.array([60]))[0] == pytest.approx(together[1], abs=1e-4)


def test_a_person_outside_the_training_gets_scores(fitted):
    model, _ = fitted
    scores = model.scores_after(
        np.array([20, 21, 22]), np.array([0, 3]), np.array([3, 3])
    )
    assert scores.shape == (2, 40)
    assert scores[0].argmax() == 23


def test_only_the_last_movies_are_read(fitted):
    model, _ = fitted
    short = NextMovie(model.cell, window=2)
    short.model, short.train = model.model, model.train
    places = np.array([0, 2]), np.array([4, 4])
    long, last = short.scores_after(np.array([9, 8, 20, 21]), *places)
    assert long == pytest.approx(last, abs=1e-5)


def test_every_step_predicts_from_earlier_movies_only(fitted):
    model, _ = fitted
    codes = np.array([5, 6, 7, 8, 5, 6, 30, 31])
    codes = pad(codes, np.array([0, 4]), np.array([4, 4]), 25)
    logits = np.asarray(model.model.predict_on_batch(codes))
    assert logits[0, :2] == pytest.approx(logits[1, :2], abs=1e-5)
    assert np.abs(logits[0, 2] - logits[1, 2]).max() > 0.1


def test_windows_cover_each_step_once_and_targets_follow():
    histories = cycles(users=5, movies=400, watched=70)
    windows = WindowBatches(histories, window=30, batch_size=4, seed=0)
    for _ in range(3):
        seen = []
        for k in range(len(windows)):
            movies, following, weight = windows[k]
            real = following != PAD
            assert ((weight == 1) == real).all()
            assert ((following - movies)[real] % 400 == 1).all()
            assert real.sum(axis=1).max() <= 30
            seen += following[real].tolist()
        assert len(seen) == 5 * 69
        windows.on_epoch_end()


def test_ties_are_put_into_a_new_order_in_every_epoch():
    rows = [(1, movie, movie // 10) for movie in range(40)]
    histories = build_histories(pd.DataFrame(rows, columns=[USER, MOVIE, TIMESTAMP]))
    windows = WindowBatches(histories, window=50, batch_size=4, seed=0)
    first = windows[0][0][0, :39] - 1
    windows.on_epoch_end()
    second = windows[0][0][0, :39] - 1
    assert (first // 10 == second // 10).all()  # times still rise
    assert (first != second).any()


def test_bad_architecture_and_empty_histories_are_explained():
    with pytest.raises(UserError, match="'rnn'"):
        NextMovie(cell="rnn").fit(cycles())
    rows = pd.DataFrame({USER: [1, 2], MOVIE: [1, 2], TIMESTAMP: 0})
    with pytest.raises(UserError, match="two movies"):
        NextMovie().fit(build_histories(rows))


def test_a_user_who_watched_everything_is_explained():
    histories = cycles(users=2, movies=12)
    with pytest.raises(UserError, match="all 12 movies"):
        PairBatches(histories, 4, 16, Unseen(histories))


def test_pairs_have_four_negatives_each_and_change_every_epoch():
    histories = cycles(users=10)
    pairs = PairBatches(histories, 4, 64, Unseen(histories), seed=1)

    def epoch():
        batches = [pairs[k] for k in range(len(pairs))]
        users, items = (np.concatenate([b[0][j] for b in batches]) for j in (0, 1))
        return users * 40 + items, np.concatenate([b[1] for b in batches])[:, 0]

    keys, labels = epoch()
    watched = histories.users * 40 + histories.items
    assert len(labels) == 5 * len(watched)
    assert sorted(keys[labels == 1]) == sorted(watched)
    assert not set(keys[labels == 0]) & set(watched)
    pairs.on_epoch_end()
    again, new_labels = epoch()
    assert sorted(again[new_labels == 1]) == sorted(watched)
    assert sorted(again[new_labels == 0]) != sorted(keys[labels == 0])


def test_neural_cf_is_the_network_of_the_source():
    model = build_neural_cf(n_users=5, n_items=7)
    dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    assert [layer.units for layer in dense] == [64, 128, 64, 32, 1]
    assert model.get_layer("user_embedding").embeddings.shape == (5, 16)
    assert model.get_layer("movie_embedding").embeddings.shape == (7, 16)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)


def test_neural_cf_learns_two_tastes_and_scores_rows_independently():
    rng = np.random.default_rng(0)
    rows = [
        (user, movie, time)
        for user in range(40)
        for time, movie in enumerate(rng.permutation(np.arange(user % 2, 30, 2))[:9])
    ]
    histories = build_histories(pd.DataFrame(rows, columns=[USER, MOVIE, TIMESTAMP]))
    model = NeuralCF(epochs=15, batch_size=64).fit(histories)
    scores = model.scores(np.array([4, 9, 2]))
    assert scores.shape == (3, 30)
    assert scores[0, ::2].mean() > 3 * scores[0, 1::2].mean()
    assert model.scores(np.array([9]))[0] == pytest.approx(scores[1], abs=1e-4)


def test_the_same_seed_gives_the_same_model():
    histories = cycles(users=20)
    settings = {"epochs": 2, "embedding_size": 8, "units": 8, "seed": 3}
    first, second = (NextMovie(**settings).fit(histories) for _ in range(2))
    users = np.arange(20)
    assert first.scores(users) == pytest.approx(second.scores(users), abs=1e-6)


def histories_of(lengths):
    rows = [(user, user + k, k) for user, n in enumerate(lengths) for k in range(n)]
    return build_histories(pd.DataFrame(rows, columns=[USER, MOVIE, TIMESTAMP]))


@pytest.mark.parametrize("lengths", ([5] * 8 + [40] * 2, [5] * 4, [60] * 6, [60, 5]))
def test_keras_sees_that_the_length_of_batches_varies(lengths):
    for seed in range(6):  # the order of the batches is random
        batches = WindowBatches(histories_of(lengths), 50, 2, seed)
        shapes = [batches[k][0].shape for k in range(len(batches))]
        assert shapes[0][1] != shapes[1][1]
        for movies, following, _ in (batches[k] for k in range(len(batches))):
            assert movies.shape == following.shape


def test_a_lone_batch_keeps_its_width():
    batches = WindowBatches(histories_of([60, 60]), 50, 32, 0)
    widths = set()
    for _ in range(20):
        widths.add(batches[0][0].shape[1])
        batches.on_epoch_end()
    assert widths == {50}


def test_training_takes_long_batches_after_short_ones():
    train = histories_of([5] * 12 + [40])
    for seed in range(4):
        model = NextMovie(
            epochs=2, batch_size=2, window=50, embedding_size=2, units=2, seed=seed
        )
        assert np.isfinite(model.fit(train).history["loss"]).all()
