"""One training: a network learns from a split's slots and forecasts every slot.

A training can be killed at any moment and goes on to the same numbers. Keras'
BackupAndRestore cannot promise that: it writes in place, so a kill while it writes
leaves half a file, and its CSVLogger repeats an epoch that the backup does not hold
yet. `Keeper` writes weights, optimizer and history as one file, whole or not at all.
"""

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from lib.data.arrays import identity
from lib.errors import UserError
from lib.evaluation.splits import Split
from lib.files import locked, read_facts, replacing, write_facts, write_text
from lib.forecast import (
    batches,
    callbacks,
    features,
    losses,
    networks,
    sequences,
    start,
)
from lib.forecast.batches import Columns, SampledSlots, SlotBatches
from lib.forecast.callbacks import CosineDecay, Keeper
from lib.forecast.device import stream
from lib.forecast.features import Features
from lib.forecast.networks import fresh_model
from lib.forecast.sequences import JOINT, MANY_TO_MANY, inputs, targets

SAMPLED_LOSSES = ("categorical_crossentropy", "poisson")  # sums over requests
WHOLE = 20_000  # movies up to which only movies of type 3's mini-batches are drawn
EVENLY = 4  # times as many are drawn for losses that are means over movies
LEARNT_WITH = (batches, callbacks, features, losses, networks, sequences, start)
CODE = [module.__file__ for module in LEARNT_WITH]


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters of one network; see `lib.forecast.networks.build_model`.

    Attributes:
        batch_size: slots in a mini-batch.
        movies_per_slot: movies that a slot brings to a mini-batch of type 3, all where
            there are no more; see `lib.forecast.batches.SampledSlots`.
        epochs: passes over the training slots.
        slots_per_epoch: of more slots, so many are drawn for a pass where the catalogue
            has more than WHOLE movies.
    """

    cell: str = "lstm"
    prediction_type: int = 3
    t_slot: int = 3
    hidden_layers: int = 1
    units: int = 8
    dropout: float = 0.0
    optimizer: str = "adam"
    learning_rate: float = 1e-2
    loss: str = "categorical_crossentropy"
    batch_size: int = 1
    movies_per_slot: int = 2048
    epochs: int = 15
    slots_per_epoch: int = 200


@dataclass(frozen=True)
class Trained:
    """What a training leaves behind.

    Attributes:
        forecast: float32 array (slots, movies), read from disk where it is needed:
            shares forecast for every slot; the start's where there is no full window
            before it.
        history: one row per epoch: loss, val_loss, share_mse, accuracy …
        seconds: spent in training.
        parameters: number of weights.
        path: the saved network (.keras).
    """

    forecast: np.ndarray
    history: pd.DataFrame
    seconds: float
    parameters: int
    path: Path


def arrays(data: Features, settings: Settings) -> tuple[np.ndarray | Columns, ...]:
    """The model's inputs as views: row k is what is known before slot k + t_slot.

    Returns:
        `window`, `context` and `log_ewma` as `networks.build_model` describes them;
        joint types have no context and read one series, the surprise.
    """
    t_slot, kind = settings.t_slot, settings.prediction_type
    log_ewma = targets(data.log_ewma, t_slot, kind)
    if kind in JOINT:
        return inputs(data.series[..., -1], t_slot), log_ewma
    many = kind in MANY_TO_MANY
    # A context stands at the end of its slot, one before the slot that it forecasts.
    context = inputs(data.context, t_slot) if many else data.context[t_slot - 1 : -1]
    window = inputs(data.series, t_slot)
    if data.left_out:
        read = np.isin(data.all_context_names, data.context_names)
        context = Columns(context, kept=np.flatnonzero(read))
        silent = np.isin(data.series_names, data.left_out)
        window = Columns(window, silent=np.flatnonzero(silent))
    return window, context, log_ewma


def run(
    data: Features,
    counts: np.ndarray,
    settings: Settings,
    split: Split,
    *,
    seed: int,
    folder: Path,
    name: str = "",
    refit: bool = True,
) -> Trained:
    """Train one network, or read back a training already done.

    The network learns from the training slots; its loss on the validation slots is
    watched. Then it learns, from the start and for as many epochs, from training and
    validation slots together, and forecasts the test slots: what it learnt from always
    lies before what it forecasts.

    Args:
        data: features of the grid.
        counts: float32 array (slots, movies).
        settings: hyper-parameters.
        split: training, validation and test slots.
        seed: seed of weights, dropout and batches.
        folder: keeps finished and interrupted trainings.
        name: shown in progress lines.
        refit: False leaves the second training out, for comparisons that look at
            validation slots only; no other slot is then forecast.
    """
    name = name or f"{settings.cell} type {settings.prediction_type} seed {seed}"
    key = _key(data, counts, settings, split, seed, refit)
    place = folder / f"{settings.cell}-{key}"
    with locked(place):  # two notebooks may want the same network
        if (facts := read_facts(place)) is None:
            one = _Training(place, data, counts, settings, split, seed, name)
            facts = one.carry_out(refit)
        return Trained(
            forecast=np.load(place / "forecast.npy", mmap_mode="r"),
            history=pd.read_csv(place / "history.csv", index_col="epoch"),
            path=place / "network.keras",
            **facts,
        )


def _key(data: Features, counts, settings, split: Split, *more) -> str:
    """Name of a training: changes with its data, settings or code."""
    digest = hashlib.sha256()
    digest.update(json.dumps(asdict(settings), sort_keys=True).encode())
    digest.update(f"{split}{more}{keras.backend.backend()}".encode())
    digest.update(f"{data.left_out}{data.ewma}".encode())
    for array in (data.series, data.context, data.log_ewma, counts):
        digest.update(identity(array))
    for path in (*CODE, __file__):
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()[:12]


class _Training:
    """The two trainings of `run` and their forecast, kept in one folder."""

    def __init__(self, place, data, counts, settings, split, seed, name):
        self.place, self.settings, self.seed, self.name = place, settings, seed, name
        self.data, self.counts, self.split = data, counts, split
        t_slot, kind = settings.t_slot, settings.prediction_type
        self.views = arrays(data, settings)
        self.target = targets(counts, t_slot, kind)
        traffic = counts.sum(axis=1)
        self.busy = traffic[t_slot:] > 0  # an empty slot teaches nothing
        self.weights = targets(slot_weights(traffic, split.test.start), t_slot, kind)

    def carry_out(self, refit: bool) -> dict:
        """Train, forecast and leave both; facts.json says that all is there."""
        rows = self.rows
        early = np.concatenate([rows["train"], rows["validation"]])
        part, shape = self.place / "forecast.tmp.npy", self.counts.shape
        forecast = np.lib.format.open_memmap(part, "w+", np.float32, shape)
        for slot in range(self.settings.t_slot):  # the start's, without a window
            forecast[slot] = np.exp(self.data.log_ewma[slot])
        fits = [self.fit(rows["train"], rows["validation"])]
        self.predict(fits[0][0], early if refit else rows["validation"], forecast)
        if refit:
            fits.append(self.fit(early))
        models, histories, seconds = zip(*fits, strict=True)
        if refit:
            self.predict(models[-1], rows["test"], forecast)
        with replacing(self.place / "network.keras") as network:
            models[-1].save(network)
        write_text(self.place / "history.csv", histories[0].to_csv())
        facts = {"seconds": sum(seconds), "parameters": models[-1].count_params()}
        forecast.flush()
        os.replace(part, self.place / "forecast.npy")
        write_facts(self.place, facts, ("forecast.npy", "network.keras", "history.csv"))
        for state in self.place.glob("*.npz"):
            state.unlink()
        return facts

    @property
    def rows(self) -> dict[str, np.ndarray]:
        """Rows of the views that forecast the slots of each part."""
        t_slot = self.settings.t_slot
        return {
            part: np.arange(max(slots.start, t_slot), slots.stop) - t_slot
            for part, slots in self.split.parts.items()
        }

    def fit(self, rows, validation=None):
        """Train a new network on some rows; see `fit`.

        Raises:
            UserError: none of them holds a request.
        """
        if not self.busy[rows].any():
            raise UserError(
                f"no slot to train on: none of them after the first "
                f"{self.settings.t_slot}, which a network reads, holds a request; "
                "expected one or more; choose a shorter SLOT or a longer log"
            )
        watched = None
        if validation is not None:
            validation = validation[self.busy[validation]]
            watched = self.batches(validation, watched=True)
        return fit(
            self.model(),
            self.batches(rows[self.busy[rows]]),
            watched,
            epochs=self.settings.epochs,
            state=self.place / ("first.npz" if watched else "second.npz"),
            name=self.name if watched else f"{self.name}, refit",
        )

    def batches(self, rows, watched: bool = False) -> SlotBatches:
        """Whole slots, or drawn movies where that saves much work.

        Args:
            rows: of the views.
            watched: whether the loss is only told: slots of equal weight, in order.
        """
        settings, kind = self.settings, self.settings.prediction_type
        most = settings.slots_per_epoch if self.target.shape[-1] > WHOLE else None
        options = {"seed": self.seed, "weights": self.weights, "slots_per_epoch": most}
        if watched:
            step = max(len(rows) // most, 1) if most else 1
            rows, options = rows[::step], {}
        size = 1 if watched else settings.batch_size
        arguments = (self.views, self.target, rows, size)
        few, evenly = settings.movies_per_slot, settings.loss not in SAMPLED_LOSSES
        whole = WHOLE if kind != 3 or watched or evenly else few
        if kind in JOINT or self.target.shape[-1] <= whole:
            return SlotBatches(*arguments, **options)
        number = min(EVENLY * few, self.target.shape[-1]) if evenly else few
        return SampledSlots(*arguments, movies=number, evenly=evenly, **options)

    def model(self) -> keras.Model:
        """A network that has learnt nothing yet."""
        own = asdict(self.settings)
        for name in ("batch_size", "movies_per_slot", "epochs", "slots_per_epoch"):
            del own[name]
        return fresh_model(
            own.pop("cell"),
            n_movies=self.counts.shape[1],
            n_series=self.data.series.shape[-1],
            n_context=len(self.data.context_names),
            seed=self.seed,
            **own,
        )

    def predict(self, model: keras.Model, rows, forecast: np.ndarray) -> None:
        """Write the shares forecast for the slots after some windows, one by one."""
        # Keras' own loop over batches would trace a graph for each number of them.
        for (window, _), row in zip(
            SlotBatches(self.views, self.target, rows), rows, strict=True
        ):
            log_shares = model.predict_on_batch(window)[0]  # (movie,) or (time, movie)
            last = log_shares if log_shares.ndim == 1 else log_shares[-1]
            forecast[row + self.settings.t_slot] = np.exp(last)


def slot_weights(traffic: np.ndarray, cutoff: int) -> np.ndarray:
    """What the loss of each slot counts, 1 on average before the cut-off.

    A slot with more requests says more about the shares, but far from in proportion:
    its requests come from a few users each, and one busy slot would drown the others.
    Hence the square root.

    Args:
        traffic: array (slots,), requests of each slot.
        cutoff: first slot that is not learnt from.

    Returns:
        float32 array (slots,).
    """
    weights = np.sqrt(traffic)
    return (weights / weights[:cutoff].mean()).astype(np.float32)


def fit(
    model: keras.Model,
    batches: SlotBatches,
    validation: SlotBatches | None,
    *,
    epochs: int,
    state: Path,
    name: str,
) -> tuple[keras.Model, pd.DataFrame, float]:
    """Train a model, or go on where an earlier call was stopped.

    Args:
        model: compiled network, whose step size falls as `CosineDecay` says.
        batches: training slots.
        validation: slots whose loss is told, None for none.
        epochs: passes over the training slots.
        state: file that holds a training between epochs.
        name: shown in progress lines.

    Returns:
        The model, the history, one row per epoch, and the seconds this call took.
    """
    state.parent.mkdir(parents=True, exist_ok=True)
    model.optimizer.build(model.trainable_variables)
    decay = CosineDecay(float(model.optimizer.learning_rate), epochs, len(batches))
    keeper = Keeper(state, name, epochs)
    done, began = keeper.restore(model), time.perf_counter()
    if done < epochs:
        order = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: batches.start_epoch(epoch + 1)
        )
        model.fit(
            stream(batches),
            validation_data=None if validation is None else stream(validation),
            initial_epoch=done,
            epochs=epochs,
            callbacks=[order, decay, keeper],
            verbose=0,
            shuffle=False,
        )
    index = pd.RangeIndex(1, len(keeper.history) + 1, name="epoch")
    history = pd.DataFrame(keeper.history, index=index)
    return model, history, time.perf_counter() - began
