"""Neural collaborative filtering after tuning: the future from the past, all at once.

Three changes to the hybrid report's network, each chosen on the validation split:

1. A user is the set of watched movies besides an embedding of the own. A user with few
   ratings is then described by what others with these movies watched (the idea of
   SVD++, and of the autoencoders of Liang et al., WWW 2018).
2. One softmax over the whole catalogue takes the place of four sampled negatives.
3. The network is taught what it is asked for: each history is cut at a random moment,
   the movies before it are the input and those after it are the targets.
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from lib.errors import UserError
from lib.recommenders.ranking.histories import Histories
from lib.recommenders.ranking.model import NetworkModel

MOMENTS = 10  # cuts of each history per epoch; an epoch of one is mostly overhead


def build_tuned_neural_cf(
    n_users: int,
    n_items: int,
    embedding_size: int = 32,
    hidden: Sequence[int] = (200,),
    activation: str = "tanh",
    dropout: float = 0.5,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 4e-3,
) -> keras.Model:
    """History and user embedding → dense layers → a softmax over all movies.

    Inputs are histories (batch, n_items), see `unit_rows`, and user codes (batch,); the
    output (batch, n_items) are logits.

    Args:
        n_users: number of users.
        n_items: number of movies.
        embedding_size: length of the user embedding, 0 for none.
        hidden: widths of the dense layers; the first one's weights are the movie
            embeddings of the input side, the output layer's those of the output side.
        activation: of the dense layers.
        dropout: share of the watched movies, and of the hidden units, that is hidden.
        learning_rate: of Adam.
    """
    watched = keras.Input((n_items,), name="watched")
    user = keras.Input((), dtype="int32", name="user")
    first, *rest = hidden
    x = layers.Dropout(dropout)(watched)
    x = layers.Dense(first, activation=activation, name="history")(x)
    if embedding_size:
        own = layers.Embedding(n_users, embedding_size, name="user_embedding")(user)
        x = layers.Concatenate()([x, own])  # (batch, first + embedding_size)
    for width in rest:
        x = layers.Dense(width, activation=activation)(layers.Dropout(dropout)(x))
    logits = layers.Dense(n_items, name="movies")(layers.Dropout(dropout)(x))
    model = keras.Model([watched, user], logits, name="neural_cf_tuned")
    model.compile(
        keras.optimizers.Adam(learning_rate),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        jit_compile=False,
    )
    return model


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Divides each row of 0/1 by the root of its sum: long histories weigh the same."""
    return rows / np.sqrt(np.maximum(rows.sum(axis=1, keepdims=True), 1))


class CutBatches(keras.utils.PyDataset):
    """Histories cut at a random moment: what came before → shares of what came after.

    Args:
        train: the histories; users with fewer than two movies are left out.
        batch_size: users per batch.
        seed: of the moments and the order of the users.

    Raises:
        UserError: nobody watched two movies.
    """

    def __init__(self, train: Histories, batch_size: int, seed: int):
        super().__init__()
        self.train, self.batch_size = train, batch_size
        self.rng = np.random.default_rng(seed)
        self.users = np.repeat(np.flatnonzero(train.lengths >= 2), MOMENTS)
        if not len(self.users):
            raise UserError("no user watched two movies; expected at least one")
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Draws the moments of the next epoch: at least one movie on either side."""
        self.users = self.rng.permutation(self.users)
        self.cuts = self.rng.integers(1, self.train.lengths[self.users])

    def __len__(self) -> int:
        return -(-len(self.users) // self.batch_size)

    def __getitem__(self, index: int):
        part = slice(index * self.batch_size, (index + 1) * self.batch_size)
        users, cuts = self.users[part], self.cuts[part]
        place, rows = self.train.places(users)
        past = rows < (self.train.starts[users] + cuts)[place]
        before = np.zeros((len(users), self.train.n_items), dtype="float32")
        after = np.zeros_like(before)
        items = self.train.items[rows]
        before[place[past], items[past]] = 1
        after[place[~past], items[~past]] = 1
        shares = after / after.sum(axis=1, keepdims=True)
        return (unit_rows(before), users.astype("int32")), shares


class TunedNeuralCF(NetworkModel):
    """The tuned neural collaborative filtering.

    An epoch has `MOMENTS` new cuts of every history. Arguments: see `NetworkModel` and
    `build_tuned_neural_cf`.
    """

    name = "neural_cf_tuned"
    epochs, batch_size, learning_rate = 30, 64, 4e-3
    network = staticmethod(build_tuned_neural_cf)

    def batches(self, train: Histories) -> CutBatches:
        """Cut histories, see `CutBatches`."""
        self.x = train.matrix()
        return CutBatches(train, self.batch_size, self.seed)

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Logits of all movies: (len(users), movies) float32."""
        watched = unit_rows(self.x[users].toarray())
        logits = self.model.predict_on_batch([watched, users.astype("int32")])
        return np.asarray(logits)
