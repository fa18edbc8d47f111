"""What the rating networks share: inputs, training with early stopping, saving."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
from scipy import sparse

from lib.files import read_network
from lib.progress import epoch_lines
from lib.recommenders.data import random_split
from lib.recommenders.rating.encoders import OOV, Encoder
from lib.recommenders.rating.entities import UNKNOWN, Profile
from lib.recommenders.rating.model import RatingModel
from lib.recommenders.rating.side_features import normalised
from lib.schema import RATING

NETWORK_FILE = "network.keras"
PREDICT_BATCH = 4096


class NetworkModel(RatingModel):
    """A Keras network over the inputs of `lib.recommenders.rating.encoders`.

    A model fills in `_build`, which returns an uncompiled network whose inputs are
    named like the columns of the encoder's tables and whose output is stars (batch,).

    Settings of all: `embedding_size`, width of each embedding and linear layer;
    `epochs`, at most; `learning_rate` of Adam; `batch_size`, rows; `patience`, epochs
    without a better validation loss before it stops, 0 for no early stopping;
    `validation_share`, part of the training rows that early stopping watches; `seed` of
    weights, order and split.
    """

    knows_profiles = True
    defaults = {
        "embedding_size": 32,
        "epochs": 200,
        "learning_rate": 1e-3,
        "batch_size": 512,
        "patience": 10,
        "validation_share": 0.1,
        "seed": 0,
    }
    network: keras.Model  # once it is fitted

    def _fit(self, ratings: pd.DataFrame) -> None:
        s = self.settings
        keras.utils.set_random_seed(s["seed"])
        self.arrays = {}
        self._make_tables()
        self.network = self._build()
        self.network.compile(
            optimizer=keras.optimizers.Adam(s["learning_rate"]),
            loss="mse",
            jit_compile=False,
        )
        fitted, watched = random_split(ratings, s["validation_share"], s["seed"])
        batches = self._batches(fitted, s["batch_size"], s["seed"])
        log = self.network.fit(
            batches,
            epochs=s["epochs"],
            validation_data=self._batches(watched) if len(watched) else None,
            callbacks=self._callbacks(len(watched)),
            verbose=0,
        )
        self.history = pd.DataFrame(log.history)
        self._fill_unknown(fitted)

    def _callbacks(self, watched: int) -> list:
        s, calls = self.settings, []
        if s["patience"] and watched:
            calls.append(
                keras.callbacks.EarlyStopping(
                    patience=s["patience"], restore_best_weights=True
                )
            )
        if self.tell:
            calls.append(epoch_lines(self.name, s["epochs"], self.tell))
        return calls

    def _memory(self) -> float:
        # histories of a batch, dense, float32, and their copies in Keras
        return 3 * 4 * PREDICT_BATCH * sum(self.catalogue.seen.shape)

    def _fill_unknown(self, rows: pd.DataFrame) -> None:
        """Gives codes without a training row the mean of those that have one.

        Training never moves them, so they would add noise to every new user.
        """
        inputs = self._codes(self.user_table, *self.catalogue.locate(rows))
        for layer in self.network.layers:
            if not isinstance(layer, keras.layers.Embedding):
                continue
            codes = inputs[layer.name.rsplit("_", 1)[0]]
            weights = layer.get_weights()[0]
            trained = np.isin(np.arange(len(weights)), codes)
            weights[~trained] = weights[trained].mean(axis=0)
            layer.set_weights([weights])

    def _make_tables(self) -> None:
        self.encoder = Encoder(self.catalogue)
        users, movies = self.catalogue.seen.shape
        # OOV as everywhere in the tables' last row, so ids count from 1 here.
        self.user_table = self.encoder.user | {"user": _numbers(users)}
        self.movie_table = self.encoder.movie | {"movie": _numbers(movies)}
        seen = self.catalogue.seen.astype("float32")
        self.user_rows = _with_empty_row(normalised(seen))
        self.movie_rows = _with_empty_row(normalised(seen.T.tocsr()))

    def _batches(self, rows: pd.DataFrame, size=PREDICT_BATCH, seed=None):
        u, i = self.catalogue.locate(rows)
        return RowBatches(self, u, i, rows[RATING].to_numpy("float32"), size, seed)

    def _codes(self, user_table, u, i) -> dict[str, np.ndarray]:
        """Network inputs without the histories, for pairs at positions u and i."""
        names = {tensor.name for tensor in self.network.inputs}
        user = {n: table[u] for n, table in user_table.items() if n in names}
        movie = {n: table[i] for n, table in self.movie_table.items() if n in names}
        return user | movie

    def _inputs(self, user_table, u, i) -> dict[str, np.ndarray]:
        """Network inputs for pairs at positions u and i; their histories are dense.

        A history never shows the pair it serves: the network would learn to tell rated
        from unrated pairs, of which there is only one kind among the training rows.
        """
        names = {tensor.name for tensor in self.network.inputs}
        inputs = self._codes(user_table, u, i)
        for name, rows, own, other in (
            ("user_history", self.user_rows, u, i),
            ("movie_history", self.movie_rows, i, u),
        ):
            if name in names:
                inputs[name] = rows[own].toarray()
                known = np.flatnonzero(other >= 0)
                inputs[name][known, other[known]] = 0
        return inputs

    def _predict(self, u, i, times):
        return self._run(self.user_table, u, i)

    def _predict_profile(self, profile: Profile, i: np.ndarray) -> np.ndarray:
        unknown = {name: values[-1:] for name, values in self.user_table.items()}
        table = unknown | self.encoder.encode_users(profile.frame())
        return self._run(table, np.full(len(i), UNKNOWN), i)

    def _run(self, user_table, u, i) -> np.ndarray:
        parts = [np.zeros(0)]
        for start in range(0, len(i), PREDICT_BATCH):
            k = slice(start, start + PREDICT_BATCH)
            stars = self.network(self._inputs(user_table, u[k], i[k]), training=False)
            parts.append(keras.ops.convert_to_numpy(stars).reshape(-1))
        return np.concatenate(parts)

    def _build(self) -> keras.Model:
        raise NotImplementedError

    def _stars(self, x):
        """Sigmoid of x (batch, 1), stretched to the range of the ratings."""
        low, high = self.catalogue.low, self.catalogue.high
        share = keras.layers.Activation("sigmoid", name="share")(x)
        return keras.layers.Rescaling(high - low, low, name="stars")(share)

    def _save_more(self, folder: Path) -> None:
        self.network.save(folder / NETWORK_FILE)
        self.history.to_csv(folder / "history.csv", index=False)

    def _load_more(self, folder: Path) -> None:
        self._make_tables()
        self.network = read_network(folder / NETWORK_FILE)
        self.history = pd.read_csv(folder / "history.csv")


class RowBatches(keras.utils.PyDataset):
    """Batches of rating rows, built when they are needed."""

    def __init__(self, model: NetworkModel, u, i, ratings, size: int, seed: int | None):
        """Keeps the positions of users and movies; without a seed keeps the order."""
        super().__init__()
        self.model, self.u, self.i, self.ratings = model, u, i, ratings
        self.size = size
        self.rng = None if seed is None else np.random.default_rng(seed)
        self.order = np.arange(len(ratings))
        self.on_epoch_end()

    def __len__(self):
        return -(-len(self.order) // self.size)

    def __getitem__(self, index):
        rows = self.order[index * self.size : (index + 1) * self.size]
        table = self.model.user_table
        inputs = self.model._inputs(table, self.u[rows], self.i[rows])
        return inputs, self.ratings[rows]

    def on_epoch_end(self):
        if self.rng is not None:
            self.order = self.rng.permutation(len(self.order))


def _numbers(count: int) -> np.ndarray:
    return np.append(np.arange(1, count + 1), OOV).astype("int32")


def _with_empty_row(rows: sparse.csr_array) -> sparse.csr_array:
    empty = sparse.csr_array((1, rows.shape[1]), dtype=rows.dtype)
    return sparse.csr_array(sparse.vstack([rows, empty]))


def code_input(name: str):
    """Input of one whole number per row."""
    return keras.Input((), name=name, dtype="int32")


def embedding(tensor, size: int, width: int, **options):
    """Embedding of a coded input: (batch,) → (batch, width); layer name + suffix."""
    layer = keras.layers.Embedding(
        size, width, name=f"{tensor.name}_embedding", **options
    )
    return layer(tensor)


def same_layers(first: keras.Model, second: keras.Model) -> bool:
    """Whether two networks have layers of equal kinds, shapes and sizes."""
    one, two = (
        sorted((type(x).__name__, str(x.output.shape), x.count_params()) for x in net)
        for net in (first.layers, second.layers)
    )
    return one == two
