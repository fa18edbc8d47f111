"""Rating models side by side: fitted under each protocol, forecasts kept, intervals."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd

from lib.evaluation.bootstrap import rmse_difference_interval, rmse_interval
from lib.progress import tell_progress
from lib.recommenders.data import RatingData, five_folds, official_folds, random_split
from lib.recommenders.rating.model import RatingModel
from lib.recommenders.rating.protocols import error_metrics
from lib.schema import MOVIE, PREDICTED, RATING, USER

RANDOM, U1, FIVE_FOLD = "random_80_20", "u1", "five_fold"
TRAIN_ROWS, ALL_ROWS, UNSEEN = "train_rows", "all_rows", "unseen_pairs"
HELD_OUT = (RANDOM, U1, FIVE_FOLD)
FOLD = "fold"
FORECASTS = "forecasts"  # folder below data/processed/<run>
MEGABYTE = 2**20

Split = tuple[pd.DataFrame, pd.DataFrame]


@dataclass(frozen=True)
class Measured:
    """What is kept of one kind of model.

    Attributes:
        model: as fitted on four fifths drawn at random.
        forecasts: protocol → userId, movieId, rating, predicted (stars), fold.
        seconds: protocol → to fit one model, mean over folds.
        training: rows of the random four fifths.
    """

    model: RatingModel
    forecasts: dict[str, pd.DataFrame]
    seconds: dict[str, float]
    training: pd.DataFrame

    def metrics(self, protocol: str) -> dict[str, float]:
        """rmse, mae (stars) and mse (stars²); of folds the mean over the folds."""
        return forecast_metrics(self.forecasts[protocol])

    @property
    def megabytes(self) -> float:
        """Size of the numbers that the fitted model keeps."""
        size = sum(array.nbytes for array in self.model.arrays.values())
        network = getattr(self.model, "network", None)
        return (size + (4 * network.count_params() if network else 0)) / MEGABYTE


def capped(quick: bool, value: int, most: int) -> int:
    """A number of epochs or draws, cut down where a notebook is to run quickly."""
    return min(value, most) if quick else value


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
    make: Callable[[], RatingModel],
    data: RatingData,
    splits: Mapping[str, list[Split]],
) -> Measured:
    """Fits a fresh model for every split and keeps its forecasts.

    u1 is the first of the official folds, so it is fitted once for both protocols.
    """
    (train, test), *_ = splits[RANDOM]
    model, forecast, took = fit_and_forecast(make, train, test, data)
    fitted = forecast_of(model, train)
    forecasts = {RANDOM: forecast, TRAIN_ROWS: fitted}
    forecasts[ALL_ROWS] = pd.concat([fitted, forecast], ignore_index=True)
    seconds = {RANDOM: took}
    first = None
    for protocol in (U1, FIVE_FOLD):
        parts, times = [], []
        for number, (train_k, test_k) in enumerate(splits.get(protocol, [])):
            if number == 0 and protocol == FIVE_FOLD and first is not None:
                part, took = first
            else:
                _, part, took = fit_and_forecast(make, train_k, test_k, data)
            first = (part, took) if protocol == U1 else first
            parts.append(part.assign(**{FOLD: number + 1}))
            times.append(took)
        if parts:
            forecasts[protocol] = pd.concat(parts, ignore_index=True)
            seconds[protocol] = float(np.mean(times))
    return Measured(model, forecasts, seconds, train)


def fit_and_forecast(make, train, test, data: RatingData):
    """Fits one model: (model, forecasts of the test rows, seconds to fit)."""
    model = make()
    tell_progress(model)
    start = perf_counter()
    model.fit(train, data.users, data.movies)
    seconds = perf_counter() - start
    return model, forecast_of(model, test), seconds


def forecast_of(model: RatingModel, rows: pd.DataFrame) -> pd.DataFrame:
    """userId, movieId, rating, predicted (stars), fold 0."""
    table = rows[[USER, MOVIE, RATING]].reset_index(drop=True)
    return table.assign(**{PREDICTED: model.predict(rows), FOLD: 0})


def errors_of(forecast: pd.DataFrame) -> np.ndarray:
    """Predicted less true rating in stars, (rows,)."""
    return (forecast[PREDICTED] - forecast[RATING]).to_numpy(float)


def forecast_metrics(forecast: pd.DataFrame) -> dict[str, float]:
    """rmse, mae (stars), mse (stars²), each the mean over the folds."""
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


def record(nb, measured: Measured, name: str = "", seed: int | str = "") -> None:
    """Keeps the numbers for results.csv and the held-out forecasts for notebook 07."""
    name = name or measured.model.name
    for protocol, forecast in measured.forecasts.items():
        metrics = measured.metrics(protocol)
        if protocol in HELD_OUT:
            metrics = with_interval(forecast)
            keep_forecast(nb.processed, f"{nb.number}_{name}", protocol, forecast)
        if protocol in measured.seconds:
            metrics["fit_seconds"] = measured.seconds[protocol]
            metrics["model_mb"] = measured.megabytes
        nb.record(name, protocol, metrics, seed=seed)


def keep_forecast(
    processed: Path, name: str, protocol: str, forecast: pd.DataFrame
) -> None:
    """Writes data/processed/<run>/forecasts/<protocol>/<name>.parquet."""
    folder = processed / FORECASTS / protocol
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}.part"
    forecast.to_parquet(part, index=False)
    part.replace(folder / f"{name}.parquet")


def read_forecasts(processed: Path, protocol: str) -> dict[str, pd.DataFrame]:
    """Model → forecast that a lower notebook kept under a protocol; may be empty."""
    files = sorted((processed / FORECASTS / protocol).glob("[0-9][0-9]_*.parquet"))
    return {file.stem.split("_", 1)[1]: pd.read_parquet(file) for file in files}


def same_rows(forecasts: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Those forecasts that are of the rows most of them are of.

    A notebook run by hand with other parameters may have left one of other rows.
    """
    keys = {
        name: int(pd.util.hash_pandas_object(f[[USER, MOVIE, FOLD]], False).sum())
        for name, f in forecasts.items()
    }
    if not keys:
        return {}
    most = pd.Series(keys).mode().iloc[0]
    return {name: forecasts[name] for name, key in keys.items() if key == most}


def try_settings(
    make: Callable[..., RatingModel],
    grid: Iterable[Mapping],
    train: pd.DataFrame,
    data: RatingData,
) -> pd.DataFrame:
    """Tunes a network on the training rows alone.

    Returns:
        One row per entry of the grid: its settings, best epoch, rmse on the part of the
        training rows that early stopping watches (stars); best first.
    """
    rows = []
    for settings in grid:
        model = make(**settings)
        tell_progress(model)
        model.fit(train, data.users, data.movies)
        loss = model.history["val_loss"]
        best = {"epoch": int(loss.idxmin()) + 1, "rmse": float(loss.min() ** 0.5)}
        rows.append(dict(settings) | best)
    return pd.DataFrame(rows).sort_values("rmse", ignore_index=True)
