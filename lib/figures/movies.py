"""The charts of the exploratory notebook, and their tables."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from lib.figures.style import BLUE, GREEN, ORANGE, WIDTH
from lib.schema import (
    AGE,
    GENDER,
    GENRES,
    MOVIE,
    NO_GENRES,
    OCCUPATION,
    RATING,
    RELEASE_YEAR,
    USER,
)

MONEY = ("budget", "revenue", "profit")  # US dollars, not corrected for inflation
MILLION = 1e6
GROUPS = 60  # of users and of movies in the picture of the rated pairs
MAX_DOTS = 5000  # dots of a scatter plot; more only blacken it


def genres(movies: pd.DataFrame) -> Figure:
    """Share of all genre labels that each genre has, with the numbers of movies."""
    table = genre_shares(movies).iloc[::-1]
    fig, axes = plt.subplots(figsize=(WIDTH, 0.6 + 0.19 * len(table)))
    bars = axes.barh(table["genre"], 100 * table["share"], color=BLUE)
    texts = [
        f"{100 * share:.1f} % ({movies:,})"
        for share, movies in zip(table["share"], table["movies"], strict=True)
    ]
    axes.bar_label(bars, texts, padding=3, size=7)
    axes.margins(x=0.2)
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="share of genre labels (%)", title="Genres, with numbers of movies")
    return fig


def ratings(ratings: pd.DataFrame) -> Figure:
    """Distribution of the ratings, and box plots of ratings and of movies' means."""
    share = ratings[RATING].value_counts(normalize=True).sort_index()
    means = ratings.groupby(MOVIE)[RATING].mean()
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.9), width_ratios=(3, 2))
    step = np.diff(share.index).min(initial=1)
    axes[0].bar(share.index, 100 * share, width=0.8 * step, color=BLUE)
    axes[0].set(
        xlabel="rating (stars)",
        ylabel="share of ratings (%)",
        title=f"Ratings: mean {ratings[RATING].mean():.2f} stars",
    )
    axes[1].boxplot(
        [ratings[RATING], means],
        tick_labels=["ratings", "means of\nmovies"],
        widths=0.6,
        medianprops={"color": ORANGE},
        flierprops={"markersize": 2, "alpha": 0.3},
    )
    axes[1].set(ylabel="stars", title="Quartiles")
    return fig


def people(users: pd.DataFrame) -> Figure:
    """Histogram of ages in groups of five years, and of men and women."""
    ages = (users[AGE] // 5 * 5).value_counts()
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.7), width_ratios=(4, 1))
    axes[0].bar(ages.index + 2.5, ages.to_numpy(), width=4.4, color=BLUE)
    axes[0].set(xlabel="age (years)", ylabel="users", title="Ages of the users")
    counts = users[GENDER].value_counts()
    axes[1].bar(counts.index, counts.to_numpy(), width=0.6, color=ORANGE)
    axes[1].set(xlabel="gender", title="Gender")
    return fig


def occupations(users: pd.DataFrame) -> Figure:
    """Users per occupation, most frequent on top."""
    counts = users[OCCUPATION].value_counts().iloc[::-1]
    fig, axes = plt.subplots(figsize=(WIDTH, 0.6 + 0.17 * len(counts)))
    bars = axes.barh(counts.index.astype(str), counts.to_numpy(), color=BLUE)
    axes.bar_label(bars, padding=3, size=7)
    axes.grid(axis="y", visible=False)
    axes.set(xlabel="users", title="Occupations of the users")
    return fig


def years(movies: pd.DataFrame) -> Figure:
    """Movies per release year."""
    table = movies_per_year(movies)
    fig, axes = plt.subplots(figsize=(WIDTH, 2.5))
    axes.bar(table[RELEASE_YEAR], table["movies"], color=BLUE)
    axes.set(xlabel="release year", ylabel="movies", title="Movies per release year")
    return fig


def activity(ratings: pd.DataFrame) -> Figure:
    """Where the filled cells are, and how ratings spread over users and movies.

    The left panel is the matrix of users and movies, both sorted by their numbers of
    ratings and put into groups; the colour is the share of filled cells.
    """
    ranks = [_ranks(ratings[column]) for column in (USER, MOVIE)]
    sizes = [rank.max() + 1 for rank in ranks]
    edges = [np.linspace(0, n, min(GROUPS, n) + 1).round() for n in sizes]
    counts = np.histogram2d(*ranks, bins=edges)[0]
    cells = np.outer(*map(np.diff, edges))
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.9))
    image = axes[0].pcolormesh(
        edges[1], edges[0], 100 * counts / cells, cmap="viridis", rasterized=True
    )
    axes[0].invert_yaxis()
    fig.colorbar(image, ax=axes[0], label="rated pairs (%)")
    axes[0].set(
        xlabel="movies, most rated first",
        ylabel="users, busiest first",
        title="Who rated what",
    )
    for column, name, shade in ((USER, "users", ORANGE), (MOVIE, "movies", BLUE)):
        counts = ratings[column].value_counts().to_numpy()
        place = 100 * np.arange(1, len(counts) + 1) / len(counts)
        axes[1].plot(place, counts, color=shade, label=name)
    axes[1].legend()
    axes[1].set(
        yscale="log", xlabel="rank (%)", ylabel="ratings", title="Ratings by rank"
    )
    return fig


def _ranks(column: pd.Series) -> pd.Series:
    """Place of each value, 0 for the most frequent one."""
    values = column.value_counts().index
    return column.map(pd.Series(np.arange(len(values)), index=values))


