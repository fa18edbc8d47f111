"""Neural collaborative filtering: watched or not, from a user and a movie embedding.

The architecture is seed 4's, a variant of the MLP of He et al. (Neural Collaborative
Filtering, WWW 2017, section 3.3).
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from lib.errors import UserError
from lib.recommenders.ranking.histories import Histories
from lib.recommenders.ranking.model import RankingModel

PAIRS_AT_ONCE = 65_536  # pairs per call when all movies of some users are scored


def build_neural_cf(
    n_users: int,
    n_items: int,
    embedding_size: int = 16,
    hidden: Sequence[int] = (64, 128, 64, 32),
    activation: str = "relu",
    dropout: float = 0.0,
    l2: float = 0.0,
    learning_rate: float = 0.01,
) -> keras.Model:
    """Two embeddings, concatenated, dense layers, sigmoid.

    Inputs are user codes (batch,) and movie codes (batch,), the output (batch, 1) is
    the probability that the user watched the movie.

    Args:
        n_users: number of users.
        n_items: number of movies.
        embedding_size: length of each embedding.
        hidden: widths of the dense layers.
        activation: of the dense layers.
        dropout: after each dense layer.
        l2: penalty on the embeddings.
        learning_rate: of Adam.
    """
    user = keras.Input((), dtype="int32", name="user")
    item = keras.Input((), dtype="int32", name="movie")
    penalty = keras.regularizers.L2(l2) if l2 else None

    def embedding(size, name):
        return layers.Embedding(
            size, embedding_size, embeddings_regularizer=penalty, name=name
        )

    vectors = [
        embedding(n_users, "user_embedding")(user),
        embedding(n_items, "movie_embedding")(item),
    ]
    x = layers.Concatenate()(vectors)  # (batch, 2 * embedding_size)
    for width in hidden:
        x = layers.Dense(width, activation=activation)(x)
        x = layers.Dropout(dropout)(x) if dropout else x
    watched = layers.Dense(1, activation="sigmoid", name="watched")(x)
    model = keras.Model([user, item], watched, name="neural_cf")
    model.compile(
        keras.optimizers.Adam(learning_rate),
        loss="binary_crossentropy",
        jit_compile=False,
    )
    return model


class NeuralCF(RankingModel):
    """Seed 4's neural collaborative filtering with its own numbers as defaults.

    Args:
        epochs: passes over the positives, each with newly drawn negatives.
        batch_size: pairs per step.
        negatives: unwatched movies per watched one.
        seed: of weights, draws and order.
        **architecture: see `build_neural_cf`.
    """

    name = "neural_cf"

    def __init__(
        self,
        epochs: int = 50,
        batch_size: int = 512,
        negatives: int = 4,
        seed: int = 0,
        **architecture,
    ):
        self.epochs, self.batch_size, self.negatives = epochs, batch_size, negatives
        self.seed, self.architecture = seed, architecture

    def fit(
        self,
        train: Histories,
        held_out: np.ndarray | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> "NeuralCF":
        """Trains the network.

        Args:
            train: the watched movies.
            held_out: movies that are never drawn as negatives. Giving the test movies
                here tells the network a little about the test: they are then the only
                unwatched movies that it is never taught to push down.
            callbacks: Keras callbacks, for example for progress.
        """
        keras.utils.set_random_seed(self.seed)
        self.train = train
        pairs = PairBatches(train, self.negatives, self.batch_size, held_out, self.seed)
        self.model = build_neural_cf(train.n_users, train.n_items, **self.architecture)
        self.history = self.model.fit(
            pairs, epochs=self.epochs, verbose=0, callbacks=list(callbacks)
        ).history
        return self

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Probabilities of all movies: (len(users), movies) float32."""
        n_items = self.train.n_items
        pairs = (
            np.repeat(users, n_items).astype("int32"),
            np.tile(np.arange(n_items, dtype="int32"), len(users)),
        )
        watched = self.model.predict(pairs, batch_size=PAIRS_AT_ONCE, verbose=0)
        return watched.reshape(len(users), n_items)


def forbidden_pairs(train: Histories, held_out: np.ndarray | None = None) -> np.ndarray:
    """Sorted keys user · movies + movie of the pairs that are no negatives.

    Args:
        train: the watched movies.
        held_out: (users,) one more movie per user, -1 for none.
    """
    keys = train.users * train.n_items + train.items
    if held_out is not None:
        users = np.flatnonzero(held_out >= 0)
        keys = np.concatenate([keys, users * train.n_items + held_out[users]])
    return np.unique(keys)


def draw_negatives(
    users: np.ndarray, n_items: int, forbidden: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """One movie per entry of `users`, uniform over those that are not forbidden.

    All are drawn at once; only the few that hit a forbidden pair are drawn again.

    Args:
        users: (n,) user codes, with repetitions.
        n_items: size of the catalogue.
        forbidden: what `forbidden_pairs` returns.
        rng: source of the draws.

    Returns:
        (n,) int64 movie codes.

    Raises:
        UserError: a user has watched the whole catalogue.
    """
    counts = np.bincount(forbidden // n_items, minlength=users.max(initial=0) + 1)
    if np.any(counts[users] >= n_items):
        raise UserError(
            f"a user watched all {n_items} movies; expected at least one unwatched "
            "movie per user: take a larger data set"
        )
    drawn = rng.integers(0, n_items, len(users))
    again = np.arange(len(users))
    while len(again):
        keys = users[again] * n_items + drawn[again]
        place = np.minimum(np.searchsorted(forbidden, keys), len(forbidden) - 1)
        again = again[forbidden[place] == keys]
        drawn[again] = rng.integers(0, n_items, len(again))
    return drawn


class PairBatches(keras.utils.PyDataset):
    """Batches of (user, movie) → watched or not, with new negatives in every epoch.

    Args:
        train: the watched movies, the positives.
        negatives: number of unwatched movies per watched one.
        batch_size: pairs per batch.
        held_out: movies that are never drawn as negatives, see `forbidden_pairs`.
        seed: of the draws and of the order of the pairs.
    """

    def __init__(self, train, negatives, batch_size, held_out=None, seed=0):
        super().__init__()
        self.train, self.negatives, self.batch_size = train, negatives, batch_size
        self.forbidden = forbidden_pairs(train, held_out)
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Draws the negatives of the next epoch and shuffles the pairs."""
        users = np.tile(self.train.users, self.negatives + 1)
        positives = len(self.train.items)
        drawn = draw_negatives(
            users[positives:], self.train.n_items, self.forbidden, self.rng
        )
        items = np.concatenate([self.train.items, drawn])
        labels = (np.arange(len(users)) < positives).astype("float32")
        order = self.rng.permutation(len(users))
        self.pairs = users[order].astype("int32"), items[order].astype("int32")
        self.labels = labels[order, None]

    def __len__(self) -> int:
        return -(-len(self.labels) // self.batch_size)

    def __getitem__(self, index: int):
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return tuple(part[rows] for part in self.pairs), self.labels[rows]
