"""The next movie as a sequence problem: a GRU or LSTM reads a user's history.

Like GRU4Rec (Hidasi et al., ICLR 2016) it predicts, after every movie of a history, the
one that follows. It differs in two ways that later work found to matter: the loss is
the full softmax over the catalogue instead of a sampled one, and input and output share
one embedding (Petrov and Macdonald, RecSys 2023; Klenitskiy and Vasilev, RecSys 2023).
"""

from collections.abc import Sequence

import keras
import numpy as np
from keras import layers

from lib.errors import UserError
from lib.recommenders.ranking.histories import Histories, batches
from lib.recommenders.ranking.model import RankingModel

CELLS = {"gru": layers.GRU, "lstm": layers.LSTM, "simple_rnn": layers.SimpleRNN}
PAD = 0  # input code of "no movie"; movie i has the code i + 1
LENGTH_STEP = 25  # batches are padded to a multiple of this: few shapes, little padding
USERS_AT_ONCE = 64


def build_next_movie(
    n_items: int,
    cell: str = "gru",
    embedding_size: int = 64,
    units: int = 128,
    dropout: float = 0.3,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 2e-3,
) -> keras.Model:
    """Embedding → recurrent layer → the same embedding, read backwards.

    Input: (batch, time) int32 codes, `PAD` or movie + 1. Output: (batch, time,
    n_items + 1) float32 logits; step t sees the movies up to t and scores the next.

    Args:
        n_items: size of the catalogue.
        cell: "gru", "lstm" or "simple_rnn".
        embedding_size: length of a movie's embedding.
        units: width of the recurrent layer.
        dropout: on the embeddings and on the recurrent layer's output.
        learning_rate: of Adam.
    """
    if cell not in CELLS:
        raise UserError(f"cell {cell!r} is unknown; expected one of {list(CELLS)}")
    movies = keras.Input((None,), dtype="int32", name="movies")
    embedding = layers.ReversibleEmbedding(
        n_items + 1,
        embedding_size,
        embeddings_initializer=keras.initializers.RandomNormal(
            stddev=embedding_size**-0.5
        ),
        name="movie_embedding",
    )
    x = layers.Dropout(dropout)(embedding(movies))  # (batch, time, embedding_size)
    # Histories are padded at the end, so a step never reads padding: no mask needed.
    x = CELLS[cell](units, return_sequences=True)(x)  # (batch, time, units)
    x = layers.Dropout(dropout)(x)
    x = layers.Dense(embedding_size, name="taste")(x)
    logits = embedding(x, reverse=True)  # (batch, time, n_items + 1)
    model = keras.Model(movies, logits, name=f"next_movie_{cell}")
    model.compile(
        keras.optimizers.Adam(learning_rate, clipnorm=5.0),
        loss=keras.losses.SparseCategoricalCrossentropy(
            from_logits=True, reduction="mean_with_sample_weight"
        ),
        jit_compile=False,
    )
    return model


