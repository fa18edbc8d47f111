"""Caches that react to requests, beside caches that are filled by a forecast.

A cache of K movies sees the request log one request at a time. Reactive caches decide
by the past requests alone and may change at every request; a forecast fills the cache
once per slot (`metrics.hit_ratio_at_k_per_slot`), and the hybrid lets what is requested
in the slot correct it. Two bounds know the future: the oracle fills the cache once per
slot with the K most requested movies, Bélády's rule changes it at every request. A
reactive cache adapts within the slot, so it can win where slots are long and lose where
popularity is steady.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush, heapreplace
from itertools import product
from math import inf, log2

import numpy as np
from scipy.ndimage import gaussian_filter1d

from lib.evaluation.metrics import CACHE_K, hit_ratio_at_k_per_slot

HALF_LIVES = (300, 1_000, 3_000, 10_000, 30_000, 100_000)  # requests
REFILL = 20  # requests after which the hybrid is filled again
NEAR = 30  # places of the catalogue


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


class Scored:
    """A cache that keeps the movies of highest score; scores only ever rise.

    A requested movie that is not cached replaces the one of lowest score if it has at
    least as much; of several with the lowest, the one that was put in first goes.
    """

    def __init__(self, capacity: int, number: int):
        """Start empty, for movies numbered below `number`, all of the lowest score."""
        self.capacity, self.time = capacity, 0
        self.scores, self.cached = [-inf] * number, [False] * number
        # Scores in the heap are those at the time of entry and are refreshed only when
        # they come to the top, so that a hit costs nothing.
        self.heap: list[tuple[float, int, int]] = []

    def request(self, movie: int, score: float) -> bool:
        """Raise a movie's score and say whether it was in the cache."""
        self.scores[movie] = score
        self.time += 1
        entry, heap = (score, self.time, movie), self.heap
        if self.cached[movie]:
            return True
        if len(heap) < self.capacity:
            heappush(heap, entry)
            self.cached[movie] = True
            return False
        while self.scores[heap[0][2]] != heap[0][0]:
            _, entered, stale = heap[0]
            heapreplace(heap, (self.scores[stale], entered, stale))
        if score >= heap[0][0]:
            self.cached[heapreplace(heap, entry)[2]] = False
            self.cached[movie] = True
        return False


def lfu(movies: np.ndarray, capacity: int, half_life: float = inf) -> np.ndarray:
    """Which requests hit a least-frequently-used cache that starts empty.

    Requests of all movies are counted, cached or not ("perfect" LFU). A request counts
    half after `half_life` further ones; by default none is forgotten. (Breslau et al.
    1999, "Web caching and Zipf-like distributions"; Lee et al. 2001, "LRFU".)

    Args:
        movies: (requests,) movie of each request, in the order of time.
        capacity: number of movies that the cache holds.
        half_life: in requests.

    Returns:
        (requests,) bool.
    """
    # In place of older requests halving, newer ones count more; logarithms, since they
    # would overflow. Counts that are equal stay equal: they are added in one order.
    cache = Scored(capacity, int(movies.max(initial=-1)) + 1)
    hits = np.zeros(len(movies), dtype=bool)
    for i, movie in enumerate(movies.tolist()):
        old, new = cache.scores[movie], i / half_life
        high, low = max(old, new), min(old, new)
        hits[i] = cache.request(movie, high + log2(1 + 2 ** (low - high)))
    return hits


