"""The start of the networks: its forecast, its tuning, and what it never knows."""

import numpy as np
import pytest

from lib.evaluation.metrics import single
from lib.evaluation.splits import time_split
from lib.forecast.start import ALPHAS, PSEUDO_COUNTS, SPANS, Start, tune_start


@pytest.fixture
def counts():
    rng = np.random.default_rng(3)
    counts = rng.poisson(rng.gamma(0.5, 3, size=30), size=(25, 30))
    counts[:, 20:] *= np.arange(25)[:, None] >= rng.integers(3, 22, 10)
    counts[[0, 7]] = 0
    return counts


def forecasts(counts, alpha, pseudo_count, span):
    start, rows = Start(counts.shape[1], [alpha], [span]), []
    for row in counts:
        rows.append(start.shares(pseudo_count))
        start.update(row)
    return np.array(rows)


def test_known_movies_share_what_new_ones_leave():
    start = Start(4, [0.5], [1e9])
    start.update(np.array([4, 0, 0, 0]))
    start.update(np.array([2, 2, 0, 0]))
    # ν = (4 + 2 + 0.5) / (8 + 1); amounts 4 and 2, κ = 1: 5 and 3 of 8.
    q, nu = start.shares(1.0), 6.5 / 9
    np.testing.assert_allclose(
        q, [(1 - nu) * 5 / 8, (1 - nu) * 3 / 8, nu / 2, nu / 2], rtol=1e-6
    )


def test_every_forecast_is_shares(counts):
    q = forecasts(counts, 0.2, 0.1, 4)
    assert (q > 0).all()
    np.testing.assert_allclose(q.sum(axis=1), 1)
    np.testing.assert_allclose(q[:2], 1 / 30)  # nothing known yet
    counts[3] += 1  # now all are known
    assert forecasts(counts, 0.2, 0.1, 4)[-1].sum() == pytest.approx(1)


def test_tuning_finds_the_best_of_the_grid(counts):
    split = time_split(len(counts))
    found = tune_start(counts, split)

    def loss(**values):
        q = forecasts(counts, **(found | values))
        return single("cross_entropy", counts, q, split.validation)

    best = loss()
    assert best == pytest.approx(min(loss(alpha=a) for a in ALPHAS))
    assert best == pytest.approx(min(loss(pseudo_count=k) for k in PSEUDO_COUNTS))
    assert best == pytest.approx(min(loss(span=s) for s in SPANS))


def test_tuning_knows_neither_the_test_slots_nor_their_movies(counts):
    split = time_split(len(counts))
    found = tune_start(counts, split)
    other = counts.copy()
    other[split.test.start :] = other[split.test.start :, ::-1] * 7
    assert tune_start(other, split) == found
    kept = counts[: split.test.start].any(axis=0)
    assert 20 < kept.sum() < 30
    assert tune_start(counts[:, kept], split) == found
