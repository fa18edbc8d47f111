"""The first course report's LSTM, exactly as it was, to show what its RMSE measured.

A student's answer to the brief reports a test RMSE between 0.017 and 0.027 after 30 to
150 epochs. Its network reads the first 1000 rows of the combined table, in which rows
of different movies follow one another; it sees one row of history; it scales with the
extremes of all rows, test rows included; and the last column, the one it predicts, is
the number of the slot and not the popularity.
"""

import keras
import numpy as np
import pandas as pd

from lib.errors import UserError
from lib.schema import (
    GENRES,
    MEAN_RATING,
    MOVIE,
    POPULARITY,
    RELEASE_YEAR,
    REQUESTS,
    SLOT,
)

ROWS, TRAIN_SHARE, LEAST_ROWS, BATCH = 1000, 0.7, 10, 72
REPORTED = {30: 0.024, 50: 0.027, 70: 0.020, 100: 0.017, 150: 0.021}


def combined_table(panel: pd.DataFrame) -> pd.DataFrame:
    """The columns that the report kept, the slot number last.

    Args:
        panel: the panel, sorted by slot then movieId.

    Returns:
        The first 1000 rows, all where there are fewer, as float64: movieId, genres
        (each distinct combination coded from 1 on), release year, mean rating,
        requests, popularity, slot number.
    """
    head = panel.head(ROWS)
    table = pd.DataFrame(
        {
            MOVIE: head[MOVIE],
            GENRES: pd.factorize(head[GENRES])[0] + 1,
            RELEASE_YEAR: head[RELEASE_YEAR].fillna(0),
            MEAN_RATING: head[MEAN_RATING].fillna(0),
            REQUESTS: head[REQUESTS],
            POPULARITY: head[POPULARITY],
            SLOT: pd.factorize(head[SLOT])[0] + 1,
        }
    )
    return table.astype(float).reset_index(drop=True)


def as_reported(table: pd.DataFrame):
    """Scale all rows by their own extremes, then pair a row with the next slot number.

    Args:
        table: from `combined_table`.

    Returns:
        x (rows − 1, 1, 7) and y (rows − 1,), both scaled to 0…1 with the test rows'
        extremes too.
    """
    low, high = table.min(), table.max()
    scaled = (table - low) / (high - low).replace(0, 1)
    x = scaled.to_numpy()[:-1, None, :]
    return x.astype("float32"), scaled[SLOT].to_numpy()[1:].astype("float32")


def reproduce(table: pd.DataFrame, epochs) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Train LSTM(50) → Dense(1) as reported: MAE, Adam, batches of 72, no shuffling.

    Args:
        table: from `combined_table`.
        epochs: numbers of epochs at which the test RMSE is read off one training.

    Returns:
        One row per number of epochs: RMSE on the test rows, those after the first 70 %
        (scaled units), the reported RMSE, and that of simply repeating the row before;
        and the loss (MAE) of training and test rows, one row per epoch.

    Raises:
        UserError: the table is too short to be cut in two.
    """
    if len(table) < LEAST_ROWS:
        raise UserError(
            f"the panel has {len(table)} rows; expected {LEAST_ROWS} or more, which "
            "the first report's network learns from: take a longer log or finer slots."
        )
    keras.utils.set_random_seed(0)
    x, y = as_reported(table)
    split = int(TRAIN_SHARE * len(table))
    test = slice(split, None)
    model = keras.Sequential(
        [keras.Input(x.shape[1:]), keras.layers.LSTM(50), keras.layers.Dense(1)]
    )
    model.compile(optimizer="adam", loss="mae", jit_compile=False)
    errors, losses = [], []
    cuts = range(BATCH, split, BATCH)
    batches = list(
        zip(np.split(x[:split], cuts), np.split(y[:split], cuts), strict=True)
    )
    # `fit` would spend nearly all of its time on setting up each short epoch.
    for epoch in range(1, max(epochs) + 1):
        each = [model.train_on_batch(*batch) for batch in batches]
        loss = np.average(each, weights=[len(rows) for rows, _ in batches])
        losses.append((loss, model.test_on_batch(x[test], y[test])))
        if epoch in epochs:
            error = model.predict_on_batch(x[test])[:, 0] - y[test]
            errors.append({"epochs": epoch, "rmse": float(np.sqrt(np.mean(error**2)))})
    result = pd.DataFrame(errors).set_index("epochs")
    result["reported"] = pd.Series(REPORTED)
    repeated = x[test][:, 0, table.columns.get_loc(SLOT)]
    result["repeat_previous_row"] = float(np.sqrt(np.mean((repeated - y[test]) ** 2)))
    curves = pd.DataFrame(losses, columns=["training rows", "test rows"], dtype=float)
    return result, curves.set_index(pd.RangeIndex(1, len(curves) + 1, name="epoch"))
