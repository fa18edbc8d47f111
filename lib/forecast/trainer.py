"""One experiment: train a network on a split and forecast every slot."""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from lib.evaluation.splits import Split
from lib.files import locked
from lib.forecast import features, losses, sequences
from lib.forecast import networks as models
from lib.forecast import training as train
from lib.forecast.batches import SampledSlots, SlotBatches
from lib.forecast.features import Features
from lib.forecast.networks import fresh_model
from lib.forecast.sequences import JOINT, inputs, targets
from lib.forecast.training import fit

SAMPLED_LOSSES = ("categorical_crossentropy", "poisson")  # sums over requests
CODE = (features, losses, models, sequences, train)


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters of one network; see `lib.forecast.networks.build_model`.

    Attributes:
        batch_size: slots in a mini-batch.
        movies_per_slot: movies that a slot brings to a mini-batch of type 3, all where
            there are no more; see `lib.forecast.training.SampledSlots`.
        epochs: passes over the training slots, at most.
        patience: epochs without a better validation loss before training stops; None
            trains for all epochs.
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
    patience: int | None = None


@dataclass(frozen=True)
class Trained:
    """What a training leaves behind.

    Attributes:
        forecast: float32 array (slots, movies): shares forecast for every slot; the
            EWMA's where there is no full window before it.
        history: one row per epoch: loss, val_loss, share_mse, accuracy …
        seconds: spent in training; 0 when it was read back from disk.
        parameters: number of weights.
        path: the saved network (.keras).
    """

    forecast: np.ndarray
    history: pd.DataFrame
    seconds: float
    parameters: int
    path: Path


def arrays(data: Features, settings: Settings) -> tuple[np.ndarray, ...]:
    """The model's inputs as views: row k is what is known before slot k + t_slot.

    Returns:
        `window`, `context` and `log_ewma` as `networks.build_model` describes them;
        joint types have no context and read one series, the surprise.
    """
    t_slot, kind = settings.t_slot, settings.prediction_type
    log_ewma = targets(data.log_ewma, t_slot, kind)
    if kind in JOINT:
        return inputs(data.series[..., -1], t_slot), log_ewma
    # A context stands at the end of its slot; its last row foretells what is not there.
    context = targets(np.roll(data.context, 1, axis=0), t_slot, kind)
    return inputs(data.series, t_slot), context, log_ewma


