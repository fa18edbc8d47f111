"""Rating models side by side: fitted under each protocol, forecasts kept, intervals."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd

from lib.evaluation.bootstrap import rmse_difference_interval, rmse_interval
from lib.files import replacing, seal, sealed
from lib.progress import announce
from lib.recommenders.data import (
    RatingData,
    five_folds,
    official_folds,
    one_fifth,
    random_split,
)
from lib.recommenders.rating.entities import Profile
from lib.recommenders.rating.model import RatingModel, TooLarge, rmse, root_mean_square
from lib.schema import AGE, GENDER, MOVIE, OCCUPATION, PREDICTED, RATING, USER, ZIP

RANDOM, U1, FIVE_FOLD = "random_80_20", "u1", "five_fold"
TRAIN_ROWS, ALL_ROWS, UNSEEN = "train_rows", "all_rows", "unseen_pairs"
HELD_OUT = (RANDOM, U1, FIVE_FOLD)
FOLD = "fold"
OVERALL = "mean"  # seed column of a seed-averaged row
FORECASTS = "forecasts"  # folder below data/processed/<run>
MEGABYTE = 2**20

Split = tuple[pd.DataFrame, pd.DataFrame]
Make = Callable[[], RatingModel]


@dataclass(frozen=True)
class Measured:
    """What is kept of one kind of model.

    Attributes:
        model: as fitted on four fifths drawn at random, first seed.
        forecasts: protocol → userId, movieId, rating, predicted (stars), fold; where
            further seeds are measured, predicted_<seed> of each.
        seconds: protocol → to fit one model, mean over folds.
        training: rows of the random four fifths.
        seeds: of the trainings, empty for a model without.
    """

    model: RatingModel
    forecasts: dict[str, pd.DataFrame]
    seconds: dict[str, float]
    training: pd.DataFrame
    seeds: Sequence[int] = ()

    def metrics(self, protocol: str) -> dict[str, float]:
        """rmse, mae (stars), mse (stars²), each the mean over folds and seeds."""
        return forecast_metrics(self.forecasts[protocol])

    @property
    def megabytes(self) -> float:
        """Size of the numbers that the fitted model keeps."""
        size = sum(array.nbytes for array in self.model.arrays.values())
        network = getattr(self.model, "network", None)
        return (size + (4 * network.count_params() if network else 0)) / MEGABYTE


def take_users(data: RatingData, count: int) -> RatingData:
    """The ratings of some users only, drawn once and for all; 0 keeps everybody."""
    ids = np.unique(data.ratings[USER])
    if not 0 < count < len(ids):
        return data
    kept = np.random.default_rng(0).choice(ids, count, replace=False)
    users = data.users
    if users is not None:
        users = users[users[USER].isin(kept)].reset_index(drop=True)
    ratings = data.ratings[data.ratings[USER].isin(kept)].reset_index(drop=True)
    return replace(data, ratings=ratings, users=users)


def sound_splits(data: RatingData, folds: int = 0) -> dict[str, list[Split]]:
    """The held-out protocols of a data set.

    Args:
        data: the data set.
        folds: how many of the five folds to use; 0 leaves the cross-validation out.

    Returns:
        Protocol → (train, test) pairs: random_80_20; u1 where the set comes with it;
        five_fold, the official folds where there are some.
    """
    splits = {RANDOM: [random_split(data.ratings)]}
    users = data.ratings[USER].unique()
    official = [
        tuple(part[part[USER].isin(users)] for part in pair)
        for pair in official_folds(data)
    ]
    if official:
        splits[U1] = official[:1]
    if folds:
        splits[FIVE_FOLD] = (official or five_folds(data))[:folds]
    return splits


def measure(
    make: Callable[..., RatingModel],
    data: RatingData,
    splits: Mapping[str, list[Split]],
    seeds: Sequence[int] = (),
) -> Measured:
    """Fits a fresh model for every split and keeps its forecasts.

    u1 is the first of the official folds, so it is fitted once for both protocols.

    Args:
        make: makes a model; where there are seeds it takes one as `seed`.
        data: what the model may read of users and movies.
        splits: protocol → (train, test) pairs, see `sound_splits`.
        seeds: of the trainings. Each of them is measured on u1, or on the random fifth
            where there is no u1; all other rows with the first one alone.

    Returns:
        A `Measured`.

    Raises:
        TooLarge: the model does not fit in memory.
    """
    first, *others = [partial(make, seed=seed) for seed in seeds] or [make]
    (train, test), *_ = splits[RANDOM]
    model, forecast, took = fit_and_forecast(first, train, test, data)
    fitted = forecast_of(model, train)
    forecasts = {RANDOM: forecast, TRAIN_ROWS: fitted}
    forecasts[ALL_ROWS] = pd.concat([fitted, forecast], ignore_index=True)
    seconds, done = {RANDOM: took}, {}
    for protocol in (U1, FIVE_FOLD):
        for number, pair in enumerate(splits.get(protocol, [])):
            if number not in done:
                done[number] = fit_and_forecast(first, *pair, data)[1:]
        parts = [done[k] for k in range(len(splits.get(protocol, [])))]
        if parts:
            tables = [part.assign(**{FOLD: k}) for k, (part, _) in enumerate(parts, 1)]
            forecasts[protocol] = pd.concat(tables, ignore_index=True)
            seconds[protocol] = float(np.mean([took for _, took in parts]))
    seeded = U1 if U1 in splits else RANDOM
    for seed, other in zip(seeds[1:], others, strict=True):
        again = fit_and_forecast(other, *splits[seeded][0], data)[1]
        forecasts[seeded][f"{PREDICTED}_{seed}"] = again[PREDICTED]
    return Measured(model, forecasts, seconds, train, seeds)


def measure_all(
    nb,
    makes: Mapping[str, Callable[..., RatingModel]],
    data: RatingData,
    splits,
    seeds: Sequence[int] = (),
) -> dict[str, Measured]:
    """`measure` and `record` of several models for a notebook.

    A model that does not fit in memory is named in a sentence and left out.
    """
    found = {}
    for name, make in makes.items():
        try:
            found[name] = measure(make, data, splits, seeds)
        except TooLarge as error:
            nb.say(f"**{error}.**")
        else:
            record(nb, found[name], name)
    return found


def fit_and_forecast(make: Make, train, test, data: RatingData):
    """Fits one model: (model, forecasts of the test rows, seconds to fit)."""
    model = make()
    model.tell = announce
    start = perf_counter()
    model.fit(train, data.users, data.movies)
    seconds = perf_counter() - start
    return model, forecast_of(model, test), seconds


def forecast_of(model: RatingModel, rows: pd.DataFrame) -> pd.DataFrame:
    """userId, movieId, rating, predicted (stars), fold 0."""
    table = rows[[USER, MOVIE, RATING]].reset_index(drop=True)
    return table.assign(**{PREDICTED: model.predict(rows), FOLD: 0})


def averaged(forecast: pd.DataFrame) -> pd.DataFrame:
    """The same rows with one prediction, the mean over the seeds."""
    predicted = forecast.filter(like=PREDICTED)
    mean = {PREDICTED: predicted.mean(axis=1)}
    return forecast.drop(columns=list(predicted)).assign(**mean)


def errors_of(forecast: pd.DataFrame) -> np.ndarray:
    """Predicted less true rating in stars, (rows, seeds)."""
    truth = forecast[[RATING]].to_numpy(float)
    return forecast.filter(like=PREDICTED).to_numpy(float) - truth


def error_metrics(errors: np.ndarray) -> dict[str, float]:
    """rmse and mae in stars, mse in stars², means over the columns; lower is better."""
    mse = np.mean(np.square(errors), axis=0)
    found = {"rmse": np.sqrt(mse), "mse": mse, "mae": np.mean(np.abs(errors), axis=0)}
    return {name: float(np.mean(value)) for name, value in found.items()}


def forecast_metrics(forecast: pd.DataFrame) -> dict[str, float]:
    """rmse, mae (stars), mse (stars²), each the mean over the folds and seeds."""
    parts = [error_metrics(errors_of(part)) for _, part in forecast.groupby(FOLD)]
    return pd.DataFrame(parts).mean().to_dict()


def with_interval(forecast: pd.DataFrame) -> dict[str, float]:
    """`forecast_metrics` and the 95 % interval of the RMSE: rmse_low, rmse_high."""
    low, high = rmse_interval(errors_of(forecast), forecast[USER].to_numpy())
    return forecast_metrics(forecast) | {"rmse_low": low, "rmse_high": high}


def difference(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, float]:
    """RMSE of the first forecast less that of the second, on the same rows.

    Returns:
        difference, low, high: stars, with the 95 % bootstrap interval over users.

    Raises:
        ValueError: the forecasts are not of the same rows.
    """
    keys = [USER, MOVIE, FOLD]
    if not first[keys].equals(second[keys]):
        raise ValueError("the two forecasts are of different rows, expected the same")
    pair = errors_of(first), errors_of(second)
    low, high = rmse_difference_interval(*pair, first[USER].to_numpy())
    gap = forecast_metrics(first)["rmse"] - forecast_metrics(second)["rmse"]
    return {"difference": gap, "low": low, "high": high}


def record(nb, measured: Measured, name: str = "", setting: str = "") -> None:
    """Keeps the numbers for results.csv and the held-out forecasts for notebook 07."""
    name = name or measured.model.name
    for protocol, forecast in measured.forecasts.items():
        metrics = measured.metrics(protocol)
        if protocol in HELD_OUT and not setting:
            metrics = with_interval(forecast)
            keep_forecast(nb.processed, f"{nb.number}_{name}", protocol, forecast)
        if protocol in measured.seconds:
            metrics["fit_seconds"] = measured.seconds[protocol]
            metrics["model_mb"] = measured.megabytes
        errors = dict(zip(measured.seeds, errors_of(forecast).T, strict=False))
        seed = OVERALL if len(errors) > 1 else next(iter(errors), "")
        nb.record(name, protocol, metrics, setting=setting, seed=seed)
        for seed, own in errors.items() if len(errors) > 1 else ():
            nb.record(name, protocol, error_metrics(own), setting=setting, seed=seed)


def keep_forecast(
    processed: Path, name: str, protocol: str, forecast: pd.DataFrame
) -> None:
    """Writes data/processed/<run>/forecasts/<protocol>/<name>.parquet."""
    path = processed / FORECASTS / protocol / f"{name}.parquet"
    with replacing(path) as part:
        forecast.to_parquet(part, index=False)
    seal(path)


def read_forecasts(processed: Path, protocol: str) -> dict[str, pd.DataFrame]:
    """Model → forecast that a lower notebook kept under a protocol; may be empty.

    Raises:
        UserError: one is damaged.
    """
    files = sorted((processed / FORECASTS / protocol).glob("[0-9][0-9]_*.parquet"))
    return {f.stem.split("_", 1)[1]: pd.read_parquet(sealed(f)) for f in files}


def same_rows(forecasts: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Those forecasts that are of the rows most of them are of.

    A notebook run by hand with other parameters may have left one of other rows.
    """
    rows = [USER, MOVIE, FOLD]
    keys = {n: f[rows].to_numpy().tobytes() for n, f in forecasts.items()}
    most = max(keys.values(), key=list(keys.values()).count, default=b"")
    return {name: forecasts[name] for name, key in keys.items() if key == most}


