"""Tables and charts of the exploratory notebook.

Preprocessing has counted the log, so the notebook takes as long on millions of ratings
as on thousands.
"""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import seaborn as sns
from matplotlib.figure import Figure

from lib.data.grid import Grid
from lib.data.preprocessing import read_meta
from lib.figures.style import BLUE, GREEN, ORANGE, WIDTH, line_legend
from lib.schema import (
    GENRES,
    HOUR,
    MOVIE,
    NO_GENRES,
    RATING,
    RELEASE_YEAR,
    REQUESTS,
    TITLE,
    WEEKDAY,
)
from lib.text import plural, shown_text, slot_words

WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


@dataclass(frozen=True)
class Requests:
    """Counts of the cleaned log of a run.

    Attributes:
        meta: what preprocessing wrote to meta.json.
        users: users.parquet, one row per user with its requests.
        hours: hours.parquet, requests by weekday, hour and rating.
    """

    meta: dict
    users: pl.DataFrame
    hours: pl.DataFrame


def requests_of(folder: Path) -> Requests:
    """The counted request log of a run, a folder of data/processed."""
    return Requests(
        read_meta(folder, ("users.parquet", "hours.parquet")),
        pl.read_parquet(folder / "users.parquet", glob=False),
        pl.read_parquet(folder / "hours.parquet", glob=False),
    )


def sparsity(log: Requests) -> pd.Series:
    """Users, movies, requests and the share of user-movie pairs without a request.

    Without users that share is not a number.
    """
    users, movies, requests = (log.meta[name] for name in ("users", "movies", "rows"))
    pairs = users * movies
    return pd.Series(
        {
            "users": users,
            "movies": movies,
            "requests": requests,
            "sparsity": 1 - requests / pairs if pairs else np.nan,
        }
    )


def movie_table(grid: Grid) -> pd.DataFrame:
    """One row per movie: its requests, mean rating, slots since its first request."""
    counts = grid.counts.astype(float)
    rated = np.where(np.isnan(grid.mean_rating), 0, counts)
    total = rated.sum(axis=0)
    stars = np.nansum(counts * grid.mean_rating, axis=0)
    table = grid.movies[[MOVIE, TITLE, GENRES, RELEASE_YEAR]].copy()
    table["requests"] = counts.sum(axis=0)
    table["mean_rating"] = np.divide(
        stars, total, out=np.full_like(stars, np.nan), where=total > 0
    )
    table["slots_active"] = (counts > 0).sum(axis=0)
    table["first_slot"] = grid.slots[(counts > 0).argmax(axis=0)]
    table["number_of_genres"] = table[GENRES].str.count(r"\|") + 1
    return table


def by_genre(table: pd.DataFrame, most: int) -> pd.DataFrame:
    """The movie table with one row per movie and genre, of the most requested genres.

    They are the categories of the column genre, the most requested first.
    """
    long = table.assign(genre=table[GENRES].fillna(NO_GENRES).str.split("|"))
    long = long.explode("genre")
    order = long.groupby("genre")["requests"].sum().sort_values(ascending=False).index
    long["genre"] = pd.Categorical(long["genre"], order[:most])
    return long.dropna(subset="genre")


def rating_histogram(log: Requests) -> Figure | None:
    """How often each number of stars was given; None when the log has no ratings."""
    rated = log.hours.drop_nulls(RATING)
    if rated.is_empty():
        return None
    counts = rated.group_by(RATING).agg(pl.col(REQUESTS).sum()).sort(RATING)
    stars, number = counts[RATING].to_numpy(), counts[REQUESTS].to_numpy()
    mean = np.average(stars, weights=number)
    fig, axes = plt.subplots(figsize=(WIDTH, 2.4))
    axes.bar(stars, number / number.sum(), width=0.4, color=BLUE)
    axes.axvline(mean, color=ORANGE, linestyle="--")
    axes.set(
        title=f"Ratings: mean {mean:.2f} stars",
        xlabel="rating (stars)",
        ylabel="share of ratings",
    )
    return fig


