"""The tuned neural collaborative filtering, small."""

import numpy as np
import pandas as pd
import pytest

from lib.errors import UserError
from lib.recommenders.ranking.evaluate import evaluate, ranking_metrics
from lib.recommenders.ranking.histories import build_histories
from lib.recommenders.ranking.item_models import TopPop
from lib.recommenders.ranking.splits import leave_one_out
from lib.recommenders.ranking.tuned_neural_cf import (
    MOMENTS,
    CutBatches,
    TunedNeuralCF,
    unit_rows,
)
from lib.schema import MOVIE, TIMESTAMP, USER


def stages(users=60, movies=45, noise=12.0, seed=0):
    """Each user watches some of a third of the movies, low ids mostly before high."""
    rng = np.random.default_rng(seed)
    rows = [
        (user, movie, 100 * movie + int(100 * noise * rng.normal()))
        for user in range(users)
        for movie in rng.permutation(np.arange(user % 3, movies, 3))[:9]
    ]
    return build_histories(pd.DataFrame(rows, columns=[USER, MOVIE, TIMESTAMP]))


def test_histories_are_cut_into_past_and_future():
    histories = stages(noise=0)
    cuts = CutBatches(histories, batch_size=7, seed=0)
    met = []
    for k in range(len(cuts)):
        (before, users), after = cuts[k]
        assert after.sum(axis=1) == pytest.approx(1)
        assert (before**2).sum(axis=1) == pytest.approx(1)
        for row, user in enumerate(users):
            past, future = np.flatnonzero(before[row]), np.flatnonzero(after[row])
            assert past.max() < future.min()  # the ids rise with time here
            assert {*past, *future} == set(histories.of(user))
        met += users.tolist()
    assert np.bincount(met).tolist() == [MOMENTS] * 60


def test_unit_rows_have_length_one_and_an_empty_row_stays_empty():
    rows = unit_rows(np.array([[1.0, 1.0], [0.0, 0.0]]))
    assert rows == pytest.approx(np.array([[0.5**0.5] * 2, [0, 0]]))


def test_it_learns_taste_and_time_and_scores_rows_independently():
    split = leave_one_out(stages())
    model = TunedNeuralCF(
        epochs=8, batch_size=16, learning_rate=0.02, hidden=(32,), dropout=0.2
    )
    model.fit(split.train)
    assert model.history["loss"][-1] < model.history["loss"][0]
    ours = ranking_metrics(evaluate(model, split, seeds=(0,)).full)["hr_at_10"]
    popular = TopPop().fit(split.train)
    theirs = ranking_metrics(evaluate(popular, split, seeds=(0,)).full)["hr_at_10"]
    assert ours > 0.85 > theirs
    scores = model.scores(np.array([4, 9, 2]))
    assert model.scores(np.array([9]))[0] == pytest.approx(scores[1], abs=1e-4)


def test_nobody_with_two_movies_is_explained():
    rows = pd.DataFrame({USER: [1, 2], MOVIE: [1, 2], TIMESTAMP: 0})
    with pytest.raises(UserError, match="two movies"):
        TunedNeuralCF().fit(build_histories(rows))