def _key(data: Features, counts, settings, split: Split, *more) -> str:
    """Name of a training: changes with its data, settings or code."""
    digest = hashlib.sha256()
    digest.update(json.dumps(asdict(settings), sort_keys=True).encode())
    digest.update(f"{split}{more}{keras.backend.backend()}".encode())
    for array in (data.series, data.context, data.log_ewma, counts):
        digest.update(np.ascontiguousarray(array))
    for module in CODE:
        digest.update(Path(module.__file__).read_bytes())
    return digest.hexdigest()[:12]


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
    watch: bool = True,
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
            validation slots only; test slots are then forecast by the first.
        watch: False leaves the first training out, for repeated cut-offs of which only
            the test slots matter; training slots then keep the EWMA's forecast.
    """
    name = name or f"{settings.cell} type {settings.prediction_type} seed {seed}"
    key = _key(data, counts, settings, split, seed, refit, watch)
    place = folder / f"{settings.cell}-{key}"
    with locked(place):  # two notebooks may want the same network
        if not (place / "forecast.npy").exists():
            more = {"seed": seed, "name": name, "refit": refit, "watch": watch}
            _train(place, data, counts, settings, split, **more)
        return _load(place)


def _train(
    place: Path, data, counts, settings, split, *, seed, name, refit, watch
) -> None:
    """Train and forecast as `run` says, and leave both in a folder."""
    views = arrays(data, settings)
    target = targets(counts, settings.t_slot, settings.prediction_type)
    rows = {
        part: np.arange(max(slots.start, settings.t_slot), slots.stop) - settings.t_slot
        for part, slots in split.parts.items()
    }
    early = np.concatenate([rows["train"], rows["validation"]])
    traffic = counts.sum(axis=1)
    busy = traffic[settings.t_slot :] > 0  # an empty slot teaches nothing
    weights = slot_weights(traffic, split.test.start)
    weights = targets(weights, settings.t_slot, settings.prediction_type)

    def train_on(index, validation, epochs, patience, state, label):
        index = index[busy[index]]
        model = _build(data, counts, settings, seed)
        watched = None
        if validation is not None:
            watched = SlotBatches(views, target, validation[busy[validation]])
        history, seconds = fit(
            model,
            _batches(views, target, index, settings, seed, weights),
            watched,
            epochs=epochs,
            patience=patience,
            state=place / state,
            name=label,
        )
        return model, history, seconds

    forecast, seconds, epochs = np.exp(data.log_ewma), 0.0, settings.epochs
    if watch:
        model, history, seconds = train_on(
            rows["train"],
            rows["validation"],
            epochs,
            settings.patience,
            "first.npz",
            name,
        )
        forecast[early + settings.t_slot] = predict(model, views, early)
        if settings.patience is not None:
            epochs = int(history["val_loss"].argmin()) + 1
    if refit:
        model, last, more = train_on(
            early, None, epochs, None, "second.npz", f"{name}, refit"
        )
        history, seconds = (history if watch else last), seconds + more
    forecast[rows["test"] + settings.t_slot] = predict(model, views, rows["test"])
    _save(place, model, forecast, history, seconds)


def _batches(views, target, index, settings, seed, weights) -> SlotBatches:
    """Training batches: whole slots, or drawn movies where that saves much work."""
    arguments = (views, target, index, settings.batch_size)
    options = {"seed": seed, "weights": weights}
    sampled = settings.prediction_type == 3 and settings.loss in SAMPLED_LOSSES
    if sampled and target.shape[1] > settings.movies_per_slot:
        return SampledSlots(*arguments, movies=settings.movies_per_slot, **options)
    return SlotBatches(*arguments, **options)


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


def _build(data, counts, settings, seed) -> keras.Model:
    return fresh_model(
        settings.cell,
        n_movies=counts.shape[1],
        n_series=data.series.shape[-1],
        n_context=data.context.shape[-1],
        t_slot=settings.t_slot,
        prediction_type=settings.prediction_type,
        hidden_layers=settings.hidden_layers,
        units=settings.units,
        dropout=settings.dropout,
        optimizer=settings.optimizer,
        learning_rate=settings.learning_rate,
        loss=settings.loss,
        seed=seed,
    )


def predict(model: keras.Model, views, index) -> np.ndarray:
    """Shares forecast for the slots after the given windows.

    Args:
        model: a trained network.
        views: the model's inputs, from `arrays`.
        index: rows to forecast.

    Returns:
        float32 array (rows, movies).
    """
    batches = SlotBatches(views, views[-1], index)
    # Keras' own loop over several batches would trace a graph for each number of them.
    log_shares = np.concatenate([model.predict_on_batch(x) for x, _ in batches])
    if log_shares.ndim == 3:  # many-to-many: the last step is the next slot
        log_shares = log_shares[:, -1]
    return np.exp(log_shares)


def _save(place: Path, model, forecast, history, seconds: float) -> None:
    """Write what a training leaves; forecast.npy comes last and says it is whole."""
    model.save(place / "network.keras")
    history.to_csv(place / "history.csv")
    facts = {"seconds": seconds, "parameters": model.count_params()}
    (place / "facts.json").write_text(json.dumps(facts))
    np.save(place / "forecast.tmp.npy", forecast)
    os.replace(place / "forecast.tmp.npy", place / "forecast.npy")
    for state in place.glob("*.npz"):
        state.unlink()


def _load(place: Path) -> Trained:
    facts = json.loads((place / "facts.json").read_text())
    return Trained(
        forecast=np.load(place / "forecast.npy"),
        history=pd.read_csv(place / "history.csv", index_col="epoch"),
        seconds=facts["seconds"],
        parameters=facts["parameters"],
        path=place / "network.keras",
    )
