"""Content and ratings together: like this movie, and to this user's taste."""

import numpy as np
import pandas as pd

from lib.recommenders.content.tfidf import ContentModel
from lib.recommenders.rating.model import RatingModel
from lib.schema import MOVIE, USER

ESTIMATE = "estimated_rating"


class HybridModel:
    """Candidates by text, ordered by the rating that a model expects of the user.

    Args:
        content: a fitted content model.
        ratings: a fitted rating model, SVD++ in the hybrid report.
        watched: userId and movieId of what each user has already seen.
    """

    name = "hybrid"

    def __init__(
        self, content: ContentModel, ratings: RatingModel, watched: pd.DataFrame
    ):
        self.content, self.ratings = content, ratings
        self.watched = watched.groupby(USER)[MOVIE].agg(set)

    def recommend(
        self, user: int, movie: int, n: int = 10, exclude_seen: bool = True
    ) -> pd.DataFrame:
        """The n best for a user among the movies most similar to one movie.

        Args:
            user: a userId; an unknown one gets what the rating model says of it.
            movie: a movieId.
            n: number of movies.
            exclude_seen: leave out what the user has watched.

        Returns:
            DataFrame as from `ContentModel.similar` with estimated_rating in stars,
            highest first.

        Raises:
            UserError: the movie has no text.
        """
        seen = self.watched.get(user, set()) if exclude_seen else set()
        near = self.content.unseen(movie, seen)
        pairs = pd.DataFrame({USER: user, MOVIE: near[MOVIE].to_numpy()})
        estimates = np.asarray(self.ratings.predict(pairs), dtype=float)
        near = near.assign(**{ESTIMATE: estimates})
        best = near.sort_values(ESTIMATE, ascending=False, kind="stable")
        return best.head(n).reset_index(drop=True)
