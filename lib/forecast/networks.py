"""The networks: recurrent corrections of a simple forecast, in Keras 3.

Every network answers one question: by how much should the log share that a tuned,
count-weighted EWMA forecasts be corrected? It reads a window of slots, puts out one
correction per movie, adds it to the logarithm of the EWMA's share and normalises over
the movies of the slot:

    ln q(i, t) = log_softmax_i( ln ewma(i, t) + correction(i, t) ).

The last layer starts at zero, so that an untrained network *is* the EWMA and training
can only move it to where the training slots were forecast better.

Shapes: (batch, time, movie, feature) for types 1 and 3, where all movies share one
small network; (batch, time, movie) for types 2 and 4, where the movies of a slot are
one vector and the network learns how they move together. `batch` counts slots.

Cells: Elman (1990) SimpleRNN; Hochreiter and Schmidhuber (1997) LSTM; Cho et al. (2014)
GRU; Schuster and Paliwal (1997) bidirectional. A Conv1D in front of a recurrent layer
follows the hybrid of the brief (CNN + RNN; Thar et al., 2018, call it CRNN).
"""

import keras
from keras import layers, ops

from lib.errors import UserError
from lib.forecast.device import compile_options
from lib.forecast.losses import LOSSES, accuracy, share_mse
from lib.forecast.sequences import JOINT, MANY_TO_MANY, PREDICTION_TYPES

CELLS = {
    "simple_rnn": layers.SimpleRNN,
    "lstm": layers.LSTM,
    "gru": layers.GRU,
    "bidirectional_lstm": layers.LSTM,
    "conv1d_lstm": layers.LSTM,
    "conv1d_gru": layers.GRU,
    "dense": layers.Dense,  # no recurrence: what a recurrent layer is compared with
}
OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
}

HIDDEN = 64  # size of the dense layer that joins window and context


def _choose(name: str, value, choices):
    if value not in choices:
        raise UserError(
            f"{name} is {value!r}; expected one of {', '.join(map(str, choices))}."
        )
    return choices[value] if isinstance(choices, dict) else value


@keras.saving.register_keras_serializable("popularity")
class MovieWise(layers.Wrapper):
    """Applies a layer to each movie's window, one movie like the other.

    The movies go into the batch and come back, so that the weights know nothing of the
    number of movies: (batch, movie, time, feature) → (batch, movie, …).
    """

    def build(self, input_shape):
        if not self.layer.built:
            self.layer.build((None, *input_shape[2:]))
        self.built = True

    def compute_output_shape(self, input_shape):
        inner = self.layer.compute_output_shape((None, *input_shape[2:]))
        return (*input_shape[:2], *inner[1:])

    def call(self, inputs, training=None):
        batch, movies, *window = ops.shape(inputs)
        x = ops.reshape(inputs, (-1, *window))  # (batch·movie, time, feature)
        if self.layer._call_has_training_arg:
            x = self.layer(x, training=training)
        else:
            x = self.layer(x)
        return ops.reshape(x, (batch, movies, *x.shape[1:]))


def recurrent_stack(
    x, cell: str, every_step: bool, *, hidden_layers: int, units: int, dropout: float
):
    """Recurrent layers over (batch, time, feature) or (batch, movie, time, feature).

    Args:
        x: Keras tensor of one of the two shapes.
        cell: a key of CELLS.
        every_step: whether to put out every step or the last one.
        hidden_layers: number of recurrent layers; the brief's figure has three.
        units: size of each.
        dropout: fraction dropped after each.

    Returns:
        Keras tensor with `units` in place of the features, without the time axis when
        only the last step is put out.
    """
    layer, steps = _choose("cell", cell, CELLS), x.shape[-2]
    if cell == "dense" and every_step:
        raise UserError(
            "cell 'dense' has no steps, so it cannot put out one for each; use type 3 "
            "or 4."
        )

    def apply(one, x):
        return MovieWise(one, name=one.name)(x) if len(x.shape) == 4 else one(x)

    if cell == "dense":
        x = apply(layers.Flatten(name="window_at_once"), x)
        return apply(layer(units, activation="tanh", name="dense"), x)
    if cell.startswith("conv1d"):
        width = min(3, steps)
        front = layers.Conv1D(
            units, width, padding="causal", activation="relu", name="conv1d"
        )
        x = apply(front, x)  # (batch[, movie], time, units)
    for depth in range(hidden_layers):
        recurrent = layer(
            units,
            return_sequences=every_step or depth < hidden_layers - 1,
            unroll=steps <= 16,  # a short window needs no loop in the graph
            name=f"{layer.__name__.lower()}_{depth + 1}",
        )
        if cell.startswith("bidirectional"):
            recurrent = layers.Bidirectional(recurrent, name=f"both_ways_{depth + 1}")
        x = apply(recurrent, x)  # (batch[, movie][, time], units)
        if dropout:
            x = layers.Dropout(dropout)(x)
    return x


