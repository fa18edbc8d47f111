"""Training: batches of slots, early stopping, progress, and going on after a stop."""

import json
import math
import os
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from lib.forecast.batches import SlotBatches
from lib.progress import announce


class Checkpoint(keras.callbacks.Callback):
    """Early stopping, history and a file to go on from, after every epoch.

    Keras' own EarlyStopping and BackupAndRestore know nothing of each other: a training
    that was killed would start to wait anew and end with other numbers.
    """

    def __init__(self, path: Path, *, name: str, epochs: int, patience: int | None):
        super().__init__()
        self.path, self.name = path, name
        self.epochs, self.patience = epochs, patience
        self.history: list[dict] = []
        self.best: list[np.ndarray] | None = None
        self.best_epoch = 0
        self.line = None

    def restore(self, model: keras.Model) -> int:
        """Load the file of a stopped training, if any.

        Returns:
            The number of epochs already done.
        """
        self.set_model(model)
        if not self.path.exists():
            return 0
        with np.load(self.path) as state:
            self.history = json.loads(str(state["history"]))
            self.best_epoch = int(state["best_epoch"])
            current = [state[f"v{i}"] for i in range(len(self._variables()))]
            self.best = [state[f"b{i}"] for i in range(len(model.weights))]
        for variable, value in zip(self._variables(), current, strict=True):
            variable.assign(value)
        return len(self.history)

    def _variables(self):
        return self.model.variables + self.model.optimizer.variables

    def _save(self):
        current = {f"v{i}": np.asarray(v) for i, v in enumerate(self._variables())}
        best = {f"b{i}": value for i, value in enumerate(self.best)}
        temporary = self.path.with_suffix(".tmp.npz")
        np.savez(
            temporary,
            history=json.dumps(self.history),
            best_epoch=self.best_epoch,
            **current,
            **best,
        )
        os.replace(temporary, self.path)

    def on_epoch_end(self, epoch, logs=None):
        logs = {key: float(value) for key, value in logs.items()}
        self.history.append(logs)
        watched = [row.get("val_loss", row["loss"]) for row in self.history]
        if self.patience is None or watched[-1] == min(watched):
            self.best_epoch = epoch
            self.best = self.model.get_weights()
        elif epoch - self.best_epoch >= self.patience:
            self.model.stop_training = True
        self._save()
        line = f"{self.name} · epoch {epoch + 1}/{self.epochs} · " + " · ".join(
            f"{key} {logs[key]:.4f}" for key in ("loss", "val_loss") if key in logs
        )
        announce(line)

    def stopped(self) -> bool:
        """Whether the training that the file holds had already ended early."""
        waited = len(self.history) - 1 - self.best_epoch
        return self.patience is not None and waited >= self.patience


class CosineDecay(keras.callbacks.Callback):
    """Step sizes that fall along a cosine to nothing (Loshchilov and Hutter, 2017).

    Set whenever training returns to Python, for the middle of the steps until it does
    so again. A schedule inside of the optimizer would be a part of the traced graph.
    """

    def __init__(self, initial: float, epochs: int, steps: int):
        """Keep the size of the first step and how many steps there will be.

        Args:
            initial: step size at the start.
            epochs: epochs of the whole training.
            steps: batches of an epoch.
        """
        super().__init__()
        self.initial, self.epochs, self.steps = initial, epochs, steps

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        until = min(batch + self.model.steps_per_execution, self.steps)
        done = (self.epoch + (batch + until) / 2 / self.steps) / self.epochs
        if hasattr(self.model, "jax_state_sync"):  # JAX keeps a copy of its own
            self.model.jax_state_sync()
        rate = self.initial / 2 * (1 + math.cos(math.pi * done))
        self.model.optimizer.learning_rate = rate


def fit(
    model: keras.Model,
    batches: SlotBatches,
    validation: SlotBatches | None,
    *,
    epochs: int,
    patience: int | None,
    state: Path,
    name: str,
) -> tuple[pd.DataFrame, float]:
    """Train a model, or go on where an earlier call was stopped.

    Args:
        model: compiled network, whose step size falls as `CosineDecay` says; it ends
            with the weights of its best epoch.
        batches: training slots.
        validation: slots that early stopping watches, None for a fixed length.
        epochs: at most so many.
        patience: epochs without a better validation loss before stopping; None keeps
            the last epoch.
        state: file that holds a training between epochs.
        name: shown in progress lines.

    Returns:
        The history, one row per epoch, and the seconds this call took.
    """
    state.parent.mkdir(parents=True, exist_ok=True)
    model.optimizer.build(model.trainable_variables)
    decay = CosineDecay(float(model.optimizer.learning_rate), epochs, len(batches))
    checkpoint = Checkpoint(state, name=name, epochs=epochs, patience=patience)
    done = checkpoint.restore(model)
    start = time.perf_counter()
    if done < epochs and not checkpoint.stopped():
        order = keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: batches.start_epoch(epoch + 1)
        )
        model.fit(
            batches.stream(),
            validation_data=None if validation is None else validation.stream(),
            initial_epoch=done,
            epochs=epochs,
            callbacks=[order, decay, checkpoint],
            verbose=0,
            shuffle=False,
        )
    model.set_weights(checkpoint.best)
    history = pd.DataFrame(checkpoint.history)
    history.index = pd.RangeIndex(1, len(history) + 1, name="epoch")
    return history, time.perf_counter() - start