def s3_fifo(movies: np.ndarray, capacity: int) -> np.ndarray:
    """Which requests hit S3-FIFO: a small and a main queue, and a list of ghosts.

    A tenth of the cache is a queue for newcomers; those requested again there, or soon
    after they left it, come into the main queue, where a request buys another round.
    (Yang et al. 2023, "FIFO queues are all you need for cache eviction".)

    Args, returns: as `lru`.
    """
    small_size = max(1, capacity // 10)
    small, main, ghosts = deque(), deque(), OrderedDict()
    uses: dict[int, int] = {}  # of the cached movies, at most 3
    hits = np.zeros(len(movies), dtype=bool)

    def make_room():
        while len(uses) >= capacity:
            if len(small) >= small_size or not main:
                movie = small.popleft()
                if uses[movie] > 1:
                    uses[movie] = 0
                    main.append(movie)
                    continue
                ghosts[movie] = None
                if len(ghosts) > capacity - small_size:
                    ghosts.popitem(last=False)
            else:
                movie = main.popleft()
                if uses[movie]:
                    uses[movie] -= 1
                    main.append(movie)
                    continue
            del uses[movie]

    for i, movie in enumerate(movies.tolist()):
        if movie in uses:
            hits[i], uses[movie] = True, min(uses[movie] + 1, 3)
            continue
        make_room()
        known = movie in ghosts
        ghosts.pop(movie, None)
        (main if known else small).append(movie)
        uses[movie] = 0
    return hits


def sieve(movies: np.ndarray, capacity: int) -> np.ndarray:
    """Which requests hit SIEVE: one queue and a hand that spares what was used.

    (Zhang et al. 2024, "SIEVE is simpler than LRU".) Args, returns: as `lru`.
    """
    queue: list[int | None] = []  # oldest first, None where a movie has left
    used: dict[int, bool] = {}  # of the cached movies
    hand = 0
    hits = np.zeros(len(movies), dtype=bool)
    for i, movie in enumerate(movies.tolist()):
        if movie in used:
            hits[i] = used[movie] = True
            continue
        while len(used) >= capacity:
            if hand == len(queue):  # round again
                queue, hand = [other for other in queue if other is not None], 0
            candidate = queue[hand]
            if candidate is not None and used[candidate]:
                used[candidate] = False
            elif candidate is not None:
                queue[hand] = None
                del used[candidate]
            hand += 1
        queue.append(movie)
        used[movie] = False
    return hits


def arc(movies: np.ndarray, capacity: int) -> np.ndarray:
    """Which requests hit ARC, which balances recency and frequency by itself.

    (Megiddo and Modha 2003, "ARC: a self-tuning, low overhead replacement cache".)
    Args, returns: as `lru`.
    """
    once, twice, once_ghosts, twice_ghosts = (OrderedDict() for _ in range(4))
    target = 0.0  # of the movies seen once
    hits = np.zeros(len(movies), dtype=bool)

    def evict(from_twice_ghosts=False):
        full = len(once) > target or (from_twice_ghosts and len(once) == target)
        source, ghosts = (once, once_ghosts) if once and full else (twice, twice_ghosts)
        ghosts[source.popitem(last=False)[0]] = None

    for i, movie in enumerate(movies.tolist()):
        if movie in once or movie in twice:
            hits[i] = True
            once.pop(movie, None)
            twice.pop(movie, None)
            twice[movie] = None
        elif movie in once_ghosts or movie in twice_ghosts:
            ratio = len(once_ghosts) / max(len(twice_ghosts), 1)
            recent = movie in once_ghosts
            step = max(1, 1 / ratio if recent else ratio)
            target = min(target + step, capacity) if recent else max(target - step, 0)
            if len(once) + len(twice) >= capacity:
                evict(not recent)
            (once_ghosts if recent else twice_ghosts).pop(movie)
            twice[movie] = None
        else:
            if len(once) + len(once_ghosts) >= capacity:
                if once_ghosts:
                    once_ghosts.popitem(last=False)
                    if len(once) + len(twice) >= capacity:
                        evict()
                else:
                    once.popitem(last=False)
            elif len(once) + len(twice) >= capacity:
                total = len(once) + len(twice) + len(once_ghosts) + len(twice_ghosts)
                if total >= 2 * capacity:
                    twice_ghosts.popitem(last=False)
                evict()
            once[movie] = None
    return hits


def belady(movies: np.ndarray, capacity: int) -> np.ndarray:
    """Which requests hit the best possible cache: it knows when each movie is next.

    What is requested again last makes room, the newcomer included, which is then not
    kept at all. (Bélády 1966, "A study of replacement algorithms", with bypass.)

    Args, returns: as `lru`.
    """
    following = np.full(len(movies), len(movies))
    last: dict[int, int] = {}
    for i in range(len(movies) - 1, -1, -1):
        following[i] = last.get(movies[i], len(movies))
        last[movies[i]] = i
    cached: dict[int, int] = {}  # movie → its next request
    heap: list[tuple[int, int]] = []
    hits = np.zeros(len(movies), dtype=bool)
    for i, (movie, after) in enumerate(zip(movies.tolist(), following, strict=True)):
        hits[i] = movie in cached
        cached[movie] = after
        heappush(heap, (-after, movie))
        while len(cached) > capacity:
            when, gone = heappop(heap)
            if cached.get(gone) == -when:  # else the entry is out of date
                del cached[gone]
    return hits


REACTIVE: dict[str, Callable[..., np.ndarray]] = {
    "lru": lru,
    "lfu": lfu,
    "lfu_decayed": lfu,
    "s3_fifo": s3_fifo,
    "sieve": sieve,
    "arc": arc,
    "belady": belady,
}


@dataclass(frozen=True)
class Correction:
    """How what was just requested corrects a forecast, see `hybrid_hit_ratio`.

    Attributes:
        half_life: in requests, after which a request counts half.
        own: taken from a movie's log share for each such request of its own.
        near: how far the requests of its neighbours in the catalogue change it.
    """

    half_life: float = 30.0
    own: float = 0.0
    near: float = 0.0


CORRECTIONS = tuple(
    Correction(half_life, own, near)
    for half_life, own, near in product((30.0, 100.0), (0.0, 0.3, 1.0), (0.0, 0.3, 0.6))
)


def hybrid_hit_ratio(
    forecast: np.ndarray,
    movies: np.ndarray,
    request_slots: np.ndarray,
    slots: Sequence[int],
    capacity: int = CACHE_K,
    correction: Correction = CORRECTIONS[0],
) -> np.ndarray:
    """Hit ratio of a cache filled by a forecast and corrected by what is requested.

    After every 20 requests the cache takes the K movies of highest score

        ln q(i,t) − own · r_i + near · ln((R_i + ε) / (E_i + ε)),

    with r_i the movie's recent requests in the slot, R_i those around it in the
    catalogue (Gaussian weights, 30 places), E_i what the forecast gives these, and
    ε = 1 / 30. A slot's requests come from a few users at a time: nobody requests a
    movie twice, so a movie just requested can make room, and people who go through the
    catalogue meet its neighbours. Both are choices for validation slots to make.

    Args:
        forecast: (T, M) predicted shares, columns in the order of movieId.
        movies, request_slots, slots, capacity: as `reactive_hit_ratio`.
        correction: half-life and weights.

    Returns:
        (slots,) float64 in [0, 1], NaN in a slot without requests.
    """
    ratios = []
    for slot in np.asarray(slots):
        first, last = np.searchsorted(request_slots, [slot, slot + 1])
        hits = _corrected_hits(
            np.asarray(forecast[slot], dtype=float),
            movies[first:last],
            capacity,
            correction,
        )
        ratios.append(hits / (last - first) if last > first else np.nan)
    return np.array(ratios)


def _corrected_hits(q, movies, capacity, correction) -> int:
    """Hits of the hybrid in one slot."""
    keep = 0.5 ** (REFILL / correction.half_life)
    recent, hits = np.zeros(len(q)), 0
    log_q, expected = np.log(np.maximum(q, 1e-300)), gaussian_filter1d(q, NEAR)
    for start in range(0, len(movies), REFILL):
        score = log_q - correction.own * recent
        if correction.near and start:
            around = gaussian_filter1d(recent, NEAR) + 1 / NEAR
            score += correction.near * np.log(
                around / (recent.sum() * expected + 1 / NEAR)
            )
        cached = np.zeros(len(q), dtype=bool)
        cached[np.argsort(-score, kind="stable")[:capacity]] = True
        block = movies[start : start + REFILL]
        hits += int(cached[block].sum())
        recent = keep * recent + np.bincount(block, minlength=len(q))
    return hits


def best_correction(
    forecast: np.ndarray,
    movies: np.ndarray,
    request_slots: np.ndarray,
    slots: Sequence[int],
    capacity: int = CACHE_K,
) -> Correction:
    """The correction of CORRECTIONS with most hits in the given (validation) slots."""

    def ratio(correction):
        log = (movies, request_slots, slots, capacity)
        return np.nanmean(hybrid_hit_ratio(forecast, *log, correction))

    return max(CORRECTIONS, key=ratio)


def best_half_life(
    movies: np.ndarray,
    request_slots: np.ndarray,
    slots: Sequence[int],
    capacity: int = CACHE_K,
) -> float:
    """The half-life of HALF_LIVES with most hits of `lfu` in the given slots."""

    def ratio(half_life):
        log = (movies, request_slots, slots, capacity)
        return np.nanmean(reactive_hit_ratio("lfu_decayed", *log, half_life=half_life))

    return max(HALF_LIVES, key=ratio)


def reactive_hit_ratio(
    policy: str,
    movies: np.ndarray,
    request_slots: np.ndarray,
    slots: Sequence[int],
    capacity: int = CACHE_K,
    **parameters,
) -> np.ndarray:
    """Hit ratio of a reactive cache in each given slot, warm from all earlier slots.

    Args:
        policy: a key of REACTIVE.
        movies: (requests,) movie index of each request, in the order of time.
        request_slots: (requests,) slot index of each request, never decreasing.
        slots: the slots to report.
        capacity: number of movies that the cache holds.
        parameters: of the policy, such as `half_life`.

    Returns:
        (slots,) float64 in [0, 1]: hits / requests of the slot, NaN in a slot without
        requests. Leave those out of a mean, as all measures here do.

    Raises:
        ValueError: the requests are not in the order of their slots.
    """
    if (np.diff(request_slots) < 0).any():
        raise ValueError("requests must be in the order of time; sort the log first")
    hits = REACTIVE[policy](movies, capacity, **parameters)
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
