"""Tables, charts and choices of the notebook on content and hybrid."""

from itertools import combinations

import numpy as np
import pandas as pd

from lib.data.metadata import Metadata
from lib.errors import UserError
from lib.evaluation.bootstrap import rmse_interval
from lib.recommenders.content.hybrid import HybridModel
from lib.recommenders.content.ranking import estimate_new_movies
from lib.recommenders.content.tfidf import ContentModel
from lib.recommenders.data import RatingData
from lib.recommenders.rating.model import root_mean_square
from lib.schema import GENRES, MOVIE, OVERVIEW, RATING, TAGLINE, TITLE, USER


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
