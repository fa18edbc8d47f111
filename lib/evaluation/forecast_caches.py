"""Caches that are filled by a forecast, once per slot or corrected within it.

A forecast fills a cache of K movies once per slot (`metrics.hit_ratio_at_k_per_slot`);
the hybrid lets what is requested in the slot correct it. The oracle, their bound, fills
the cache with the K most requested movies of the slot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, product

import numpy as np
from scipy.ndimage import gaussian_filter1d

from lib.evaluation.metrics import CACHE_K, hit_ratio_at_k_per_slot, top_k

REFILL = 20  # requests after which the hybrid is filled again
NEAR = 30  # places of the catalogue


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
    log = (movies, request_slots, slots, capacity)
    return _hybrid_hit_ratios(forecast, *log, [correction])[0]


def _hybrid_hit_ratios(
    forecast, movies, request_slots, slots, capacity, corrections
) -> np.ndarray:
    """`hybrid_hit_ratio` of several corrections of one half-life, (number, slots)."""
    ratios = []
    for slot in np.asarray(slots):
        first, last = np.searchsorted(request_slots, [slot, slot + 1])
        q = np.asarray(forecast[slot], dtype=float)
        hits = _corrected_hits(q, movies[first:last], capacity, corrections)
        ratios.append(hits / (last - first) if last > first else hits * np.nan)
    return np.transpose(ratios)


def _corrected_hits(q, movies, capacity, corrections) -> np.ndarray:
    """Hits of the hybrid in one slot with each of some corrections."""
    keep = 0.5 ** (REFILL / corrections[0].half_life)
    recent, hits = np.zeros(len(q)), np.zeros(len(corrections))
    log_q, expected = np.log(np.maximum(q, 1e-300)), gaussian_filter1d(q, NEAR)
    for start in range(0, len(movies), REFILL):
        block, surprise = movies[start : start + REFILL], 0.0
        if start and any(one.near for one in corrections):
            around = gaussian_filter1d(recent, NEAR) + 1 / NEAR
            surprise = np.log(around / (recent.sum() * expected + 1 / NEAR))
        for number, one in enumerate(corrections):
            score = log_q - one.own * recent + one.near * surprise
            cached = np.zeros(len(q), dtype=bool)
            cached[top_k(score[None], capacity)[0]] = True
            hits[number] += cached[block].sum()
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
    log, ratios = (movies, request_slots, slots, capacity), []
    for _, alike in groupby(CORRECTIONS, lambda one: one.half_life):
        ratios.extend(_hybrid_hit_ratios(forecast, *log, list(alike)))
    return CORRECTIONS[int(np.argmax(np.nanmean(ratios, axis=1)))]


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
