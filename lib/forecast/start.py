"""What every network starts from: an EWMA of the known movies, a bucket of new ones.

A movie counts as known from its first request on. The share ν of a slot's requests that
goes to movies never requested before is forecast by their share so far, slots long ago
counting less; the rest is divided among the known movies like their discounted requests
(the count-weighted EWMA of `lib.forecast.baselines`):

    q(i) = (1 − ν) (a(i) + κ) / Σ_known (a(j) + κ)      ν / new movies of the grid

on the left for a known movie, on the right for one of the bucket. Nothing on the left
depends on which movies, or how many, later slots will request; the number of movies in
the bucket is that of the columns that have to be forecast, and only divides ν.
"""

from collections.abc import Sequence

import numpy as np

from lib.evaluation.splits import Split
from lib.progress import every

ALPHAS = (0.005, *(i / 100 for i in range(1, 20)), *(i / 20 for i in range(4, 20)))
PSEUDO_COUNTS = (0.003, 0.01, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 4.0)
SPANS = (1, 2, 4, 8, 16, 1e9)  # slots: half-lives of the share of new movies


class Start:
    """State of the forecast for several parameter values at once, moved on by slots.

    A slot without requests is passed over, as if time had stood still.

    Attributes:
        seen: bool array (movies,), requested so far.
        amounts: float64 array (alphas, movies), discounted requests a(i).
    """

    def __init__(self, movies: int, alphas: Sequence[float], spans: Sequence[float]):
        """Begin before the first slot.

        Args:
            movies: number of movies.
            alphas: what a slot makes older requests lose, from 0 to 1.
            spans: half-lives of the share of new movies, in slots.
        """
        self.keep = 1 - np.asarray(alphas, float)[:, None]
        self.fade = 0.5 ** (1 / np.asarray(spans, float))
        self.seen = np.zeros(movies, bool)
        self.amounts = np.zeros((len(alphas), movies))
        self.new, self.total = np.zeros((2, len(spans)))

    def update(self, counts: np.ndarray) -> None:
        """Take in the requests of a slot, (movies,)."""
        requested = np.flatnonzero(counts)
        if not len(requested):
            return
        got = counts[requested].astype(float)
        self.amounts *= self.keep
        self.amounts[:, requested] += got
        fresh = got[~self.seen[requested]].sum()
        self.new = self.new * self.fade + fresh
        self.total = self.total * self.fade + got.sum()
        self.seen[requested] = True

    @property
    def bucket(self) -> np.ndarray:
        """ν for each span: expected share of movies not requested yet."""
        return (self.new + 0.5) / (self.total + 1)

    def level(self, kappa: float) -> np.ndarray:
        """(a + κ) / Σ_known (a + κ) of every movie, (alphas, movies).

        A movie not requested yet stands at κ and does not enter the sum.
        """
        known = max(np.count_nonzero(self.seen), 1)
        whole = self.amounts.sum(axis=1, keepdims=True) + kappa * known
        return (self.amounts + kappa) / whole

    def shares(self, kappa: float) -> np.ndarray:
        """q for the first alpha and span: float64 (movies,), sums to 1."""
        waiting = np.count_nonzero(~self.seen)
        bucket = self.bucket[0] if waiting else 0.0
        if waiting == len(self.seen):
            return np.full(waiting, 1 / waiting)
        known = (1 - bucket) * self.level(kappa)[0]
        return np.where(self.seen, known, bucket / max(waiting, 1))


def tune_start(counts: np.ndarray, split: Split) -> dict[str, float]:
    """Choose α, κ and the half-life of ν by cross-entropy on the validation slots.

    The cross-entropy is a sum of one part that only α and κ change and one that only ν
    changes, so each is chosen alone; neither depends on movies that later slots name.

    Args:
        counts: array (slots, movies), requests.
        split: nothing from its test slots on is read.

    Returns:
        alpha, pseudo_count, span.
    """
    start = Start(counts.shape[1], ALPHAS, SPANS)
    known = np.zeros((len(ALPHAS), len(PSEUDO_COUNTS)))
    bucket = np.zeros(len(SPANS))
    for t in every(range(split.test.start), "tuning the start of the networks"):
        requested = np.flatnonzero(counts[t])
        if t in split.validation and len(requested):
            share = counts[t][requested] / counts[t].sum(dtype=float)
            seen = start.seen[requested]
            amounts, size = start.amounts[:, requested[seen]], start.seen.sum()
            whole = start.amounts.sum(axis=1)
            for k, kappa in enumerate(PSEUDO_COUNTS if size else ()):
                nats = np.log(whole + kappa * size) * share[seen].sum()
                known[:, k] += nats - np.log(amounts + kappa) @ share[seen]
            new = share[~seen].sum()
            nu = start.bucket
            bucket -= new * np.log(nu) + (1 - new) * np.log1p(-nu)
        start.update(counts[t])
    a, k = np.unravel_index(known.argmin(), known.shape)
    return {
        "alpha": ALPHAS[a],
        "pseudo_count": PSEUDO_COUNTS[k],
        "span": SPANS[bucket.argmin()],
    }