def activity(log: Requests, table: pd.DataFrame) -> Figure:
    """Histograms of requests per movie and per user, if any, on logarithmic bins."""
    panels = [(table["requests"], "movie", BLUE)]
    if log.meta["users"]:
        panels.append((log.users[REQUESTS].to_numpy(), "user", GREEN))
    fig, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 2.7), squeeze=False)
    for ax, (values, name, color) in zip(axes[0], panels, strict=True):
        bins = np.unique(np.geomspace(1, values.max() + 1, 30).round())
        ax.hist(values, bins=bins, color=color)
        ax.set(
            xscale="log",
            xlabel=f"requests per {name}",
            ylabel=f"number of {name}s",
            title=f"median {np.median(values):.0f} requests per {name}",
        )
    return fig


def long_tail(table: pd.DataFrame) -> Figure:
    """Requests over rank, and the share of all requests that the top movies get."""
    requests = np.sort(table["requests"].to_numpy())[::-1]
    share = requests.cumsum() / requests.sum()
    top = share[max(0, round(0.1 * len(share)) - 1)]
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.7))
    rank = np.arange(1, len(requests) + 1)
    axes[0].loglog(rank, requests, color=BLUE)
    axes[0].set(xlabel="rank of the movie", ylabel="requests", title="Rank and size")
    axes[1].plot(rank / len(rank), share, color=BLUE)
    axes[1].plot([0, 1], [0, 1], color="#999999", linestyle=":")
    axes[1].set(
        xlabel="share of movies, by rank",
        ylabel="share of requests",
        title=f"The top 10 % get {top:.0%}",
    )
    return fig


def has_genres(table: pd.DataFrame) -> bool:
    """Whether any movie of `movie_table` has a genre."""
    return bool((table[GENRES].fillna(NO_GENRES) != NO_GENRES).any())


def densities(table: pd.DataFrame) -> Figure | None:
    """Density of the requests per movie and of the mean rating, of five genres."""
    if not has_genres(table):
        return None
    long = by_genre(table, 5)
    long["log10 requests"] = np.log10(long["requests"])
    units = {
        "log10 requests": "requests per movie (log10)",
        "mean_rating": "mean rating (stars)",
    }
    units = {column: unit for column, unit in units.items() if long[column].any()}
    fig, axes = plt.subplots(1, len(units), figsize=(WIDTH, 2.7), squeeze=False)
    for ax, (column, unit) in zip(axes[0], units.items(), strict=True):
        sns.kdeplot(
            *(long,),
            **{"x": column, "hue": "genre", "common_norm": False, "warn_singular": 0},
            ax=ax,
            legend=False,
        )
        ax.set(xlabel=unit, ylabel="density")
    names = long["genre"].cat.categories
    line_legend(fig, dict(zip(names, sns.color_palette(), strict=False)))
    return fig


def boxes(table: pd.DataFrame) -> Figure | None:
    """Box plots of the requests per movie by genre (12) and by decade of release."""
    panels = {}
    if has_genres(table):
        panels["genre"] = by_genre(table, 12)
    decade = table.dropna(subset=[RELEASE_YEAR]).copy()
    decade["decade of release"] = (decade[RELEASE_YEAR] // 10 * 10).astype(int)
    if len(decade):
        panels["decade of release"] = decade
    if not panels:
        return None
    fig, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 2.9), squeeze=False)
    style = {"fliersize": 1, "linewidth": 0.7, "color": "#9CC9E3", "orient": "h"}
    for ax, (name, rows) in zip(axes[0], panels.items(), strict=True):
        sns.boxplot(rows, x="requests", y=name, ax=ax, **style)
        ax.set(xscale="log", xlabel="requests per movie", ylabel="", title=f"By {name}")
    return fig


def genre_shares(grid: Grid, table: pd.DataFrame) -> Figure | None:
    """Share of the requests by genre (8); a movie counts for each of its genres.

    Shares are taken over four-slot means, which tames the noise of small slots.
    """
    if not has_genres(table):
        return None
    most = by_genre(table, 8)["genre"].cat.categories
    flags = table[GENRES].fillna("").str.get_dummies("|").reindex(columns=most)
    requests = pd.DataFrame(
        grid.counts @ flags.fillna(0).to_numpy("float32"), grid.slots, most
    )
    share = requests.rolling(4, min_periods=1).sum()
    share = share.div(share.sum(axis=1).replace(0, np.nan), axis=0)
    fig, axes = plt.subplots(figsize=(WIDTH, 2.6))
    axes.stackplot(
        share.index,
        share.fillna(0).T.to_numpy(),
        labels=list(most),
        colors=sns.color_palette("colorblind", 8),
    )
    axes.set(
        ylim=(0, 1),
        ylabel="share of requests",
        xlabel=f"slot ({slot_words(grid.meta['slot'])}, UTC)",
        title="Genres over time",
    )
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), reverse=True)
    return fig


