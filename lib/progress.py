"""Progress of long work: one line that is updated in place."""

import os
import sys
import time
from collections.abc import Iterator, Sequence

PROGRESS = "POPULARITY_PROGRESS"  # names the file of a notebook that a batch runs
SECONDS = 5  # between two lines of a long step
QUIET = 10  # seconds between two lines where they cannot replace one another

_last_told = -float(QUIET)


def announce(line: str) -> None:
    """Tell how far a long step is.

    The line goes to whoever runs the notebooks in a batch, or to the terminal; a
    notebook that somebody works in keeps no lines that change from run to run.
    """
    path = os.environ.get(PROGRESS)
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")
    elif not (ipython := sys.modules.get("IPython")) or not ipython.get_ipython():
        say(line.strip())


def every(slots: Sequence, what: str, unit: str = "slots") -> Iterator:
    """Go through slots, or other units, with a line every few seconds of how many."""
    told = time.monotonic()
    for done, slot in enumerate(slots):
        if time.monotonic() - told > SECONDS:
            announce(f"  {what}: {done:,} of {len(slots):,} {unit}")
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
    """Replaces the progress line of a terminal; into a file, at most one in 10 s.

    An empty line takes it away; one that ends in … is told in any case.
    """
    global _last_told
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
    elif line.endswith("…") or line and time.monotonic() - _last_told > QUIET:
        print(line, file=sys.stderr, flush=True)
        _last_told = time.monotonic()