class WindowBatches(keras.utils.PyDataset):
    """Windows of histories: movies → the movies that follow them, and weights.

    In every epoch long histories are cut at new places, and movies of the same second,
    whose true order nobody knows, are put into a new order.

    Args:
        train: the histories.
        window: longest window, in movies.
        batch_size: windows per batch.
        seed: of cuts and orders.

    Raises:
        UserError: nobody watched two movies.
    """

    def __init__(self, train: Histories, window: int, batch_size: int, seed: int):
        super().__init__()
        self.train, self.window = train, window
        self.rng = np.random.default_rng(seed)
        pieces = len(self._pieces())
        if not pieces:
            raise UserError("no user watched two movies; expected at least one")
        self.batches = -(-pieces // batch_size)  # the same in all epochs
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Cuts and groups the windows of the next epoch."""
        pieces = self._pieces()
        self.rng.shuffle(pieces)
        # Windows of similar length share a batch; the order of batches is random.
        pieces.sort(key=lambda piece: len(piece) // LENGTH_STEP)
        groups = np.array_split(np.arange(len(pieces)), self.batches)
        self.rng.shuffle(groups)
        self.groups = [[pieces[k] for k in group] for group in groups]

    def _pieces(self) -> list[np.ndarray]:
        """Input codes of all windows, each with one more movie, the last target."""
        ties = self.rng.random(len(self.train.items))
        order = np.lexsort((ties, self.train.times, self.train.users))
        codes = (self.train.items[order] + 1).astype("int32")
        ends = self.train.starts[1:]
        return [
            codes[a : b + 1]
            for start, end in zip(self.train.starts[:-1], ends, strict=True)
            for a, b in self._cuts(start, end)
        ]

    def _cuts(self, start: int, end: int) -> list[tuple[int, int]]:
        """Pairs (first input, last target) that cover the history start … end - 1."""
        last = end - 1
        offset = int(self.rng.integers(self.window)) if end - start > self.window else 0
        places = [start, *range(start + offset, last, self.window), last]
        return [(a, b) for a, b in zip(places[:-1], places[1:], strict=True) if b > a]

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int):
        pieces = self.groups[index]
        width = self._width(index)
        movies = pad([piece[:-1] for piece in pieces], width)
        following = pad([piece[1:] for piece in pieces], width)
        return movies, following, (following != PAD).astype("float32")

    def _width(self, index: int) -> int:
        """Time steps of a batch.

        Keras looks at two batches and takes a size that both have for that of all. The
        first batch therefore never has the width of the second: it gets more padding,
        which changes no result. A lone batch always has the width of a full window.
        """
        if len(self) == 1:
            return padded_length(self.window)
        width = padded_length(max(map(len, self.groups[index])) - 1)
        return width + LENGTH_STEP * (index == 0 and width == self._width(1))


def padded_length(longest: int) -> int:
    """The next multiple of `LENGTH_STEP`."""
    return -(-max(longest, 1) // LENGTH_STEP) * LENGTH_STEP


def pad(sequences: list[np.ndarray], width: int | None = None) -> np.ndarray:
    """Puts sequences of codes into (sequences, time) int32, `PAD` at their ends.

    Args:
        sequences: at most `width` codes each.
        width: time steps; None for as many as the longest sequence needs.
    """
    width = width or padded_length(max(map(len, sequences)))
    padded = np.full((len(sequences), width), PAD, dtype="int32")
    for row, sequence in enumerate(sequences):
        padded[row, : len(sequence)] = sequence
    return padded


class NextMovie(RankingModel):
    """Recurrent next-movie model.

    Args:
        cell: "gru", "lstm" or "simple_rnn".
        epochs: passes over the histories; the learning rate falls to 0 along a cosine.
        batch_size: windows per step.
        window: number of last movies that are read.
        learning_rate: of Adam, at the start.
        seed: of weights, cuts and orders.
        **architecture: see `build_next_movie`.
    """

    def __init__(
        self,
        cell: str = "gru",
        epochs: int = 16,
        batch_size: int = 32,
        window: int = 100,
        learning_rate: float = 2e-3,
        seed: int = 0,
        **architecture,
    ):
        self.cell, self.epochs, self.batch_size = cell, epochs, batch_size
        self.window, self.learning_rate, self.seed = window, learning_rate, seed
        self.architecture = architecture
        self.name = f"next_movie_{cell}"

    def fit(
        self,
        train: Histories,
        callbacks: Sequence[keras.callbacks.Callback] = (),
    ) -> "NextMovie":
        """Trains the network on all histories with at least two movies."""
        keras.utils.set_random_seed(self.seed)
        self.train = train
        windows = WindowBatches(train, self.window, self.batch_size, self.seed)
        rate = keras.optimizers.schedules.CosineDecay(
            self.learning_rate, self.epochs * len(windows)
        )
        self.model = build_next_movie(
            train.n_items, self.cell, learning_rate=rate, **self.architecture
        )
        self.history = self.model.fit(
            windows,
            epochs=self.epochs,
            shuffle=False,
            verbose=0,
            callbacks=list(callbacks),
        ).history
        return self

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Logits of the next movie: (len(users), movies) float32."""
        return self.scores_after([self.train.of(user) for user in users])

    def scores_after(self, histories: list[np.ndarray]) -> np.ndarray:
        """Logits after any histories, also of people who were not in the training.

        Args:
            histories: arrays of movie codes, from the first to the last watched.

        Returns:
            (len(histories), movies) float32.
        """
        parts = []
        for rows in batches(np.arange(len(histories)), USERS_AT_ONCE):
            last = [histories[row][-self.window :] + 1 for row in rows]
            logits = self.model.predict_on_batch(pad(last))
            steps = [max(len(sequence) - 1, 0) for sequence in last]
            parts.append(np.asarray(logits)[np.arange(len(rows)), steps, 1:])
        return np.concatenate(parts)
