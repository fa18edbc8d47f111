import numpy as np
import pytest

from lib.evaluation.forecast_caches import (
    CORRECTIONS,
    Correction,
    best_correction,
    hybrid_hit_ratio,
    oracle_hit_ratio,
)
from lib.evaluation.metrics import hit_ratio_at_k_per_slot


def test_nothing_filled_once_a_slot_beats_the_oracle():
    rng = np.random.default_rng(0)
    counts = rng.poisson(rng.gamma(0.4, 3, 60), size=(9, 60))
    counts[4] = 0
    oracle = oracle_hit_ratio(counts, range(9), capacity=5)
    q = rng.dirichlet(np.ones(60), size=9)
    assert np.isnan(oracle[4])
    busy = [0, 1, 2, 3, 5, 6, 7, 8]
    assert (oracle[busy] >= hit_ratio_at_k_per_slot(counts, q, 5)[busy]).all()
    top = np.sort(counts[0])[::-1][:5].sum() / counts[0].sum()
    assert oracle[0] == pytest.approx(top)


@pytest.fixture(scope="module")
def sessions():
    """Two slots of users who each go once through a stretch of the catalogue."""
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 150, size=80)
    movies = np.concatenate([start + rng.permutation(40) for start in starts])
    return movies, np.arange(len(movies)) // (len(movies) // 2)


def test_without_correction_the_hybrid_is_the_forecast(sessions):
    movies, slots = sessions
    counts = np.array([np.bincount(movies[slots == t], minlength=200) for t in (0, 1)])
    q = np.random.default_rng(1).dirichlet(np.ones(200), size=2)
    plain = hit_ratio_at_k_per_slot(counts, q, 50)
    np.testing.assert_allclose(
        hybrid_hit_ratio(q, movies, slots, [0, 1], 50, Correction()), plain
    )


def test_the_hybrid_learns_from_who_is_there(sessions):
    movies, slots = sessions
    q = np.full((2, 200), 1 / 200)
    chosen = best_correction(q, movies, slots, [0], 50)
    assert chosen in CORRECTIONS and chosen.near > 0
    plain = hybrid_hit_ratio(q, movies, slots, [1], 50)
    assert hybrid_hit_ratio(q, movies, slots, [1], 50, chosen) > 1.3 * plain


def test_the_hybrid_reads_no_later_request(sessions):
    movies, slots = sessions
    q, chosen = np.full((2, 200), 1 / 200), Correction(30, 0.3, 0.6)
    cut = len(movies) - 200
    changed = movies.copy()
    changed[cut:] = 7
    longer = np.where(np.arange(len(movies)) < cut, slots, 2)
    q = np.vstack([q, q[:1]])
    one, two = (
        hybrid_hit_ratio(q, log, longer, [0, 1], 50, chosen)
        for log in (movies, changed)
    )
    np.testing.assert_array_equal(one, two)
