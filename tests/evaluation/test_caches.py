import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.evaluation.caches import lfu, lru, oracle_hit_ratio, reactive_hit_ratio
from lib.evaluation.metrics import hit_ratio_at_k_per_slot

LOGS = st.lists(st.integers(0, 8), max_size=80).map(lambda x: np.array(x, dtype=int))


@given(LOGS, st.integers(1, 6))
def test_lru_hits_when_few_movies_came_in_between(movies, capacity):
    # Mattson's stack distance: a hit has fewer than K distinct movies since last time.
    expected = []
    for i, movie in enumerate(movies):
        earlier = np.flatnonzero(movies[:i] == movie)
        between = set(movies[earlier[-1] + 1 : i]) if len(earlier) else None
        expected.append(between is not None and len(between) < capacity)
    assert lru(movies, capacity).tolist() == expected


def plain_lfu(movies, capacity):
    count, cache, hits = {}, {}, []
    for i, movie in enumerate(movies.tolist()):
        count[movie] = count.get(movie, 0) + 1
        hits.append(movie in cache)
        if movie in cache:
            continue
        if len(cache) == capacity:
            victim = min(cache, key=lambda m: (count[m], cache[m]))
            if count[movie] < count[victim]:
                continue
            del cache[victim]
        cache[movie] = i
    return hits


@given(LOGS, st.integers(1, 6))
def test_lfu_agrees_with_a_search_of_the_whole_cache(movies, capacity):
    assert lfu(movies, capacity).tolist() == plain_lfu(movies, capacity)


def test_lfu_keeps_what_is_often_asked_for():
    movies = np.array([1, 1, 1, 2, 3, 4, 1])
    assert lfu(movies, 2)[-1]
    assert not lru(movies, 2)[-1]


def test_hit_ratio_per_slot_of_a_cache_that_is_warm_already():
    movies = np.array([5, 6, 5, 7, 5, 5])
    slots = np.array([0, 0, 1, 1, 3, 3])
    ratio = reactive_hit_ratio("lru", movies, slots, [1, 2, 3], capacity=2)
    np.testing.assert_array_equal(ratio, [0.5, np.nan, 1.0])


def test_requests_out_of_order_are_refused():
    with pytest.raises(ValueError, match="order of time"):
        reactive_hit_ratio("lru", np.array([1, 2]), np.array([1, 0]), [0])


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
