"""Wide & Deep: a cross of gender and genre beside embeddings, and its heir."""

import keras
from keras import layers

from lib.recommenders.rating.network import NetworkModel, code_input, embedding
from lib.recommenders.rating.recommendernet import WITH_IDS, id_parts


class WideDeep(NetworkModel):
    """Wide: gender × genre, one-hot. Deep: age, gender, occupation, genre, embedded.

    The deep part goes through two dense layers with dropout and is joined with the
    wide part before the last, linear unit. Trained on the mean squared error with Adam
    for a fixed number of epochs. As in the original a movie has one genre, the first
    of its list, so everything it can know of a movie is that genre.

    Reference: Cheng et al., "Wide & deep learning for recommender systems", DLRS 2016.
    """

    name = "wide_deep"
    defaults = NetworkModel.defaults | {
        "embedding_size": 8,
        "epochs": 50,
        "patience": 0,
    }

    def _deep_inputs(self):
        """Inputs of the deep part, by name, and its embedded tensors."""
        size, codes = self.settings["embedding_size"], self.encoder.sizes
        coded = {name: code_input(name) for name in ("gender_code", "occupation")}
        coded["genre"] = code_input("genre")
        age = keras.Input((1,), name="age")
        parts = [embedding(t, codes[name], size) for name, t in coded.items()]
        parts.append(layers.Dense(size, name="age_linear")(age))
        return coded | {"age": age}, parts

    def _build(self) -> keras.Model:
        inputs, parts = self._deep_inputs()
        deep = _deep(layers.Concatenate()(parts), dropout=0.2)
        gender = one_hot(inputs["gender_code"], self.encoder.sizes["gender_code"])
        genre = one_hot(inputs["genre"], self.encoder.sizes["genre"])
        joined = layers.Concatenate()([cross(gender, genre, "gender_genre"), deep])
        middle = (self.catalogue.low + self.catalogue.high) / 2  # of the rating range
        start = keras.initializers.Constant(middle)
        stars = layers.Dense(1, bias_initializer=start, name="stars")(joined)
        return keras.Model(list(inputs.values()), stars, name=self.name)


class WideDeepPlus(WideDeep):
    """The same with all genres of a movie, more crosses, ids and histories.

    Wide: gender × genres, occupation × genres, one-hot user, one-hot movie (a bias
    each). Deep: also the vectors of user and movie of `RecommenderNetPlus`.
    """

    name = "wide_deep_plus"
    defaults = WITH_IDS

    def _build(self) -> keras.Model:
        s, sizes = self.settings, self.encoder.sizes
        inputs, parts = self._deep_inputs()
        genres = keras.Input((self.movie_table["genres"].shape[1],), name="genres")
        more, vectors, straight = id_parts(self, s["embedding_size"], s["reg"])
        deep = layers.Concatenate()([*parts, genres, *vectors])
        deep = _deep(layers.Dropout(s["dropout"])(deep), s["dropout"])
        crosses = [
            cross(one_hot(inputs[name], sizes[name]), genres, f"{name}_genres")
            for name in ("gender_code", "occupation")
        ]
        joined = layers.Concatenate()([*crosses, deep])
        output = layers.Dense(1, name="output")(joined)
        stars = self._stars(layers.Add()([output, *straight]))
        return keras.Model([*inputs.values(), genres, *more], stars, name=self.name)


def one_hot(codes, size: int):
    """Codes (batch,) as flags (batch, size)."""
    return layers.CategoryEncoding(size, "one_hot")(layers.Reshape((1,))(codes))


def cross(left, right, name: str):
    """Every flag of one side with every flag of the other: (batch, left · right)."""
    left = layers.Reshape((left.shape[1], 1))(left)
    right = layers.Reshape((1, right.shape[1]))(right)
    return layers.Flatten(name=name)(layers.Multiply()([left, right]))


def _deep(x, dropout: float):
    for number, units in enumerate((64, 32), start=1):
        x = layers.Dense(units, activation="relu", name=f"deep_{number}")(x)
        x = layers.Dropout(dropout)(x)
    return x