def build_model(
    cell: str = "lstm",
    *,
    n_movies: int,
    n_series: int,
    n_context: int,
    t_slot: int = 3,
    prediction_type: int = 3,
    hidden_layers: int = 1,
    units: int = 16,
    dropout: float = 0.0,
    optimizer: str = "adam",
    learning_rate: float = 1e-2,
    loss: str = "categorical_crossentropy",
    seed: int = 0,
) -> keras.Model:
    """A compiled network.

    Args:
        cell: simple_rnn, lstm, gru, bidirectional_lstm, conv1d_lstm, conv1d_gru,
            or dense: the window at once, no recurrence.
        n_movies: movies of the grid, which only joint networks have to know.
        n_series: features of a movie in every slot of the window.
        n_context: features of a movie at the end of the window.
        t_slot: slots in a window.
        prediction_type: 1–4, see `lib.forecast.sequences`.
        hidden_layers: recurrent layers.
        units: size of a recurrent layer.
        dropout: between 0 and 1, after each recurrent layer.
        optimizer: adam, adamw, sgd or rmsprop.
        learning_rate: step size of the optimizer.
        loss: a key of `lib.forecast.losses.LOSSES`.
        seed: seed of the weights and of dropout.

    Returns:
        For types 1 and 3 a model of three inputs, `window` (batch, t_slot, movies,
        n_series), `context` (batch, movies, n_context) and `log_ewma` (batch, movies),
        for any number of movies; type 1 has a t_slot axis after the batch in all
        three. For types 2 and 4 there is no context, and `window` is (batch, t_slot,
        n_movies). The output are log shares of the shape of `log_ewma`.

    Raises:
        UserError: an argument is not one of its choices.
    """
    _choose("prediction_type", prediction_type, PREDICTION_TYPES)
    joint = prediction_type in JOINT
    every_step = prediction_type in MANY_TO_MANY
    if every_step and cell.startswith("bidirectional"):
        raise UserError(
            f"cell {cell!r} with prediction_type={prediction_type}: the backward layer "
            "would read the slots that earlier steps predict; use type 3 or 4."
        )
    keras.utils.set_random_seed(seed)
    time = (t_slot,) if every_step else ()
    log_ewma = keras.Input((*time, n_movies if joint else None), name="log_ewma")
    stack = {"hidden_layers": hidden_layers, "units": units, "dropout": dropout}
    if joint:
        window = keras.Input((t_slot, n_movies), name="window")
        inputs = [window, log_ewma]
        x = recurrent_stack(window, cell, every_step, **stack)
        correction = layers.Dense(
            n_movies, kernel_initializer="zeros", name="correction"
        )(x)  # (batch[, time], movie)
    else:
        window = keras.Input((t_slot, None, n_series), name="window")
        context = keras.Input((*time, None, n_context), name="context")
        inputs = [window, context, log_ewma]
        x = ops.transpose(window, (0, 2, 1, 3))  # (batch, movie, time, feature)
        x = recurrent_stack(x, cell, every_step, **stack)  # (batch, movie[, time], ·)
        x = ops.transpose(x, (0, 2, 1, 3)) if every_step else x
        x = layers.Concatenate(name="with_context")([x, context])
        x = layers.Dense(HIDDEN, activation="tanh", name="hidden")(x)
        x = layers.Dense(1, kernel_initializer="zeros", name="correction")(x)
        correction = ops.squeeze(x, -1)  # (batch[, time], movie)
    log_shares = layers.Activation("log_softmax", name="log_share")(
        layers.Add(name="corrected")([correction, log_ewma])
    )
    model = keras.Model(inputs, log_shares, name=cell)
    model.compile(
        optimizer=_choose("optimizer", optimizer, OPTIMIZERS)(learning_rate),
        loss=_choose("loss", loss, LOSSES),
        metrics=[share_mse, accuracy],
        **compile_options(),
    )
    return model


_traced: dict[tuple, keras.Model] = {}


def fresh_model(*arguments, seed: int, learning_rate: float, **settings) -> keras.Model:
    """As `build_model`, but the graph of an earlier call is used again.

    Tracing a graph takes longer than a short training. Calls that differ in nothing but
    `seed` and `learning_rate` hand out the same model, each time as if new: whoever
    wants to keep weights has to copy them before the next call.
    """
    new = build_model(*arguments, seed=seed, learning_rate=learning_rate, **settings)
    model = _traced.setdefault((*arguments, *sorted(settings.items())), new)
    if model is not new:
        for layer, fresh in zip(model.layers, new.layers, strict=True):
            for variable, start in zip(layer.variables, fresh.variables, strict=True):
                variable.assign(start)
        for variable in model.optimizer.variables:
            variable.assign(ops.zeros(variable.shape, variable.dtype))
        model.optimizer.learning_rate = learning_rate
    return model
