"""Recommending by what movies are about, alone and together with ratings."""

from lib import names_of

__all__, __getattr__ = names_of(
    __name__,
    tfidf=("ContentModel", "titles_only"),
    ranking=("ContentRanking", "estimate_new_movies", "split_new_movies"),
    hybrid=("HybridModel",),
)