def try_settings(
    make: Callable[..., RatingModel],
    grid: Iterable[Mapping],
    train: pd.DataFrame,
    data: RatingData,
) -> pd.DataFrame:
    """Tunes a model on the training rows alone.

    Returns:
        One row per entry of the grid: its settings and the rmse (stars) on a tenth of
        the training rows, of a network those that early stopping watches, with the best
        epoch; best first.
    """
    rows = []
    fitted, watched = random_split(train, 0.1)
    for settings in grid:
        model = make(**settings)
        model.tell = announce
        if "validation_share" in model.settings:
            loss = model.fit(train, data.users, data.movies).history["val_loss"]
            best = {"epoch": int(loss.idxmin()) + 1, "rmse": float(loss.min() ** 0.5)}
        else:
            best = {"rmse": rmse(model.fit(fitted, data.users, data.movies), watched)}
        rows.append(dict(settings) | best)
    return pd.DataFrame(rows).sort_values("rmse", ignore_index=True)


def new_user_split(ratings: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits off the rows of a fifth of the users: (of known users, of new ones)."""
    new = ratings[USER].isin(one_fifth(ratings[USER]))
    return ratings[~new], ratings[new]


def profile_of(users: pd.DataFrame, user: Hashable) -> Profile:
    """What a user's row says, as a new user would type it in."""
    row = users.set_index(USER).loc[user]
    age = 0 if pd.isna(row[AGE]) else int(row[AGE])
    return Profile(age, *(str(row[name]) for name in (GENDER, OCCUPATION, ZIP)))


def new_user_rmse(
    model: RatingModel, rows: pd.DataFrame, users: pd.DataFrame | None
) -> float:
    """RMSE in stars on rows of users the model knows by their profile alone.

    Args:
        model: fitted without these users' ratings.
        rows: their ratings.
        users: table with their age, gender, occupation and zip; None where nothing is
            known, so that they are anybody.
    """
    if users is None:
        return root_mean_square(errors_of(forecast_of(model, rows)))
    squares = []
    for user, part in rows.groupby(USER):
        scores = model.score_movies(profile_of(users, user))
        position = model.catalogue.locate(part)[1]
        squares.append(scores[position] - part[RATING].to_numpy())
    return root_mean_square(np.concatenate(squares))


def movie_mean_rmse(train: pd.DataFrame, rows: pd.DataFrame) -> float:
    """RMSE (stars) of each movie's mean, damped by 5 ratings: what a new user costs."""
    mean = train[RATING].mean()
    groups = (train[RATING] - mean).groupby(train[MOVIE])
    means = groups.sum() / (groups.size() + 5.0)
    predicted = mean + rows[MOVIE].map(means).fillna(0.0)
    return root_mean_square((predicted - rows[RATING]).to_numpy())
