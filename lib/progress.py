"""Progress of long work: one line that is updated in place."""

import os
import sys
import time
from collections.abc import Iterator, Sequence

SECONDS = 5  # between two lines of a long step


def announce(line: str) -> None:
    """Hand a progress line to whoever runs the notebooks in a batch."""
    path = os.environ.get("POPULARITY_PROGRESS")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")


def every(slots: Sequence, what: str) -> Iterator:
    """Go through slots, with a line every few seconds of how many are done."""
    told = time.monotonic()
    for done, slot in enumerate(slots):
        if time.monotonic() - told > SECONDS:
            announce(f"  {what}: {done:,} of {len(slots):,} slots")
            told = time.monotonic()
        yield slot


def epoch_lines(name: str, epochs: int, tell=announce):
    """A Keras callback that tells each epoch of a model with its loss.

    Args:
        name: of the model.
        epochs: how many there are, at most.
        tell: function that gets the line.
    """
    import keras

    def show(epoch, logs):
        loss = logs.get("val_loss", logs["loss"])
        tell(f"  {name}: epoch {epoch + 1} of {epochs}, loss {loss:.4f}")

    return keras.callbacks.LambdaCallback(on_epoch_end=show)


def say(line: str) -> None:
    """Replaces the progress line; into a file only the first and last are written."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
    elif line.endswith("…"):
        print(line, file=sys.stderr, flush=True)