def money_over_time(metadata: pd.DataFrame) -> Figure:
    """Medians of budget, revenue and profit per release year, and sums."""
    table = with_profit(metadata)
    groups = table.groupby(RELEASE_YEAR)[list(MONEY)]
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.9))
    for ax, values, unit, title in (
        (axes[0], groups.sum() / 1e9, "billion US dollars", "All movies of a year"),
        (axes[1], groups.median() / MILLION, "million US dollars", "Median movie"),
    ):
        for name, shade in zip(MONEY, (ORANGE, BLUE, GREEN), strict=True):
            ax.plot(values.index, values[name], color=shade, label=name, linewidth=1.2)
        ax.set(xlabel="release year", ylabel=unit, title=title)
    axes[0].legend()
    return fig


def money_scatter(metadata: pd.DataFrame) -> Figure:
    """Revenue and profit against the budget, one dot per movie."""
    table = with_profit(metadata)
    correlation = money_correlation(metadata)["budget"]
    some = table.sample(min(MAX_DOTS, len(table)), random_state=0)
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.9))
    for ax, name, shade in zip(axes, ("revenue", "profit"), (BLUE, GREEN), strict=True):
        ax.scatter(
            some["budget"] / MILLION,
            some[name] / MILLION,
            s=5,
            alpha=0.35,
            color=shade,
            rasterized=True,
        )
        ax.set(
            xlabel="budget (million US dollars)",
            ylabel=f"{name} (million US dollars)",
            title=f"{name.capitalize()}: correlation {correlation[name]:.2f}",
        )
    return fig


def votes(metadata: pd.DataFrame) -> Figure:
    """Histogram of the movies' vote averages."""
    voted = metadata.loc[metadata["vote_count"] > 0, "vote_average"]
    fig, axes = plt.subplots(figsize=(WIDTH, 2.5))
    axes.hist(voted, bins=list(np.arange(0, 10.5, 0.5)), color=BLUE)
    axes.set(
        xlabel="vote average (0 to 10)",
        ylabel="movies",
        title=f"Vote averages: mean {voted.mean():.2f} of {len(voted):,} movies",
    )
    return fig


def votes_by_genre(metadata: pd.DataFrame) -> Figure:
    """Box plots of the vote averages of the ten commonest genres."""
    table = genre_votes(metadata)
    fig, axes = plt.subplots(figsize=(WIDTH, 3.2))
    sns.boxplot(
        table,
        x="vote_average",
        y="genre",
        ax=axes,
        color="#9CC6E5",
        fliersize=2,
        linewidth=0.9,
    )
    axes.set(
        xlabel="vote average (0 to 10)",
        ylabel="",
        title="Vote averages by genre, highest median on top",
    )
    return fig


def genre_shares(movies: pd.DataFrame) -> pd.DataFrame:
    """How often each genre is named.

    Args:
        movies: with the column genres ("A|B"); a movie counts once per genre it has.

    Returns:
        genre, movies (count) and share of all genre labels, most frequent first.
    """
    counts = split_genres(movies)[GENRES].value_counts()
    table = counts.rename_axis("genre").reset_index(name="movies")
    return table.assign(share=table["movies"] / max(counts.sum(), 1))


def split_genres(movies: pd.DataFrame) -> pd.DataFrame:
    """One row per movie and genre, movies without a genre left out."""
    genres = movies[GENRES].fillna("").str.split("|")
    table = movies.assign(**{GENRES: genres}).explode(GENRES, ignore_index=True)
    return table[~table[GENRES].isin(["", NO_GENRES, "unknown"])]


def rating_summary(ratings: pd.DataFrame) -> pd.DataFrame:
    """Mean, quartiles and extremes of the ratings and of the movies' mean ratings."""
    by_movie = ratings.groupby(MOVIE)[RATING].mean()
    return pd.DataFrame(
        {"ratings": ratings[RATING].describe(), "movie means": by_movie.describe()}
    )


def sparsity(ratings: pd.DataFrame) -> dict[str, float]:
    """Users, movies, ratings, and the share of empty cells, 1 - ratings/(users·movies).

    Args:
        ratings: userId and movieId, each pair once.
    """
    users, movies = ratings[USER].nunique(), ratings[MOVIE].nunique()
    return {
        "users": users,
        "movies": movies,
        "ratings": len(ratings),
        "sparsity": 1 - len(ratings) / (users * movies),
    }


def movies_per_year(movies: pd.DataFrame) -> pd.DataFrame:
    """release_year and movies (count); movies without a year are left out."""
    counts = movies[RELEASE_YEAR].dropna().astype(int).value_counts().sort_index()
    return counts.reset_index(name="movies")


def with_profit(metadata: pd.DataFrame) -> pd.DataFrame:
    """Movies whose budget and revenue are both known, with year and profit.

    profit = revenue - budget in US dollars; year is that of the release.
    """
    known = metadata.dropna(subset=["budget", "revenue", "release_date"])
    return known.assign(
        profit=known["revenue"] - known["budget"],
        **{RELEASE_YEAR: known["release_date"].dt.year},
    )


def money_correlation(metadata: pd.DataFrame) -> pd.DataFrame:
    """Pearson correlations of budget, revenue, profit and vote_average."""
    return with_profit(metadata)[[*MONEY, "vote_average"]].corr()


def genre_votes(metadata: pd.DataFrame) -> pd.DataFrame:
    """genre and vote_average of each movie with a vote, for the ten commonest ones."""
    voted = metadata[metadata["vote_count"] > 0]
    table = split_genres(voted)[[GENRES, "vote_average"]]
    common = table[GENRES].value_counts().index[:10]
    table = table[table[GENRES].isin(common)].rename(columns={GENRES: "genre"})
    order = table.groupby("genre")["vote_average"].median().sort_values()
    place = table["genre"].map({name: k for k, name in enumerate(order.index[::-1])})
    return table.iloc[np.argsort(place, kind="stable")].reset_index(drop=True)
