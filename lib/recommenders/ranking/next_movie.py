"""The next movie as a sequence problem: a network reads a user's history.

Like GRU4Rec (Hidasi et al., ICLR 2016) and SASRec (Kang and McAuley, Self-Attentive
Sequential Recommendation, ICDM 2018) it predicts, after every movie of a history, the
one that follows. It differs in two ways that later work found to matter: the loss is
the full softmax over the catalogue instead of a sampled one, and input and output share
one embedding (Petrov and Macdonald, RecSys 2023; Klenitskiy and Vasilev, RecSys 2023).
"""

import keras
import numpy as np
from keras import layers, ops

from lib.errors import UserError
from lib.recommenders.ranking.histories import Histories, batches
from lib.recommenders.ranking.model import NetworkModel

CELLS = {"gru": layers.GRU, "lstm": layers.LSTM, "simple_rnn": layers.SimpleRNN}
ATTENTION = "sasrec"
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
    blocks: int = 2,
    heads: int = 1,
    window: int = 100,
) -> keras.Model:
    """Embedding → recurrent layer or attention → the same embedding, read backwards.

    Input: (batch, time) int32 codes, `PAD` or movie + 1. Output: (batch, time,
    n_items + 1) float32 logits; step t sees the movies up to t and scores the next.
    Histories are padded at the end, so a step never reads padding: no mask is needed.

    Args:
        n_items: size of the catalogue.
        cell: "gru", "lstm", "simple_rnn", or "sasrec" for causal self-attention.
        embedding_size: length of a movie's embedding.
        units: width of the recurrent layer.
        dropout: on the embeddings and on the output of each later layer.
        learning_rate: of Adam.
        blocks: number of blocks of self-attention.
        heads: of each block.
        window: longest history that self-attention reads.

    Raises:
        UserError: an unknown cell.
    """
    if cell not in (*CELLS, ATTENTION):
        raise UserError(
            f"cell {cell!r} is unknown; expected one of {[*CELLS, ATTENTION]}"
        )
    movies = keras.Input((None,), dtype="int32", name="movies")
    embedding = layers.ReversibleEmbedding(
        n_items + 1,
        embedding_size,
        embeddings_initializer=keras.initializers.RandomNormal(
            stddev=embedding_size**-0.5
        ),
        name="movie_embedding",
    )
    x = embedding(movies)  # (batch, time, embedding_size)
    if cell == ATTENTION:
        places = ops.cumsum(ops.ones_like(movies), axis=1) - 1  # 0, 1, 2, …
        x = x + layers.Embedding(
            padded_length(window) + LENGTH_STEP, embedding_size, name="places"
        )(places)
        x = layers.Dropout(dropout)(x)
        for _ in range(blocks):
            x = attention_block(x, heads, dropout)
        x = layers.LayerNormalization()(x)
    else:
        x = layers.Dropout(dropout)(x)
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


