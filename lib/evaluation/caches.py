"""Caches that react to each request.

A cache of K movies sees the request log one request at a time. Reactive caches decide
by the past requests alone and may change at every request, so they can win where slots
are long and lose where popularity is steady. Bélády's rule, their bound, knows the
future. Caches that are filled by a forecast are in `forecast_caches`.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush, heapreplace
from math import inf, log2

import numpy as np

from lib.evaluation.metrics import CACHE_K

HALF_LIVES = (300, 1_000, 3_000, 10_000, 30_000, 100_000)  # requests


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

    Args, returns: as `lru`; half_life in requests.
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
            candidate = queue[hand]
            if candidate is not None and used[candidate]:
                used[candidate] = False
            elif candidate is not None:
                queue[hand] = None
                del used[candidate]
            hand += 1
            if hand == len(queue):  # round again, before a newcomer stands there
                queue, hand = [other for other in queue if other is not None], 0
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


def lirs(movies: np.ndarray, capacity: int) -> np.ndarray:
    """Which requests hit LIRS, which keeps what came back after few other movies.

    One place in a hundred is for newcomers. One that is requested again while it is
    more recent than the stalest of the others changes places with it, even if it has
    left the cache: as many movies that have left are remembered as the cache holds.
    (Jiang and Zhang 2002, "LIRS: an efficient low inter-reference recency set
    replacement policy".)

    Args, returns: as `lru`.
    """
    room = max(1, capacity // 100)
    kept: set[int] = set()  # cached: came back after few others
    newcomers, ghosts = OrderedDict(), OrderedDict()  # first in, first out
    recent: OrderedDict[int, None] = OrderedDict()  # from the stalest of `kept` on
    hits = np.zeros(len(movies), dtype=bool)
    for i, movie in enumerate(movies.tolist()):
        hits[i] = movie in kept or movie in newcomers
        if movie not in kept and len(kept) < capacity - room:
            kept.add(movie)
        elif movie not in kept:
            if not hits[i] and len(newcomers) == room:
                ghosts[newcomers.popitem(last=False)[0]] = None
                if len(ghosts) > capacity:
                    recent.pop(ghosts.popitem(last=False)[0], None)
            newcomers.pop(movie, None)
            ghosts.pop(movie, None)
            entering = movie
            if movie in recent:
                entering = recent.popitem(last=False)[0]
                kept.remove(entering)
                kept.add(movie)
            newcomers[entering] = None
        recent[movie] = None
        recent.move_to_end(movie)
        while recent and next(iter(recent)) not in kept:
            recent.popitem(last=False)
    return hits


def w_tinylfu(movies: np.ndarray, capacity: int) -> np.ndarray:
    """Which requests hit W-TinyLFU: the more frequent of two movies is let in.

    What leaves a small LRU window (a hundredth of the cache) enters the main part only
    if it was requested more often than the movie that would leave there. The main part
    is a segmented LRU, four fifths for movies requested again. Counts end at 15 and are
    halved every 10 · capacity requests; they are exact here, where the authors save
    memory by a sketch. (Einziger et al. 2017, "TinyLFU".)

    Args, returns: as `lru`.
    """
    window_size = max(1, capacity // 100)
    main_size = capacity - window_size
    window, probation, protected = OrderedDict(), OrderedDict(), OrderedDict()
    counts: Counter[int] = Counter()
    hits = np.zeros(len(movies), dtype=bool)
    for i, movie in enumerate(movies.tolist(), start=1):
        counts[movie] = min(counts[movie] + 1, 15)
        if i % (10 * capacity) == 0:
            counts = Counter({m: n // 2 for m, n in counts.items() if n > 1})
        hits[i - 1] = movie in window or movie in probation or movie in protected
        if movie in probation:
            del probation[movie]
            protected[movie] = None
            if len(protected) > 0.8 * main_size:
                probation[protected.popitem(last=False)[0]] = None
            continue
        part = protected if movie in protected else window
        part[movie] = None
        part.move_to_end(movie)
        if len(window) > window_size:
            candidate = window.popitem(last=False)[0]
            if len(probation) + len(protected) < main_size:
                probation[candidate] = None
            elif probation and counts[candidate] > counts[next(iter(probation))]:
                probation.popitem(last=False)
                probation[candidate] = None
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
    "lirs": lirs,
    "w_tinylfu": w_tinylfu,
    "belady": belady,
}


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
