"""The tables behind the charts of the exploratory notebook."""

import numpy as np
import pandas as pd

from lib.schema import (
    AGE,
    GENRES,
    MOVIE,
    NO_GENRES,
    OCCUPATION,
    RATING,
    RELEASE_YEAR,
    USER,
)

MONEY = ("budget", "revenue", "profit")  # US dollars, not corrected for inflation


def genre_shares(movies: pd.DataFrame) -> pd.DataFrame:
    """How often each genre is named.

    Args:
        movies: with the column genres ("A|B"); a movie counts once per genre it has.

    Returns:
        genre, movies (count) and share of all genre labels, most frequent first.
    """
    counts = split_genres(movies)[GENRES].value_counts()
    return pd.DataFrame(
        {
            "genre": counts.index,
            "movies": counts.to_numpy(),
            "share": counts.to_numpy() / max(counts.sum(), 1),
        }
    )


def split_genres(movies: pd.DataFrame) -> pd.DataFrame:
    """One row per movie and genre, movies without a genre left out."""
    genres = movies[GENRES].fillna("").str.split("|")
    table = movies.assign(**{GENRES: genres}).explode(GENRES, ignore_index=True)
    return table[~table[GENRES].isin(["", NO_GENRES, "unknown"])]


def rating_counts(ratings: pd.DataFrame) -> pd.DataFrame:
    """rating (stars), count and share, in rising order of stars."""
    counts = ratings[RATING].value_counts().sort_index()
    share = counts.to_numpy() / max(len(ratings), 1)
    return pd.DataFrame(
        {"rating": counts.index, "count": counts.to_numpy(), "share": share}
    )


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


def age_counts(users: pd.DataFrame, width: int = 5) -> pd.DataFrame:
    """Users per age group of `width` years: from (first age) and users (count)."""
    start = users[AGE] // width * width
    counts = start.value_counts().sort_index()
    return pd.DataFrame({"from": counts.index, "users": counts.to_numpy()})


def occupation_counts(users: pd.DataFrame) -> pd.DataFrame:
    """occupation and users (count), most frequent first."""
    counts = users[OCCUPATION].value_counts()
    return pd.DataFrame({"occupation": counts.index, "users": counts.to_numpy()})


def movies_per_year(movies: pd.DataFrame) -> pd.DataFrame:
    """release_year and movies (count); movies without a year are left out."""
    counts = movies[RELEASE_YEAR].dropna().astype(int).value_counts().sort_index()
    return pd.DataFrame({RELEASE_YEAR: counts.index, "movies": counts.to_numpy()})


def with_profit(metadata: pd.DataFrame) -> pd.DataFrame:
    """Movies whose budget and revenue are both known, with year and profit.

    profit = revenue - budget in US dollars; year is that of the release.
    """
    known = metadata.dropna(subset=["budget", "revenue", "release_date"])
    return known.assign(
        profit=known["revenue"] - known["budget"],
        **{RELEASE_YEAR: known["release_date"].dt.year},
    )


def money_by_year(metadata: pd.DataFrame) -> pd.DataFrame:
    """Sums of budget, revenue and profit and the number of movies per release year."""
    table = with_profit(metadata)
    sums = table.groupby(RELEASE_YEAR)[list(MONEY)].sum()
    return sums.assign(movies=table.groupby(RELEASE_YEAR).size()).reset_index()


def money_correlation(metadata: pd.DataFrame) -> pd.DataFrame:
    """Pearson correlations of budget, revenue, profit and vote_average."""
    return with_profit(metadata)[[*MONEY, "vote_average"]].corr()


def votes_by_genre(metadata: pd.DataFrame, genres: int = 10) -> pd.DataFrame:
    """genre and vote_average of each movie with a vote, for the commonest genres."""
    voted = metadata[metadata["vote_count"] > 0]
    table = split_genres(voted)[[GENRES, "vote_average"]]
    common = table[GENRES].value_counts().index[:genres]
    table = table[table[GENRES].isin(common)].rename(columns={GENRES: "genre"})
    order = table.groupby("genre")["vote_average"].median().sort_values()
    place = table["genre"].map({name: k for k, name in enumerate(order.index[::-1])})
    return table.iloc[np.argsort(place, kind="stable")].reset_index(drop=True)
