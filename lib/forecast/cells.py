"""Cells of the slot × movie grid that a model is fitted on: all, or drawn ones.

Most movies of a large catalogue are not requested in a slot, and one such cell teaches
what the next one does. Where a grid has more than MOST_CELLS cells, each slot brings a
part of its movies, drawn with a chance π(i) in proportion to how much the movie weighs
in the slot: its share of the requests, its share in the networks' starting point, and
a uniform part. A drawn cell stands for 1 / π cells, so that sums over movies are
estimated without bias (Horvitz and Thompson 1952); what weighs much is always there.
"""

import numpy as np

from lib.evaluation.splits import Split
from lib.forecast.features import Features

MOST_CELLS = 1_000_000  # of the slots fitted on; a larger grid's cells are drawn
DRAWN_CELLS = 500_000  # about so many are drawn
LAGS = 3  # slots of the window
LEFT_OUT = (0, 1 / 6, 1 / 3)  # of the training slots, at their beginning


class Known:
    """What a network knows of every movie before a slot, read slot by slot.

    Row t is known before slot t: the series of the last `lags` slots, latest first,
    then the context; zero where nothing lies before.
    """

    def __init__(self, data: Features, lags: int = LAGS):
        """Keep where to read.

        Args:
            data: features, row t known at the end of slot t.
            lags: slots of the window.
        """
        self.data, self.lags = data, lags

    @property
    def size(self) -> int:
        """Number of features."""
        data = self.data
        return self.lags * data.series.shape[-1] + data.context.shape[-1]

    def row(self, t: int, movies: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Features of some movies before slot t, float32 (movies, size)."""
        series, context = self.data.series, self.data.context
        width = series.shape[-1]
        number = series[0, movies].shape[0]
        known = np.zeros((number, self.size), np.float32)
        for lag in range(1, min(self.lags, t) + 1):
            known[:, (lag - 1) * width : lag * width] = series[t - lag, movies]
        if t:
            known[:, self.lags * width :] = context[t - 1, movies]
        return known


def beginnings(train: range) -> list[int]:
    """Slots that a fit may begin with, for the validation slots to choose from.

    At first hardly a movie has a past, and what is learnt there misleads: networks are
    spared the slots without a whole window, opponents are, too, and may skip more.

    Args:
        train: the training slots.

    Returns:
        Slots, ascending; two training slots at least are left.
    """
    last = max(train.stop - 2, 1)
    return sorted({min(max(LAGS, int(x * len(train))), last) for x in LEFT_OUT})


def judged(counts: np.ndarray, split: Split) -> list[int]:
    """Validation slots with requests, by which a model's parameters are chosen.

    Every second, third … of them where all have more than MOST_CELLS cells.

    Args:
        counts: (T, M) requests.
        split: the cut-offs.
    """
    busy = [t for t in split.validation if counts[t].any()]
    step = -(-len(busy) * counts.shape[1] // MOST_CELLS)
    return busy[:: max(step, 1)]


def draw(
    t: int, counts: np.ndarray, expected: np.ndarray, slots: int
) -> tuple[np.ndarray | slice, np.ndarray | None]:
    """Movies of a slot to fit on.

    Args:
        t: number of the slot; the same cells are drawn each time.
        counts: (M,) its requests.
        expected: (M,) shares that a simple forecast gives them.
        slots: how many slots are fitted on.

    Returns:
        Their indices, ascending, and how many movies each stands for, float64; all
        movies and None where they fit.
    """
    if slots * len(counts) <= MOST_CELLS:
        return slice(None), None
    chance = _chance(counts.astype(float), expected, DRAWN_CELLS // slots)
    chosen = np.random.default_rng(t).random(len(chance)) < chance
    return np.flatnonzero(chosen), 1 / chance[chosen]


def _chance(counts: np.ndarray, expected: np.ndarray, number: int) -> np.ndarray:
    """Chance to be drawn, float64 (M,), about `number` in sum."""
    size = counts / max(counts.sum(), 1) + expected / expected.sum() + 1 / len(counts)
    chance, scale = size, number / size.sum()
    for _ in range(20):  # what is drawn for sure leaves more to the others
        chance = np.minimum(scale * size, 1)
        scale *= number / chance.sum()
    return chance
