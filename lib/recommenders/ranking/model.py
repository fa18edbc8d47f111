"""What every ranking model offers: fit on histories, score movies for users."""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import pandas as pd

from lib.recommenders.ranking.histories import Histories
from lib.schema import MOVIE


class RankingModel:
    """Base of the models here: `fit(train)` sets `train`, `scores(users)` ranks."""

    name: str
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
        code = np.array([self.train.user_code(user)])
        scores = np.array(self.scores(code), dtype="float64")
        if exclude_seen:
            hide_watched(scores, self.train, code)
        best = best_first(scores, n)[0]
        best = best[np.isfinite(scores[0, best])]
        columns = {MOVIE: self.train.movie_ids[best], "score": scores[0, best]}
        return pd.DataFrame(columns)


class NetworkModel(RankingModel):
    """Base of the networks: one loop trains them all.

    Args:
        seed: of weights, draws and order.
        **settings: epochs, batch_size and learning_rate (of Adam, at the start), each
            with a default of the class; the rest is handed to what builds the network.
    """

    epochs, batch_size, learning_rate = 30, 64, 2e-3
    network: Callable[..., keras.Model]  # numbers of users and movies … → compiled

    def __init__(self, seed: int = 0, **settings):
        self.seed = seed
        for name in ("epochs", "batch_size", "learning_rate"):
            setattr(self, name, settings.pop(name, getattr(self, name)))
        self.architecture = settings

    def batches(self, train: Histories) -> keras.utils.PyDataset:
        """The samples of all epochs."""
        raise NotImplementedError

    def build(self, train: Histories, learning_rate) -> keras.Model:
        """The compiled network."""
        return self.network(
            n_users=train.n_users,
            n_items=train.n_items,
            learning_rate=learning_rate,
            **self.architecture,
        )

    def schedule(self, steps: int):
        """The learning rate over all steps: it falls to 0 along a cosine."""
        return keras.optimizers.schedules.CosineDecay(self.learning_rate, steps)

    def fit(
        self, train: Histories, callbacks: Sequence[keras.callbacks.Callback] = ()
    ) -> "NetworkModel":
        """Trains the network.

        Raises:
            UserError: the histories hold nothing to learn from.
        """
        keras.utils.set_random_seed(self.seed)
        self.train = train
        batches = self.batches(train)
        rate = self.schedule(self.epochs * batches.num_batches)
        self.model = self.build(train, rate)
        self.history = self.model.fit(
            batches,
            epochs=self.epochs,
            shuffle=False,  # each data set shuffles itself, with its own seed
            verbose=0,
            callbacks=list(callbacks),
        ).history
        return self


def hide_watched(scores: np.ndarray, train: Histories, users: np.ndarray) -> None:
    """Sets the scores of watched movies to -inf, in place.

    Args:
        scores: (len(users), movies) floats.
        train: what is watched.
        users: (n,) user codes of the rows.
    """
    place, rows = train.places(users)
    scores[place, train.items[rows]] = -np.inf


def best_first(scores: np.ndarray, n: int) -> np.ndarray:
    """The n movies with the highest scores of each row, best first: (rows, n) codes."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :n]
