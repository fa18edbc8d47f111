"""Windows of `t_slot` slots for the four prediction types, as views of the grid.

A window that ends before slot t is the input for slot t. The brief's four types differ
in what one sample is and in how many outputs it has:

| type | input of one sample            | output                        |
| ---- | ------------------------------ | ----------------------------- |
| 1    | one movie's slots              | the next slot, at every step  |
| 2    | all movies' slots, one vector  | the next slot, at every step  |
| 3    | one movie's slots              | the next slot, once           |
| 4    | all movies' slots, one vector  | the next slot, once           |
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lib.errors import UserError

PREDICTION_TYPES = (1, 2, 3, 4)
MANY_TO_MANY = (1, 2)
JOINT = (2, 4)


def windows(values: np.ndarray, t_slot: int = 3) -> np.ndarray:
    """All windows of `t_slot` consecutive slots.

    Args:
        values: array (slots, ...), one row per slot of the contiguous grid.
        t_slot: number of slots in a window, at least 1.

    Returns:
        A read-only view (slots − t_slot + 1, t_slot, ...): no number is copied, so
        memory does not grow with `t_slot`.

    Raises:
        UserError: there are fewer slots than one window and its target need.
    """
    if t_slot < 1:
        raise UserError(f"t_slot is {t_slot}; expected a whole number from 1 on.")
    if len(values) <= t_slot:
        raise UserError(
            f"{len(values)} slots are too few for windows of t_slot={t_slot} and a "
            "next slot to predict; choose a finer SLOT or a smaller T_SLOT."
        )
    return np.moveaxis(sliding_window_view(values, t_slot, axis=0), -1, 1)


def inputs(values: np.ndarray, t_slot: int = 3) -> np.ndarray:
    """Windows that have a next slot: row k ends just before slot k + t_slot.

    Args:
        values: array (slots, ...).
        t_slot: number of slots in a window.

    Returns:
        A view (slots − t_slot, t_slot, ...).
    """
    return windows(values, t_slot)[:-1]


def targets(values: np.ndarray, t_slot: int, prediction_type: int) -> np.ndarray:
    """What each row of `inputs` has to predict.

    Args:
        values: array (slots, ...).
        t_slot: number of slots in a window.
        prediction_type: 1–4, see the table of this module.

    Returns:
        A view: (slots − t_slot, ...) for types 3 and 4, the slot after each window;
        (slots − t_slot, t_slot, ...) for types 1 and 2, the slot after each step.

    Raises:
        UserError: the prediction type is not 1, 2, 3 or 4.
    """
    if prediction_type not in PREDICTION_TYPES:
        raise UserError(
            f"prediction_type is {prediction_type!r}; expected 1, 2, 3 or 4."
        )
    if prediction_type in MANY_TO_MANY:
        return windows(values, t_slot)[1:]
    return values[t_slot:]