def traffic(grid: Grid) -> Figure:
    """Requests per slot, and how many different movies they go to."""
    fig, axes = plt.subplots(figsize=(WIDTH, 2.6))
    axes.plot(grid.slots, grid.counts.sum(axis=1), color=BLUE, label="requests")
    axes.plot(
        grid.slots,
        (grid.counts > 0).sum(axis=1),
        color=ORANGE,
        label=f"{plural(grid.meta.get('item_name', 'movie'))} requested",
    )
    axes.set(
        xlabel=f"slot ({slot_words(grid.meta['slot'])}, UTC)",
        ylabel="number per slot",
        title="Traffic",
    )
    fig.legend(loc="outside lower center", ncols=2)
    return fig


def popular_over_time(grid: Grid, table: pd.DataFrame) -> Figure:
    """Popularity of the six most requested movies, slot by slot."""
    fig, axes = plt.subplots(figsize=(WIDTH, 2.8))
    shares = grid.shares
    for index in table["requests"].nlargest(6).index:
        title = shown_text(table[TITLE][index], 40)
        axes.plot(grid.slots, 1e3 * shares[:, index], label=title)
    axes.set(
        xlabel=f"slot ({slot_words(grid.meta['slot'])}, UTC)",
        ylabel="popularity (‰)",
        title="The most requested movies",
    )
    fig.legend(loc="outside lower center", ncols=2)
    return fig


def life_cycle(grid: Grid, slots: int = 26) -> Figure | None:
    """Mean popularity by slots since the first request, of movies seen to enter.

    It follows them for `slots`, at most half of the log; None where none enters.
    """
    slots = min(slots, len(grid.slots) // 2)
    seen = grid.counts > 0
    first = seen.argmax(axis=0)
    enters = (first > 0) & (first < len(grid.slots) - slots)
    if not enters.any():
        return None
    fig, axes = plt.subplots(figsize=(WIDTH, 2.4))
    shares = 1e3 * grid.shares
    columns = np.flatnonzero(enters)
    age = np.arange(slots)
    curves = shares[first[columns] + age[:, None], columns]
    axes.plot(age, curves.mean(axis=1), color=BLUE, marker="o", markersize=3)
    axes.set(
        xlabel=f"slots since the first request ({slot_words(grid.meta['slot'])})",
        ylabel="popularity (per mille)",
        title=f"Life of a movie: mean of {enters.sum():,} movies",
    )
    return fig


def week_rhythm(log: Requests) -> Figure:
    """Requests by weekday and hour of the day (UTC)."""
    counts = log.hours.to_pandas().pivot_table(
        REQUESTS, WEEKDAY, HOUR, aggfunc="sum", fill_value=0
    )
    counts = counts.reindex(index=range(1, 8), columns=range(24), fill_value=0)
    fig, axes = plt.subplots(figsize=(WIDTH, 2.4))
    image = axes.imshow(
        1e3 * counts / counts.to_numpy().sum(), aspect="auto", cmap="cividis"
    )
    fig.colorbar(image, ax=axes, label="per mille of requests")
    axes.grid(False)
    axes.set(
        yticks=range(7), yticklabels=WEEKDAYS, xlabel="hour of the day (UTC)", ylabel=""
    )
    axes.set_title("When requests come")
    return fig


def month_rhythm(grid: Grid) -> Figure | None:
    """Requests by month, relative to its year's mean month; None below a year."""
    monthly = pd.Series(grid.counts.sum(axis=1), grid.slots).resample("MS").sum()
    if len(monthly) < 12:
        return None
    relative = monthly / monthly.groupby(monthly.index.year).transform("mean")
    frame = pd.DataFrame({"month": monthly.index.month, "traffic": relative})
    fig, axes = plt.subplots(figsize=(WIDTH, 2.4))
    axes.plot(frame["month"], frame["traffic"], "o", color="#9CC9E3", markersize=4)
    axes.plot(frame.groupby("month")["traffic"].mean(), color=BLUE)
    axes.set(
        xticks=range(1, 13),
        xlabel="month of the year",
        ylabel="requests / mean month",
        title="Season of the traffic",
    )
    return fig
