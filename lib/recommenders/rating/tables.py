"""Tables of the notebooks on rating models."""

from collections.abc import Mapping

import pandas as pd

from lib.evaluation.bootstrap import verdict
from lib.figures.style import label
from lib.progress import announce
from lib.recommenders.data import RatingData
from lib.recommenders.rating.evaluate import (
    ALL_ROWS,
    FIVE_FOLD,
    RANDOM,
    TRAIN_ROWS,
    U1,
    Measured,
    difference,
    movie_mean_rmse,
    new_user_rmse,
    new_user_split,
    with_interval,
)
from lib.recommenders.rating.registry import knows, model_class
from lib.schema import RATING, TITLE

WORDS = {
    TRAIN_ROWS: "fitted rows",
    ALL_ROWS: "all rows",
    RANDOM: "random fifth",
    U1: "fifth u1",
    FIVE_FOLD: "five-fold",
}
MOVIE_MEAN = "movie_mean"  # each movie's mean, the forecast for users never met


def protocol_table(measured: Mapping[str, Measured], metric: str) -> pd.DataFrame:
    """One row per model, one column per protocol in words."""
    rows = {
        name: {WORDS[p]: one.metrics(p)[metric] for p in WORDS if p in one.forecasts}
        for name, one in measured.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table[[words for words in WORDS.values() if words in table]]


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


def readable(table: pd.DataFrame) -> pd.DataFrame:
    """The table for readers: what each model knows, intervals as text, plain names."""
    table = table.copy()
    if "rmse_low" in table:
        low, high = table.pop("rmse_low"), table.pop("rmse_high")
        texts = [f"{a:.3f} to {b:.3f}" for a, b in zip(low, high, strict=True)]
        table.insert(list(table).index("rmse") + 1, "95 % interval", texts)
    words = [knows(name) for name in table.index]
    if set(words) != {"–"}:
        table.insert(0, "knows", words)
    return table.rename(index=label, columns=label)


def gap_table(forecasts: Mapping[str, pd.DataFrame], first: str) -> pd.DataFrame:
    """One model's RMSE less that of each other, with intervals and a verdict."""
    rows = {}
    for name, forecast in forecasts.items():
        if name == first:
            continue
        gap = difference(forecasts[first], forecast)
        rows[label(name)] = {
            "knows": knows(name),
            "difference": f"{gap['difference']:+.4f}",
            "95 % interval": f"{gap['low']:+.4f} to {gap['high']:+.4f}",
            # A lower error is better, so the ends change places.
            "verdict": verdict(-gap["high"], -gap["low"]),
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
        row: dict = with_interval(forecast)
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
        data: a data set.
        settings: model name → arguments.

    Returns:
        One row per model and MOVIE_MEAN for each movie's mean, best first; rmse.
    """
    known, new = new_user_split(data.ratings)
    rows = {MOVIE_MEAN: movie_mean_rmse(known, new)}
    for name, values in settings.items():
        model = model_class(name)(**values)
        model.tell = announce
        model.fit(known, data.users, data.movies)
        rows[name] = new_user_rmse(model, new, data.users)
    return pd.Series(rows, name="rmse").sort_values().to_frame()


def list_table(lists: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Lists of `recommend` side by side, "title (rating)" in each cell."""
    columns = {
        label(name): [
            f"{title} ({rating:.2f})"
            for title, rating in zip(table[TITLE], table[RATING], strict=True)
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
