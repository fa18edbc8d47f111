"""Progress of long work: one line that is updated in place."""

import os
import sys

SWEEPS_PER_LINE = 50


def announce(line: str) -> None:
    """Hand a progress line to whoever runs the notebooks in a batch."""
    path = os.environ.get("POPULARITY_PROGRESS")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")


def epoch_lines(name: str, epochs: int):
    """A Keras callback that announces each epoch of a model with its loss."""
    import keras

    def show(epoch, logs):
        announce(f"  {name}: epoch {epoch + 1} of {epochs}, loss {logs['loss']:.4f}")

    return keras.callbacks.LambdaCallback(on_epoch_end=show)


def tell_progress(model) -> None:
    """Makes a model say how far it is while it trains."""
    if hasattr(model, "progress"):
        model.progress = lambda done, total: (
            announce(f"  {model.name}: sweep {done} of {total}")
            if done % SWEEPS_PER_LINE == 0
            else None
        )
    if hasattr(model, "callbacks"):
        import keras

        epochs = model.settings["epochs"]

        def show(epoch, logs):
            error = logs.get("val_loss", logs["loss"]) ** 0.5
            announce(f"  {model.name}: epoch {epoch + 1} of {epochs}, RMSE {error:.3f}")

        model.callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=show))


def with_progress(model) -> None:
    """Makes a model show one line on stderr that moves while it trains."""
    title = f"training {model.name}"
    say(f"{title} …")
    if hasattr(model, "progress"):
        model.progress = lambda done, total: say(f"{title}: sweep {done}/{total}")
    if hasattr(model, "callbacks"):
        import keras

        epochs = model.settings["epochs"]

        def show(epoch, logs):
            error = logs.get("val_loss", logs["loss"]) ** 0.5
            say(f"{title}: epoch {epoch + 1} of at most {epochs}, RMSE {error:.3f}")

        model.callbacks.append(keras.callbacks.LambdaCallback(on_epoch_end=show))


def say(line: str) -> None:
    """Replaces the progress line; into a file only the first and last are written."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
    elif line.endswith("…"):
        print(line, file=sys.stderr, flush=True)
