"""Tables and sentences of the notebooks on rating models."""

from collections.abc import Mapping

import pandas as pd

from lib.figures.style import label
from lib.progress import tell_progress
from lib.recommenders.data import RatingData
from lib.recommenders.ranking.tables import verdict
from lib.recommenders.rating.evaluate import (
    ALL_ROWS,
    FIVE_FOLD,
    RANDOM,
    TRAIN_ROWS,
    U1,
    Measured,
    difference,
    with_interval,
)
from lib.recommenders.rating.protocols import (
    movie_mean_rmse,
    new_user_rmse,
    new_user_split,
)
from lib.recommenders.rating.registry import model_class
from lib.schema import MOVIE, TITLE

WORDS = {
    TRAIN_ROWS: "rows it was fitted on",
    ALL_ROWS: "all rows, fitted ones too",
    RANDOM: "held-out fifth, random",
    U1: "held-out fifth, u1",
    FIVE_FOLD: "five-fold",
}

MOVIE_MEAN = "each movie's mean"  # forecast for users never met


def protocol_table(measured: Mapping[str, Measured], metric: str) -> pd.DataFrame:
    """One row per protocol in words, one column per model name."""
    rows = {}
    for protocol, words in WORDS.items():
        values = {
            name: one.metrics(protocol)[metric]
            for name, one in measured.items()
            if protocol in one.forecasts
        }
        if values:
            rows[words] = values
    return pd.DataFrame.from_dict(rows, orient="index")[list(measured)]


def score_table(measured: Mapping[str, Measured], protocol: str) -> pd.DataFrame:
    """Errors with intervals, seconds and megabytes, best first.

    Returns:
        DataFrame, index: model; rmse, rmse_low, rmse_high, mae (stars), mse (stars²),
        fit_seconds, model_mb.
    """
    rows = {}
    for name, one in measured.items():
        rows[name] = with_interval(one.forecasts[protocol])
        rows[name]["fit_seconds"] = one.seconds[protocol]
        rows[name]["model_mb"] = one.megabytes
    return pd.DataFrame.from_dict(rows, orient="index").sort_values("rmse")


def with_brackets(table: pd.DataFrame) -> pd.DataFrame:
    """The columns rmse_low and rmse_high as one text column after rmse."""
    table = table.copy()
    low, high = table.pop("rmse_low"), table.pop("rmse_high")
    texts = [f"{a:.3f} to {b:.3f}" for a, b in zip(low, high, strict=True)]
    table.insert(table.columns.get_loc("rmse") + 1, "95 % interval", texts)
    return table


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table with names for readers."""
    extra = {"fit_seconds": "fit (s)", "model_mb": "size (MB)"}
    return table.rename(index=label, columns=lambda c: extra.get(c, label(c)))


def gap_table(forecasts: Mapping[str, pd.DataFrame], first: str) -> pd.DataFrame:
    """One model's RMSE less that of each other, with intervals and a verdict."""
    rows = {}
    for name, forecast in forecasts.items():
        if name == first:
            continue
        gap = difference(forecasts[first], forecast)
        # A lower error is better, so the ends change places for the verdict.
        ends = pd.Series({"low": -gap["high"], "high": -gap["low"]})
        rows[label(name)] = {
            "difference": f"{gap['difference']:+.4f}",
            "95 % interval": f"{gap['low']:+.4f} to {gap['high']:+.4f}",
            "verdict": verdict(ends),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("against")


def step_table(forecasts: Mapping[str, pd.DataFrame], seconds: Mapping[str, float]):
    """What each step of a series brings.

    Args:
        forecasts: step → forecast of the same held-out rows, in order.
        seconds: step → to fit it.

    Returns:
        DataFrame, index: step; rmse, rmse_low, rmse_high (stars), gain (stars, how much
        lower than the step before) and its interval as text, fit_seconds.
    """
    rows, before = {}, None
    for name, forecast in forecasts.items():
        row = with_interval(forecast)
        del row["mse"], row["mae"]
        row |= {"gain": float("nan"), "interval of the gain": "–"}
        if before is not None:
            gap = difference(before, forecast)
            row["gain"] = gap["difference"]
            row["interval of the gain"] = f"{gap['low']:+.4f} to {gap['high']:+.4f}"
        rows[name], before = row | {"fit_seconds": seconds[name]}, forecast
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("step")


def cold_start_table(data: RatingData, settings: Mapping[str, Mapping]) -> pd.DataFrame:
    """RMSE in stars for users whose ratings were all left out of the training.

    Args:
        data: a data set with demographics.
        settings: model name → arguments.

    Returns:
        One row per model and one for each movie's mean, best first; rmse.
    """
    known, new = new_user_split(data.ratings)
    rows = {MOVIE_MEAN: movie_mean_rmse(known, new)}
    for name, values in settings.items():
        model = model_class(name)(**values)
        tell_progress(model)
        model.fit(known, data.users, data.movies)
        rows[name] = new_user_rmse(model, new, data.users)
    return pd.Series(rows, name="rmse").sort_values().to_frame()


def list_table(lists: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Lists of `recommend` side by side, "title (rating)" in each cell."""
    columns = {
        label(name): [
            f"{title} ({rating:.2f})"
            for title, rating in zip(table[TITLE], table["rating"], strict=True)
        ]
        for name, table in lists.items()
    }
    table = pd.DataFrame({name: pd.Series(rows) for name, rows in columns.items()})
    table.index += 1
    return table


def twins(data: RatingData) -> float:
    """Share of the movies that agree with another one in year and genres."""
    kind = ["genres", "release_year"]
    return float(data.movies.duplicated(kind, keep=False).mean())


def named_lists(lists: pd.DataFrame, movies: pd.DataFrame, users: int = 2):
    """The first users' lists of `SVDpp.recommend_all` with titles."""
    titles = movies.set_index(MOVIE)[TITLE]
    some = lists[lists["userId"].isin(lists["userId"].unique()[:users])]
    shown = some.assign(title=some[MOVIE].map(titles))
    return shown.set_index("userId")
