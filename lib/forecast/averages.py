"""Running averages of shares and requests, which simple forecasts are made of.

Each takes in a slot's requests. A slot without requests has no shares, so it is passed
over, as if time had stood still. All parameter values move on together.
"""

from collections import deque
from collections.abc import Sequence

import numpy as np


class Average:
    """The first step of a forecast, for several values of its parameter at once.

    This one keeps the share of the latest slot, also called the random walk or naive
    forecast: m(t) = s(t).

    Attributes:
        state: float64 array (values, movies); what is smoothed into shares.
        begun: whether a slot with requests has been taken in.
    """

    def __init__(self, movies: int, values: Sequence[float]):
        """Begin before the first slot, with some values of the parameter."""
        self.values = np.asarray(values)[:, None]
        self.state, self.begun = np.zeros((len(values), movies)), False

    def update(self, counts: np.ndarray) -> None:
        """Take in a slot's requests, float64 (movies,)."""
        if total := counts.sum():
            self.take(counts, total)
            self.begun = True

    def take(self, counts: np.ndarray, total: float) -> None:
        """Take in a slot that has requests: here, keep its shares."""
        self.state[:] = counts / total


class Window(Average):
    """Mean share over the latest slots with requests; the value is their number w.

    m(t) = mean(s(t) … s(t − w + 1)), of as many as there are at the start.
    """

    def __init__(self, movies, values):
        super().__init__(movies, values)
        self.sums = np.zeros_like(self.state)
        self.kept: deque = deque(maxlen=int(self.values.max()))

    def take(self, counts, total):
        for row, length in enumerate(self.values[:, 0]):
            if length <= len(self.kept):
                where, share = self.kept[-int(length)]
                self.sums[row, where] -= share
        where = np.flatnonzero(counts)
        self.kept.append((where, counts[where] / total))
        self.sums[:, where] += self.kept[-1][1]
        # What was added and taken away again may leave less than nothing.
        lengths = np.minimum(self.values, len(self.kept))
        self.state = np.maximum(self.sums, 0) / lengths


class Smoothed(Average):
    """Exponentially weighted mean of the shares; the value is α.

    m(t) = (1 − α) m(t−1) + α s(t), m(0) = s(0): every slot weighs the same, however few
    requests it had. (Brown 1956; Holt 1957.)
    """

    def take(self, counts, total):
        keep = 1 - self.values if self.begun else 0.0
        self.state = keep * self.state + (1 - keep) * (counts / total)


class Discounted(Average):
    """Exponentially discounted requests; the value is α, 0 to forget nothing.

    a(t) = (1 − α) a(t−1) + c(t): busy slots weigh more.
    """

    def take(self, counts, total):
        self.state *= 1 - self.values
        self.state += counts


class Season(Average):
    """Shares of the slot one period ago; the value is the period P.

    m(t) = s(t + 1 − P); the latest slot's where t + 1 < P or that slot had no requests.
    """

    def __init__(self, movies, values):
        super().__init__(movies, values)
        self.kept: deque = deque(maxlen=int(self.values.max()))
        self.latest = None

    def update(self, counts):
        where, total = np.flatnonzero(counts), counts.sum()
        share = counts[where] / max(total, 1)
        self.kept.append((where, share) if total else None)
        self.latest = self.kept[-1] or self.latest
        self.begun = self.latest is not None
        self.state[:] = 0
        for row, period in enumerate(self.values[:, 0] if self.begun else ()):
            old = self.kept[-int(period)] if period <= len(self.kept) else None
            where, share = old or self.latest
            self.state[row, where] = share
