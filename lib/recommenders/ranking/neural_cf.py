"""Neural collaborative filtering: watched or not, from a user and a movie embedding.

The architecture is that of the hybrid report, a variant of the MLP of He et al. (Neural
Collaborative Filtering, WWW 2017, section 3.3).
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from lib.recommenders.ranking.histories import Histories
from lib.recommenders.ranking.model import NetworkModel
from lib.recommenders.ranking.splits import Unseen

PAIRS_AT_ONCE = 65_536  # pairs per call when all movies of some users are scored


def build_neural_cf(
    n_users: int,
    n_items: int,
    embedding_size: int = 16,
    hidden: Sequence[int] = (64, 128, 64, 32),
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
        learning_rate: of Adam.
    """
    inputs, vectors = [], []
    for name, size in (("user", n_users), ("movie", n_items)):
        inputs.append(keras.Input((), dtype="int32", name=name))
        embedding = layers.Embedding(size, embedding_size, name=f"{name}_embedding")
        vectors.append(embedding(inputs[-1]))  # (batch, embedding_size)
    x = layers.Concatenate()(vectors)  # (batch, 2 * embedding_size)
    for width in hidden:
        x = layers.Dense(width, activation="relu")(x)
    watched = layers.Dense(1, activation="sigmoid", name="watched")(x)
    model = keras.Model(inputs, watched, name="neural_cf")
    model.compile(
        keras.optimizers.Adam(learning_rate),
        loss="binary_crossentropy",
        jit_compile=False,
    )
    return model


class NeuralCF(NetworkModel):
    """The hybrid report's neural collaborative filtering, with its own numbers.

    Args:
        negatives: unwatched movies per watched one.
        held_out: (users, movies), both (n,) codes, that are never drawn as negatives.
            Giving the test movies here tells the network a little about the test: they
            are then the only unwatched movies that it is never taught to push down.
        **settings: see `NetworkModel` and `build_neural_cf`.
    """

    name = "neural_cf"
    epochs, batch_size, learning_rate = 50, 512, 0.01
    network = staticmethod(build_neural_cf)

    def __init__(self, negatives: int = 4, held_out=((), ()), **settings):
        super().__init__(**settings)
        self.negatives, self.held_out = negatives, held_out

    def batches(self, train: Histories) -> "PairBatches":
        """Watched and unwatched pairs, see `PairBatches`."""
        unseen = Unseen(train, *self.held_out)
        return PairBatches(train, self.negatives, self.batch_size, unseen, self.seed)

    def schedule(self, steps: int) -> float:
        """The hybrid report keeps the learning rate."""
        return self.learning_rate

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Probabilities of all movies: (len(users), movies) float32."""
        n_items = self.train.n_items
        pairs = (
            np.repeat(users, n_items).astype("int32"),
            np.tile(np.arange(n_items, dtype="int32"), len(users)),
        )
        watched = self.model.predict(pairs, batch_size=PAIRS_AT_ONCE, verbose=0)
        return watched.reshape(len(users), n_items)


class PairBatches(keras.utils.PyDataset):
    """Batches of (user, movie) → watched or not, with new negatives in every epoch.

    Args:
        train: the watched movies, the positives.
        negatives: number of unwatched movies per watched one.
        batch_size: pairs per batch.
        unseen: the movies that may be drawn for each user.
        seed: of the draws and of the order of the pairs.
    """

    def __init__(self, train, negatives, batch_size, unseen: Unseen, seed=0):
        super().__init__()
        self.train, self.negatives, self.batch_size = train, negatives, batch_size
        self.unseen, self.rng = unseen, np.random.default_rng(seed)
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Draws the negatives of the next epoch and shuffles the pairs."""
        users = np.tile(self.train.users, self.negatives + 1)
        positives = len(self.train.items)
        drawn = self.unseen.draw(users[positives:], self.rng)
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
