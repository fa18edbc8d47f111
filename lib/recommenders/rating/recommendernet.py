"""RecommenderNet: demographics and movie data through one network, and its heir."""

import keras
from keras import layers, regularizers

from lib.recommenders.rating.network import NetworkModel, code_input, embedding


class RecommenderNet(NetworkModel):
    """Embeddings of zip code, release year and occupation, linear layers for age and
    gender, and the genre flags, joined, then 128 – 64 – 1.

    Each hidden layer is followed by batch normalisation and ReLU, the first one by
    dropout 0.2 as well; the output is a sigmoid stretched to the rating range. Trained
    on the mean squared error with Adam; early stopping watches a part of the training
    rows. It knows neither user nor movie ids: two movies of one year with the same
    genres get the same rating from everybody.
    """

    name = "recommendernet"

    def _seed_inputs(self):
        """Inputs of the original, and the joined tensor (batch, 5·size + genres)."""
        size, codes = self.settings["embedding_size"], self.encoder.sizes
        coded = {name: code_input(name) for name in ("zip", "year", "occupation")}
        age = keras.Input((1,), name="age")
        gender = keras.Input((2,), name="gender")
        genres = keras.Input((self.movie_table["genres"].shape[1],), name="genres")
        parts = [embedding(t, codes[name], size) for name, t in coded.items()]
        parts += [
            layers.Dense(size, name="age_linear")(age),
            layers.Dense(size, name="gender_linear")(gender),
            genres,
        ]
        return [*coded.values(), age, gender, genres], layers.Concatenate()(parts)

    def _build(self) -> keras.Model:
        inputs, x = self._seed_inputs()
        return keras.Model(inputs, self._stars(_head(x, dropout=0.2)), name=self.name)


WITH_IDS = NetworkModel.defaults | {
    "embedding_size": 16,
    "epochs": 30,
    "learning_rate": 2e-3,
    "batch_size": 1024,
    "patience": 2,
    "reg": 1e-5,  # L2 penalty on the embeddings of ids
    "dropout": 0.4,  # of the hidden layers
}


class RecommenderNetPlus(RecommenderNet):
    """The same with what it lacked: ids, and who rated what.

    A user's vector is a regularised embedding plus the sum of vectors of the movies
    rated; a movie's an embedding plus the sum of vectors of the users who rated it, the
    pair itself left out of both. The two vectors and their product join the inputs;
    their inner product and a bias of user and movie go straight to the output.
    """

    name = "recommendernet_plus"
    defaults = WITH_IDS

    def _build(self) -> keras.Model:
        s = self.settings
        inputs, x = self._seed_inputs()
        more, tensors, straight = id_parts(self, s["embedding_size"], s["reg"])
        x = layers.Concatenate()([x, *tensors])
        x = layers.Dropout(s["dropout"])(x)
        x = layers.Add()([_head(x, dropout=s["dropout"]), *straight])
        return keras.Model([*inputs, *more], self._stars(x), name=self.name)


def id_parts(model: NetworkModel, size: int, reg: float):
    """Inputs, joined tensors and direct terms of ids and histories.

    Args:
        model: gives the tables.
        size: width of the embeddings.
        reg: L2 penalty on them.

    Returns:
        inputs; tensors (batch, …) for the hidden layers; terms (batch, 1) for the
        output: bias of user and movie, product of their embeddings.
    """
    penalty = regularizers.L2(reg)
    small = keras.initializers.RandomNormal(stddev=0.05)
    options = dict(embeddings_regularizer=penalty, embeddings_initializer=small)
    inputs, vectors, straight, tensors = [], [], [], []
    for name, table, rows in (
        ("user", model.user_table, model.user_rows),
        ("movie", model.movie_table, model.movie_rows),
    ):
        ids = code_input(name)
        history = keras.Input((rows.shape[1],), name=f"{name}_history")
        vector = embedding(ids, len(table[name]), size, **options)
        own = layers.Dense(size, use_bias=False, name=f"{name}_from_history")(history)
        vectors.append(layers.Add(name=f"{name}_vector")([vector, own]))
        bias = layers.Embedding(
            len(table[name]), 1, embeddings_initializer="zeros", name=f"{name}_bias"
        )
        straight.append(bias(ids))
        inputs += [ids, history]
    tensors = [*vectors, layers.Multiply(name="product")(vectors)]
    straight.append(layers.Dot(axes=1, name="taste")(vectors))
    return inputs, tensors, straight


def _head(x, dropout: float):
    """128 and 64 hidden units, one output: (batch, any) → (batch, 1)."""
    x = layers.Dense(128, name="hidden_1")(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.Dropout(dropout)(x)
    x = layers.Dense(64, name="hidden_2")(x)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return layers.Dense(1, name="output")(x)
