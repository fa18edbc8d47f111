"""Popularity in a recommender: of late, damped, forecast and blended in."""

import numpy as np
import pandas as pd
import pytest

from lib.recommenders.ranking.histories import build_histories
from lib.recommenders.ranking.item_models import DAY, SMALLEST, RecentPop
from lib.recommenders.ranking.popularity import (
    Blend,
    best_of,
    choose_blends,
    choose_half_life,
)
from lib.recommenders.ranking.splits import time_split
from lib.schema import MOVIE, TIMESTAMP, USER


def waves(users=60, days=60, seed=0):
    """On day d everybody watches movies near d / 5: yesterday's hits tell today's."""
    rng = np.random.default_rng(seed)
    rows = [
        (user, int(day // 5 + rng.integers(4)), day * DAY + user)
        for user in range(users)
        for day in np.sort(rng.choice(days, 12, replace=False))
    ]
    return build_histories(pd.DataFrame(rows, columns=[USER, MOVIE, TIMESTAMP]))


def test_requests_count_by_their_age():
    rows = [(1, 10, 0), (2, 10, 0), (1, 11, 10 * DAY), (3, 12, 5 * DAY)]
    train = build_histories(pd.DataFrame(rows, columns=[USER, MOVIE, TIMESTAMP]))
    smallest = SMALLEST
    damped = RecentPop(half_life=5).fit(train).shares
    counts = np.array([0.5, 1, 0.5]) + smallest
    assert damped == pytest.approx(counts / counts.sum())
    late = RecentPop(days=6).fit(train).shares
    counts = np.array([0, 1, 1]) + smallest
    assert late == pytest.approx(counts / counts.sum())
    assert RecentPop().fit(train).scores(np.array([0, 2])).shape == (2, 3)


class Flat:
    """A network that knows nothing, or the codes of the movies."""

    def __init__(self, seed=0):
        self.seed = seed

    def fit(self, train):
        self.train = train
        return self

    def scores(self, users):
        return np.full((len(users), self.train.n_items), 3.0)


def test_a_blend_adds_logarithms():
    train = waves()
    network, popular = Flat().fit(train), RecentPop().fit(train)
    users = np.array([3, 5])
    scores = Blend(network, popular, 0.5).scores(users)
    assert scores == pytest.approx(np.tile(3 + 0.5 * np.log(popular.shares), (2, 1)))
    assert (Blend(network, popular, 0.0).scores(users) == 3).all()


def test_weight_and_half_life_are_chosen_before_the_date():
    split = time_split(waves(), 0.8)
    earlier = time_split(split.train, 0.8)
    half_life = choose_half_life(earlier)
    tried = {d: RecentPop(half_life=d).fit(earlier.train) for d in (7, 365)}
    found = best_of(tried, earlier)
    assert found.index[0] == 7 and half_life < 365  # what is late tells what comes
    blends, seconds = choose_blends(Flat, [0, 4], half_life, earlier, split)
    assert list(blends) == [0, 4] and seconds >= 0
    assert all(blend.weight > 0 for blend in blends.values())
    assert blends[4].network.seed == 4
    assert blends[0].network.train is split.train
