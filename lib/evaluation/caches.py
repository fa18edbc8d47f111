"""Caches that react to requests, beside caches that are filled by a forecast.

A cache of K movies sees the request log one request at a time. `lru` and `lfu` decide
by the past requests alone and may change at every request; a forecast fills the cache
once per slot (`metrics.hit_ratio_at_k_per_slot`); the oracle knows the slot's
requests and fills it with the K most requested. A reactive cache adapts within the
slot, so it can win where slots are long and lose where popularity is steady.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from heapq import heappush, heapreplace

import numpy as np

from lib.evaluation.metrics import CACHE_K, hit_ratio_at_k_per_slot


def lru(movies: np.ndarray, capacity: int) -> np.ndarray:
    """Which requests hit a least-recently-used cache that starts empty.

    Every requested movie is kept; the one whose last request is oldest makes room.

    Args:
        movies: (requests,) movie of each request, in the order of time.
        capacity: number of movies that the cache holds.

    Returns:
        (requests,) bool.
    """
    cache: OrderedDict[int, None] = OrderedDict()
    hits = np.zeros(len(movies), dtype=bool)
    for i, movie in enumerate(movies.tolist()):
        if movie in cache:
            hits[i] = True
            cache.move_to_end(movie)
        else:
            cache[movie] = None
            if len(cache) > capacity:
                cache.popitem(last=False)
    return hits


def lfu(movies: np.ndarray, capacity: int) -> np.ndarray:
    """Which requests hit a least-frequently-used cache that starts empty.

    Requests of all movies are counted from the beginning, cached or not ("perfect"
    LFU). A requested movie that is not cached replaces the cached one with the fewest
    requests if it has at least as many by now; of several with the fewest, the one
    that was put in first goes. (Breslau et al. 1999, "Web caching and Zipf-like
    distributions".)

    Args:
        movies: (requests,) movie of each request, in the order of time.
        capacity: number of movies that the cache holds.

    Returns:
        (requests,) bool.
    """
    count = [0] * (int(movies.max(initial=-1)) + 1)
    cached = [False] * len(count)
    # Counts in the heap are those at the time of entry and are refreshed only when
    # they come to the top, so that a hit costs nothing.
    heap: list[tuple[int, int, int]] = []
    hits = np.zeros(len(movies), dtype=bool)
    for i, movie in enumerate(movies.tolist()):
        count[movie] += 1
        if cached[movie]:
            hits[i] = True
        elif len(heap) < capacity:
            heappush(heap, (count[movie], i, movie))
            cached[movie] = True
        else:
            while count[heap[0][2]] != heap[0][0]:
                _, entered, stale = heap[0]
                heapreplace(heap, (count[stale], entered, stale))
            if count[movie] >= heap[0][0]:
                cached[heap[0][2]], cached[movie] = False, True
                heapreplace(heap, (count[movie], i, movie))
    return hits


REACTIVE: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {"lru": lru, "lfu": lfu}


def reactive_hit_ratio(
    policy: str,
    movies: np.ndarray,
    request_slots: np.ndarray,
    slots: Sequence[int],
    capacity: int = CACHE_K,
) -> np.ndarray:
    """Hit ratio of a reactive cache in each given slot, warm from all earlier slots.

    Args:
        policy: `lru` or `lfu`.
        movies: (requests,) movie index of each request, in the order of time.
        request_slots: (requests,) slot index of each request, never decreasing.
        slots: the slots to report.
        capacity: number of movies that the cache holds.

    Returns:
        (slots,) float64 in [0, 1]: hits / requests of the slot, NaN in a slot without
        requests. Leave those out of a mean, as all measures here do.

    Raises:
        ValueError: the requests are not in the order of their slots.
    """
    if (np.diff(request_slots) < 0).any():
        raise ValueError("requests must be in the order of time; sort the log first")
    hits = REACTIVE[policy](movies, capacity)
    size = max(int(request_slots.max(initial=0)), max(slots)) + 1
    total = np.bincount(request_slots, minlength=size)
    with np.errstate(invalid="ignore"):
        ratio = np.bincount(request_slots, weights=hits, minlength=size) / total
    return ratio[np.asarray(slots)]


def oracle_hit_ratio(
    counts: np.ndarray, slots: Sequence[int], capacity: int = CACHE_K
) -> np.ndarray:
    """Hit ratio of the best cache that is filled once per slot: its upper bound.

    Args:
        counts: (T, M) requests.
        slots: the slots to report.
        capacity: number of movies that the cache holds.

    Returns:
        (slots,) float64 in [0, 1], NaN in a slot without requests.
    """
    chosen = counts[np.asarray(slots)]
    ratio = hit_ratio_at_k_per_slot(chosen, chosen, capacity)
    return np.where(chosen.any(axis=1), ratio, np.nan)
