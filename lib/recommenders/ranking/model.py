"""What every ranking model offers: fit on histories, score movies for users."""

from typing import Protocol

import numpy as np
import pandas as pd

from lib.recommenders.ranking.histories import Histories
from lib.schema import MOVIE


class Scorer(Protocol):
    """What the evaluation needs of a model."""

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Scores of all movies for the user codes: (len(users), movies) floats."""


class RankingModel:
    """Base of the models here: `fit(train)` sets `train`, `scores(users)` ranks."""

    train: Histories

    def fit(self, train: Histories) -> "RankingModel":
        """Learns from the histories and returns itself."""
        raise NotImplementedError

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Scores of all movies for the user codes: (len(users), movies) floats."""
        raise NotImplementedError

    def recommend(
        self, user: int, n: int = 10, exclude_seen: bool = True
    ) -> pd.DataFrame:
        """The n best movies for a userId, best first.

        Returns:
            DataFrame with movieId and score.

        Raises:
            UserError: the user is not in the data.
        """
        code = self.train.user_code(user)
        scores = np.array(self.scores(np.array([code]))[0], dtype="float64")
        if exclude_seen:
            scores[self.train.of(code)] = -np.inf
        best = np.argsort(-scores, kind="stable")[:n]
        best = best[np.isfinite(scores[best])]
        return pd.DataFrame(
            {MOVIE: self.train.movie_ids[best], "score": scores[best]},
        )
