import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.evaluation.caches import (
    REACTIVE,
    belady,
    best_half_life,
    lfu,
    lirs,
    lru,
    reactive_hit_ratio,
    sieve,
    w_tinylfu,
)

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


@given(LOGS, st.integers(1, 6), st.sampled_from(sorted(REACTIVE)))
def test_no_cache_beats_belady_or_hits_what_never_came(movies, capacity, policy):
    hits = REACTIVE[policy](movies, capacity)
    assert hits.sum() <= belady(movies, capacity).sum()
    first = np.unique(movies, return_index=True)[1]
    assert not hits[first].any()


@given(LOGS, st.sampled_from(sorted(REACTIVE)))
def test_a_cache_of_all_movies_misses_only_first_requests(movies, policy):
    hits = REACTIVE[policy](movies, 90)
    assert (~hits).sum() == len(np.unique(movies))


def plain_belady(movies, capacity):
    cache, hits = set(), []
    for i, movie in enumerate(movies.tolist()):
        hits.append(movie in cache)
        cache.add(movie)
        if len(cache) > capacity:
            later = movies[i + 1 :].tolist()
            when = {m: later.index(m) if m in later else len(movies) for m in cache}
            cache.remove(max(cache, key=when.get))
    return hits


@given(LOGS, st.integers(1, 6))
def test_belady_agrees_with_a_look_at_the_whole_future(movies, capacity):
    assert belady(movies, capacity).sum() == sum(plain_belady(movies, capacity))


def test_sieve_spares_what_was_used():
    # The hand passes 1, which was used, and takes 2; 3 is new.
    assert sieve(np.array([1, 2, 1, 3, 1, 2]), 2).tolist() == [
        *(False, False, True, False, True, False)
    ]


def test_a_decaying_lfu_forgets():
    movies = np.array([1] * 50 + [2] * 20 + [3, 1])
    assert lfu(movies, 1)[-1] and not lfu(movies, 1, half_life=5)[-1]
    slots = np.arange(len(movies)) // 40
    assert best_half_life(movies, slots, [1], 1) > 0


def test_lirs_keeps_what_comes_back_through_a_scan():
    # A scan of newcomers passes through one place; LRU forgets everything meanwhile.
    movies = np.array([1, 2, 3, *range(10, 20), 1, 2, 3])
    assert lirs(movies, 4)[-3:].all() and not lru(movies, 4)[-3:].any()


def test_lirs_swaps_a_stale_movie_for_one_that_came_back_sooner():
    # 4 comes back while 1 is the stalest of those kept: it takes its place.
    movies = np.array([1, 2, 3, 4, 2, 3, 4, 5, 6, 4, 1])
    assert lirs(movies, 4).tolist() == [
        *(False, False, False, False, True, True, True, False, False, True, False)
    ]


def test_w_tinylfu_lets_no_movie_in_that_is_less_asked_for():
    movies = np.array([1, 1, 2, 2, 3, 3, *range(10, 20), 1, 2, 3])
    assert w_tinylfu(movies, 4)[-3:].all() and not lru(movies, 4)[-3:].any()


def test_w_tinylfu_forgets_by_halving():
    # The count of 1 is at its end: only because it is halved, others can pass it.
    movies = np.array([1] * 15 + [2, 3] * 40 + [1])
    assert not w_tinylfu(movies, 2)[-1]
    assert w_tinylfu(movies, 3)[-1]
