"""Cutting time into training, validation and test slots.

Slots are never shuffled: training comes before validation, validation before test. A
`Split` hands out data through `before_test` and `seen`, so that what is fitted or
chosen cannot reach the test slots by a slip of an index.
"""

from dataclasses import dataclass

import numpy as np

from lib.errors import UserError

PARTS = ("train", "validation", "test")  # in the order of time


@dataclass(frozen=True)
class Split:
    """Three adjacent ranges of slot indices, in the order of time.

    Attributes:
        train: slots that models are fitted on, from 0.
        validation: slots that parameters are chosen on, right after `train`.
        test: slots that are only scored, right after `validation`.

    Raises:
        ValueError: a range is empty, or the ranges are not adjacent and in order.
    """

    train: range
    validation: range
    test: range

    def __post_init__(self):
        starts = (self.train.start, self.validation.start, self.test.start)
        if starts != (0, self.train.stop, self.validation.stop):
            raise ValueError(f"parts must follow each other from slot 0, got {self}")
        if not (self.train and self.validation and self.test):
            raise ValueError(f"no part may be empty, got {self}")

    @property
    def parts(self) -> dict[str, range]:
        """The three ranges by name, in the order of time."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def before_test(self, rows: np.ndarray) -> np.ndarray:
        """Rows that fitting and choosing may use: those before the first test slot."""
        return rows[: self.test.start]

    def seen(self, rows: np.ndarray) -> np.ndarray:
        """Rows up to the last test slot: all that evaluating this split may touch."""
        return rows[: self.test.stop]


def time_split(n_slots: int) -> Split:
    """Cut n slots once: three fifths to train, one for validation, the rest for test.

    The cuts are floor(3 n / 5) and floor(4 n / 5).

    Raises:
        UserError: one of the three parts would be empty.
    """
    first, second = 3 * n_slots // 5, 4 * n_slots // 5
    if not 0 < first < second < n_slots:
        raise UserError(
            f"the data has {n_slots} slot(s), too few to cut into training (0.6), "
            "validation (0.2) and test parts: choose a shorter slot"
        )
    return Split(range(first), range(first, second), range(second, n_slots))


def rolling_origins(n_slots: int, n_origins: int) -> list[Split]:
    """Several cut-offs that walk forward through the last part of the data.

    The slots from floor(3 n / 5) on are cut into `n_origins` adjacent test blocks of
    (nearly) equal length; the last ends at n. Each block is scored by models that know
    only what lies before it: the floor(n / 5) slots right before the block are its
    validation part, everything earlier its training part. Test blocks do not overlap,
    so their slots may be pooled in one paired comparison. (Tashman 2000,
    "Out-of-sample tests of forecasting accuracy".)

    Args:
        n_slots: number of slots.
        n_origins: number of cut-offs.

    Raises:
        UserError: there are too few slots for that many cut-offs.
    """
    first, length = 3 * n_slots // 5, max(1, n_slots // 5)
    if n_origins < 1 or n_slots - first < n_origins or first - length < 1:
        raise UserError(
            f"the data has {n_slots} slot(s), too few for {n_origins} cut-offs from "
            "0.6 of them on: choose a shorter slot or fewer cut-offs"
        )
    # Integer arithmetic spreads the remainder over the blocks.
    tests = n_slots - first
    bounds = [first + i * tests // n_origins for i in range(n_origins + 1)]
    return [
        Split(range(cut - length), range(cut - length, cut), range(cut, end))
        for cut, end in zip(bounds, bounds[1:], strict=False)
    ]
