"""Recommending by what movies are about, alone and together with ratings."""

from lib.recommenders.content.hybrid import HybridModel
from lib.recommenders.content.ranking import (
    ContentRanking,
    estimate_new_movies,
    split_new_movies,
)
from lib.recommenders.content.tfidf import ContentModel, titles_only

__all__ = [
    "ContentModel",
    "ContentRanking",
    "HybridModel",
    "estimate_new_movies",
    "split_new_movies",
    "titles_only",
]
