"""How well rating models predict: errors, splits, intervals, cold start."""

import time
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from lib.recommenders.data import RatingData
from lib.recommenders.rating.entities import Profile
from lib.recommenders.rating.model import RatingModel, root_mean_square
from lib.schema import AGE, GENDER, MOVIE, OCCUPATION, RATING, USER, ZIP


def errors(model: RatingModel, rows: pd.DataFrame) -> np.ndarray:
    """Predicted less true rating of each row, stars, (rows,)."""
    return model.predict(rows) - rows[RATING].to_numpy()


def error_metrics(errors: np.ndarray) -> dict[str, float]:
    """rmse and mae in stars, mse in stars²; all at least 0, lower is better."""
    mse = float(np.mean(np.square(errors)))
    return {"rmse": mse**0.5, "mse": mse, "mae": float(np.mean(np.abs(errors)))}


def fit_and_measure(
    model: RatingModel, train: pd.DataFrame, test: pd.DataFrame, data: RatingData
) -> dict[str, float]:
    """Fits on the training rows, measures on the others.

    Returns:
        rmse, mse, mae on the test rows, fit_seconds, predict_seconds.
    """
    start = time.perf_counter()
    model.fit(train, data.users, data.movies)
    fitted = time.perf_counter()
    metrics = error_metrics(errors(model, test))
    seconds = {
        "fit_seconds": fitted - start,
        "predict_seconds": time.perf_counter() - fitted,
    }
    return metrics | seconds


def over_folds(
    make: Callable[[], RatingModel],
    folds: Iterable[tuple[pd.DataFrame, pd.DataFrame]],
    data: RatingData,
) -> pd.DataFrame:
    """`fit_and_measure` of a fresh model on every fold: one row per fold."""
    rows = [fit_and_measure(make(), train, test, data) for train, test in folds]
    return pd.DataFrame(rows)


def new_user_split(
    ratings: pd.DataFrame, share: float = 0.2, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits off all ratings of some users: (known users' rows, new users' rows)."""
    users = np.unique(ratings[USER])
    order = np.random.default_rng(seed).permutation(len(users))
    new = np.isin(ratings[USER], users[order[: round(share * len(users))]])
    return ratings[~new], ratings[new]


def profile_of(users: pd.DataFrame, user: int) -> Profile:
    """What a user's row says, as a new user would type it in."""
    row = users.set_index(USER).loc[user]
    age = 0 if pd.isna(row[AGE]) else int(row[AGE])
    return Profile(age, *(str(row[name]) for name in (GENDER, OCCUPATION, ZIP)))


def new_user_rmse(model: RatingModel, rows: pd.DataFrame, users: pd.DataFrame) -> float:
    """RMSE in stars on rows of users the model knows by their profile alone.

    Args:
        model: fitted without these users' ratings.
        rows: their ratings.
        users: table with their age, gender, occupation and zip.
    """
    squares = []
    for user, part in rows.groupby(USER):
        scores = model.score_movies(profile_of(users, user))
        position = model.catalogue.locate(part)[1]
        squares.append(scores[position] - part[RATING].to_numpy())
    return root_mean_square(np.concatenate(squares))


def movie_mean_rmse(train: pd.DataFrame, rows: pd.DataFrame, damping=5.0) -> float:
    """RMSE in stars of each movie's damped mean rating: what a new user costs."""
    mean = train[RATING].mean()
    groups = (train[RATING] - mean).groupby(train[MOVIE])
    means = groups.sum() / (groups.size() + damping)
    predicted = mean + rows[MOVIE].map(means).fillna(0.0)
    return root_mean_square((predicted - rows[RATING]).to_numpy())
