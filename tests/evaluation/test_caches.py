import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lib.evaluation.caches import (
    CORRECTIONS,
    REACTIVE,
    Correction,
    belady,
    best_correction,
    best_half_life,
    hybrid_hit_ratio,
    lfu,
    lru,
    oracle_hit_ratio,
    reactive_hit_ratio,
    sieve,
)
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
