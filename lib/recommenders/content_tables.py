"""Tables, charts and choices of the notebook on content and hybrid."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.errors import UserError
from lib.plots import WIDTH
from lib.recommenders.content import WEIGHTED_RATING, ContentModel
from lib.recommenders.content_study import estimate_new_movies
from lib.recommenders.data import RatingData
from lib.recommenders.hybrid import HybridModel
from lib.recommenders.metadata import Metadata
from lib.recommenders.rating_model import root_mean_square
from lib.recommenders.rating_protocols import rmse_interval
from lib.schema import GENRES, MOVIE, OVERVIEW, RATING, TAGLINE, TITLE, USER

BLUE, ORANGE = "#0072B2", "#D55E00"


def titles_only(data: RatingData) -> Metadata:
    """A stand-in where there are no texts: titles, genres, and the set's own ratings.

    Returns:
        Metadata whose overview is the movie's genres and whose votes are the ratings.
    """
    rated = data.ratings.groupby(MOVIE)[RATING].agg(["size", "mean"])
    movies = data.movies[[MOVIE, TITLE, GENRES]].merge(
        rated, left_on=MOVIE, right_index=True
    )
    movies = movies.rename(columns={"size": "vote_count", "mean": "vote_average"})
    movies[OVERVIEW] = movies[GENRES].fillna("").str.replace("|", " ")
    movies[TAGLINE] = ""
    problems = pd.DataFrame(columns=["file", "what", "count", "example"])
    return Metadata(movies.reset_index(drop=True), problems, "nothing")


def start_movie(
    content: ContentModel, title: str, ratings: pd.DataFrame
) -> tuple[int, str]:
    """movieId and title of a movie: the one asked for, else the most rated one."""
    try:
        movie = content.find(title)
    except UserError:
        counts = ratings.loc[ratings[MOVIE].isin(content.rows.index), MOVIE]
        movie = int(counts.value_counts().index[0])
    return movie, str(content.movies[TITLE][content.row(movie)])


def start_user(ratings: pd.DataFrame, user: int) -> int:
    """A userId: the one asked for where it exists, else the lowest."""
    return user if ratings[USER].eq(user).any() else int(ratings[USER].min())


def size_table(content: ContentModel, milliseconds: float) -> pd.DataFrame:
    """Size of the text vectors and time of a query."""
    movies, terms = content.vectors.shape
    filled = content.vectors.nnz / (movies * terms)
    rows = {
        "movies with a text": f"{movies:,}",
        "terms of one or two words": f"{terms:,}",
        "numbers stored": f"{content.vectors.nnz:,}",
        "share of filled cells": f"{filled:.3%}",
        "time of a query, median (ms)": f"{milliseconds:.2f}",
    }
    return pd.DataFrame({"value": rows})


def shared_terms(
    content: ContentModel, first: int, second: int, n: int = 5
) -> list[str]:
    """The terms that contribute most to the similarity of two movies."""
    a, b = (content.vectors[content.row(movie)] for movie in (first, second))
    product = a.multiply(b).tocoo()
    best = np.argsort(-product.data, kind="stable")[:n]
    names = content.vectorizer.get_feature_names_out()
    return [f"“{names[product.col[k]]}”" for k in best]


def similarity_chart(content: ContentModel, movie: int, title: str) -> Figure:
    """Bars for the nearest movies, and how all others are spread."""
    near = content.similar(movie, 10).iloc[::-1]
    everything = content.similar(movie, len(content.movies))["similarity"]
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.9), width_ratios=(3, 2))
    names = near[TITLE].str.slice(0, 34)
    axes[0].barh(range(len(near)), near["similarity"], color=BLUE)
    axes[0].set_yticks(range(len(near)), names, size=7)
    axes[0].grid(axis="y", visible=False)
    axes[0].set(xlabel="cosine similarity", title=f"Nearest to {title[:34]}")
    axes[1].hist(everything, bins=30, color=ORANGE)
    share = len(everything) / (len(content.movies) - 1)
    axes[1].set(
        xlabel="cosine similarity",
        ylabel="movies",
        yscale="log",
        title=f"{share:.0%} share a term",
    )
    return fig


def weighting_chart(content: ContentModel) -> Figure:
    """Weighted against plain ratings; the colour is the number of votes."""
    table = content.movies[content.movies["vote_count"] > 0]
    fig, axes = plt.subplots(figsize=(WIDTH, 3.2))
    dots = axes.scatter(
        table["vote_average"],
        table[WEIGHTED_RATING],
        c=np.log10(table["vote_count"]),
        s=6,
        cmap="viridis",
        rasterized=True,
    )
    low, high = axes.get_xlim()
    axes.plot([low, high], [low, high], color="#999999", linestyle=":")
    fig.colorbar(dots, ax=axes, label="votes (power of ten)")
    axes.set(
        xlabel="average vote",
        ylabel="weighted rating",
        title=f"Few votes, pulled to the mean (m = {content.min_votes:,.0f})",
    )
    return fig


def hybrid_overlap(hybrid: HybridModel, users: list[int], movie: int) -> dict:
    """Mean number of titles that lists of ten share.

    Returns:
        "content": hybrid and content-based list of one user; "users": two users.
    """
    lists = {u: set(hybrid.recommend(u, movie)[MOVIE]) for u in users}
    watched = hybrid.watched
    plain = [
        len(lists[u] & set(hybrid.content.recommend(movie, seen=watched[u])[MOVIE]))
        for u in users
    ]
    pairs = list(combinations(users[:30], 2))
    between = [len(lists[a] & lists[b]) for a, b in pairs] or [0]
    return {"content": float(np.mean(plain)), "users": float(np.mean(between))}


def new_movie_table(
    content: ContentModel, old: pd.DataFrame, new: pd.DataFrame
) -> pd.DataFrame:
    """RMSE on movies without ratings, with 95 % intervals over users.

    Returns:
        Rows global_mean, user_mean and by_text; rmse, low, high in stars.
    """
    guesses = estimate_new_movies(content, old, new)
    guesses.insert(0, "global_mean", old[RATING].mean())
    rows = {}
    for name, guess in guesses.items():
        errors = guess.to_numpy() - new[RATING].to_numpy()
        low, high = rmse_interval(errors, new[USER].to_numpy())
        rows[name] = {"rmse": root_mean_square(errors), "low": low, "high": high}
    return pd.DataFrame(rows).T.rename_axis("estimate")
