"""Figures of the content-based recommender."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lib.figures.style import BLUE, ORANGE, WIDTH
from lib.schema import TITLE, WEIGHTED_RATING


def similarity_chart(similar: pd.DataFrame, movies: int, title: str) -> Figure:
    """Bars for the ten nearest movies, and how all others are spread.

    Args:
        similar: title and similarity of every movie that shares a term, nearest first.
        movies: number of movies in all.
        title: the movie that they are compared with.
    """
    near, everything = similar.head(10).iloc[::-1], similar["similarity"]
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.9), width_ratios=(3, 2))
    names = near[TITLE].str.slice(0, 34)
    axes[0].barh(range(len(near)), near["similarity"], color=BLUE)
    axes[0].set_yticks(range(len(near)), names, size=7)
    axes[0].grid(axis="y", visible=False)
    axes[0].set(xlabel="cosine similarity", title=f"Nearest to {title[:34]}")
    axes[1].hist(everything, bins=30, color=ORANGE)
    share = len(everything) / (movies - 1)
    axes[1].set(
        xlabel="cosine similarity",
        ylabel="movies",
        yscale="log",
        title=f"{share:.0%} share a term",
    )
    return fig


def weighting_chart(movies: pd.DataFrame, min_votes: float) -> Figure:
    """Weighted against plain ratings; the colour is the number of votes.

    Args:
        movies: vote_count, vote_average and weighted_rating of every movie.
        min_votes: m of the weighted rating.
    """
    table = movies[movies["vote_count"] > 0]
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
        title=f"Few votes, pulled to the mean (m = {min_votes:,.0f})",
    )
    return fig
