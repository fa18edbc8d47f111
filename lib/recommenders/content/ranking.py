"""What texts alone are worth: ranking by a user's texts, and ratings of new movies."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from lib.recommenders.content.tfidf import ContentModel
from lib.recommenders.data import one_fifth
from lib.recommenders.ranking.histories import Histories
from lib.recommenders.ranking.model import RankingModel
from lib.schema import MOVIE, RATING, USER


class ContentRanking(RankingModel):
    """Movies whose texts resemble those of all that the user watched.

    score(u, i) = cosine of the text vector of i and the sum of the text vectors of the
    movies of u. Movies without a text score 0, below every movie with a shared word.

    Args:
        content: a fitted content model.
    """

    name = "content"

    def __init__(self, content: ContentModel):
        self.content = content

    def fit(self, train: Histories) -> "ContentRanking":
        """Looks up the text vectors; nothing is learnt from the ratings."""
        self.train, self.x = train, train.matrix()
        self.vectors = text_vectors(self.content, train.movie_ids)
        return self

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Cosines: (len(users), movies) float32."""
        taste = self.x[users] @ self.vectors
        length = np.sqrt(taste.multiply(taste).sum(axis=1)).A1
        scores = (taste @ self.vectors.T).toarray()
        return scores / np.maximum(length, 1e-9)[:, None]


def text_vectors(content: ContentModel, movie_ids: np.ndarray) -> sp.csr_matrix:
    """TF-IDF vectors of some movies: sparse (len(movie_ids), terms), 0 without text."""
    rows = content.rows.reindex(movie_ids)
    known = np.flatnonzero(rows.notna())
    places = rows.to_numpy()[known].astype("int64")
    ones = np.ones(len(known), dtype="float32")
    shape = (len(movie_ids), content.vectors.shape[0])
    return sp.csr_matrix((ones, (known, places)), shape=shape) @ content.vectors


def split_new_movies(
    ratings: pd.DataFrame, movie_ids: np.ndarray
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Takes all ratings of some movies away, as if these were not yet released.

    Args:
        ratings: userId, movieId, rating.
        movie_ids: movies with a text; a fifth of them becomes new.

    Returns:
        (ratings of the old movies, ratings of the new ones by users who rated an old
        one).
    """
    new = ratings[MOVIE].isin(one_fifth(movie_ids))
    old, rows = ratings[~new], ratings[new]
    return old, rows[rows[USER].isin(old[USER])]


SHRINK = 0.5  # similarity that stands for "no evidence": pulls towards a user's mean


def estimate_new_movies(
    content: ContentModel, old: pd.DataFrame, pairs: pd.DataFrame
) -> pd.DataFrame:
    """Ratings of movies that nobody has rated, from the texts of those that are known.

    With s_ij the cosine of the texts, r the known ratings, m_u the mean of user u, the
    estimate is

        m_u + Σ_j s_ij (r_uj − m_u) / (Σ_j s_ij + SHRINK),

    over the movies j that u rated.

    Args:
        content: a fitted content model with the new movies in it.
        old: known ratings.
        pairs: userId and movieId to estimate; every user has known ratings.

    Returns:
        user_mean and by_text, both in stars, in the order of `pairs`.
    """
    user_ids, u = np.unique(old[USER], return_inverse=True)
    movie_ids, j = np.unique(old[MOVIE], return_inverse=True)
    means = old.groupby(USER)[RATING].mean().to_numpy()  # sorted by userId
    shape = (len(user_ids), len(movie_ids))
    gaps = sp.csr_matrix((old[RATING].to_numpy() - means[u], (u, j)), shape=shape)
    rated = sp.csr_matrix((np.ones(len(old)), (u, j)), shape=shape)
    new_ids, column = np.unique(pairs[MOVIE], return_inverse=True)
    similar = (
        text_vectors(content, movie_ids) @ text_vectors(content, new_ids).T
    ).tocsc()
    row = np.searchsorted(user_ids, pairs[USER])
    evidence = (rated @ similar).toarray()[row, column]
    moved = (gaps @ similar).toarray()[row, column]
    estimate = means[row] + moved / (evidence + SHRINK)
    low, high = old[RATING].min(), old[RATING].max()
    return pd.DataFrame(
        {"user_mean": means[row], "by_text": np.clip(estimate, low, high)}
    )
