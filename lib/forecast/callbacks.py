"""What happens while a network trains: its step size falls, each epoch is kept."""

import json
import math
import zipfile
import zlib
from pathlib import Path

import keras
import numpy as np

from lib.files import replacing
from lib.forecast.device import set_learning_rate
from lib.progress import announce


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
        rate = self.initial / 2 * (1 + math.cos(math.pi * done))
        set_learning_rate(self.model, rate)


class Keeper(keras.callbacks.Callback):
    """Keeps a training after every epoch in a file, to go on from; tells its loss."""

    def __init__(self, path: Path, name: str, epochs: int):
        super().__init__()
        self.path, self.name, self.epochs = path, name, epochs
        self.history: list[dict] = []

    def restore(self, model: keras.Model) -> int:
        """Load what a stopped training kept, and tell how many epochs were done."""
        variables = self._variables(model)
        try:
            with np.load(self.path) as state:
                history = json.loads(str(state["history"]))
                values = [state[f"v{number}"] for number in range(len(variables))]
        except FileNotFoundError:
            return 0
        except (
            OSError,
            ValueError,
            KeyError,
            EOFError,
            zipfile.BadZipFile,
            zlib.error,
        ):
            announce(f"{self.path}: damaged, the training begins again")
            return 0
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        self.history = history
        return len(history)

    def on_epoch_end(self, epoch, logs=None):
        logs = {key: float(value) for key, value in (logs or {}).items()}
        self.history.append(logs)
        values = {f"v{i}": np.asarray(v) for i, v in enumerate(self._variables())}
        with replacing(self.path) as part:
            np.savez(
                part, allow_pickle=False, history=json.dumps(self.history), **values
            )
        told = " · ".join(
            f"{key} {logs[key]:.4f}" for key in ("loss", "val_loss") if key in logs
        )
        announce(f"{self.name} · epoch {epoch + 1}/{self.epochs} · {told}")

    def _variables(self, model: keras.Model | None = None):
        model = model or self.model
        return model.variables + model.optimizer.variables