def attention_block(x, heads: int, dropout: float):
    """Causal self-attention, then two dense layers, each beside a shortcut.

    Args:
        x: (batch, time, size) tensor; step t reads steps up to t.
        heads: number of heads, each of width size // heads.
        dropout: on the output of both parts.

    Returns:
        (batch, time, size) tensor (Kang and McAuley 2018, sections 3.2 and 3.3).
    """
    size = x.shape[-1]
    seen = layers.LayerNormalization()(x)
    seen = layers.MultiHeadAttention(heads, size // heads, dropout=dropout)(
        seen, seen, use_causal_mask=True
    )
    x = x + layers.Dropout(dropout)(seen)
    wide = layers.Dense(size, activation="relu")(layers.LayerNormalization()(x))
    wide = layers.Dense(size)(layers.Dropout(dropout)(wide))
    return x + layers.Dropout(dropout)(wide)


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
        users, starts = train.users, train.starts
        last = np.zeros(len(train.items), dtype=bool)
        last[starts[1:][train.lengths > 0] - 1] = True
        self.inputs = np.flatnonzero(~last)  # rows that another movie follows
        if not len(self.inputs):
            raise UserError("no user watched two movies; expected at least one")
        self.owner = users[self.inputs]
        self.step = self.inputs - starts[self.owner]  # 0 for a user's first movie
        pieces = len(self._pieces()[0])
        self.batches = -(-pieces // batch_size)  # the same in all epochs
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Orders the movies, cuts and groups the windows of the next epoch."""
        ties = self.rng.random(len(self.train.items))
        order = np.lexsort((ties, self.train.times, self.train.users))
        self.codes = (self.train.items[order] + 1).astype("int32")
        self.first, self.length = self._pieces()
        pieces = self.rng.permutation(len(self.first))
        # Windows of similar length share a batch; the order of batches is random.
        rank = np.argsort(self.length[pieces] // LENGTH_STEP, kind="stable")
        self.groups = np.array_split(pieces[rank], self.batches)
        self.rng.shuffle(self.groups)

    def _pieces(self) -> tuple[np.ndarray, np.ndarray]:
        """Row of the first input and number of inputs of every window.

        A history that fits is one window; a longer one is cut every `window` movies,
        counted from a place drawn for each user.
        """
        offsets = self.rng.integers(self.window, size=self.train.n_users)
        offsets[self.train.lengths <= self.window] = 0
        cut = (self.step - offsets[self.owner]) % self.window == 0
        edges = np.flatnonzero(cut | (self.step == 0))
        return self.inputs[edges], np.diff(np.append(edges, len(self.inputs)))

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, index: int):
        group = self.groups[index]
        first, length, width = self.first[group], self.length[group], self._width(index)
        movies = pad(self.codes, first, length, width)
        following = pad(self.codes, first + 1, length, width)
        return movies, following, (following != PAD).astype("float32")

    def _width(self, index: int) -> int:
        """Time steps of a batch.

        Keras looks at two batches and takes a size that both have for that of all. The
        first batch therefore never has the width of the second: it gets more padding,
        which changes no result. A lone batch always has the width of a full window.
        """
        if len(self) == 1:
            return padded_length(self.window)
        width = padded_length(self.length[self.groups[index]].max())
        return width + LENGTH_STEP * (index == 0 and width == self._width(1))


def padded_length(longest: int) -> int:
    """The next multiple of `LENGTH_STEP`."""
    return -(-max(longest, 1) // LENGTH_STEP) * LENGTH_STEP


def pad(codes: np.ndarray, first: np.ndarray, length: np.ndarray, width: int):
    """Cuts pieces out of a long row of codes.

    Args:
        codes: (rows,) int32.
        first: (pieces,) place of each piece's first code.
        length: (pieces,) number of codes, at most `width`.
        width: time steps.

    Returns:
        (pieces, width) int32, with `PAD` at the ends.
    """
    steps = np.arange(width)
    rows = np.minimum(first[:, None] + steps, max(len(codes) - 1, 0))
    found = codes[rows] if len(codes) else np.zeros(rows.shape, "int32")
    return np.where(steps < length[:, None], found, PAD).astype("int32")


class NextMovie(NetworkModel):
    """The next-movie model.

    Args:
        cell: "gru", "lstm", "simple_rnn" or "sasrec".
        window: number of last movies that are read.
        **settings: see `NetworkModel` and `build_next_movie`.
    """

    epochs, batch_size, learning_rate = 16, 32, 2e-3

    def __init__(self, cell: str = "gru", window: int = 100, **settings):
        super().__init__(**settings)
        self.cell, self.window = cell, window
        self.name = ATTENTION if cell == ATTENTION else f"next_movie_{cell}"

    def batches(self, train: Histories) -> WindowBatches:
        """Windows of the histories, see `WindowBatches`."""
        return WindowBatches(train, self.window, self.batch_size, self.seed)

    def build(self, train: Histories, learning_rate) -> keras.Model:
        """See `build_next_movie`."""
        return build_next_movie(
            train.n_items,
            self.cell,
            window=self.window,
            learning_rate=learning_rate,
            **self.architecture,
        )

    def scores(self, users: np.ndarray) -> np.ndarray:
        """Logits of the next movie: (len(users), movies) float32."""
        starts = self.train.starts
        return self.scores_after(self.train.items, starts[users], starts[users + 1])

    def scores_after(self, items, starts, ends) -> np.ndarray:
        """Logits after any histories, also of people who were not in the training.

        Args:
            items: movie codes, all histories one after the other, (rows,).
            starts: place of each history's first movie, (histories,).
            ends: place behind its last one; the last `window` movies are read.

        Returns:
            (histories, movies) float32.
        """
        codes, starts = items + 1, np.maximum(starts, ends - self.window)
        parts = []
        for rows in batches(np.arange(len(starts)), USERS_AT_ONCE):
            length = ends[rows] - starts[rows]
            width = padded_length(length.max())
            movies = pad(codes, starts[rows], length, width)
            logits = np.asarray(self.model.predict_on_batch(movies))
            parts.append(logits[np.arange(len(rows)), np.maximum(length - 1, 0), 1:])
        return np.concatenate(parts)
