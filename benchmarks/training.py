"""Training speed: this project's loop, a plain model.fit, and torch's nn.LSTM.

    .venv/bin/python -m benchmarks.training [--torch PYTHON] [--movies NUMBER]

All three train an LSTM(8) → Dense(64) → Dense(1) on the same made-up windows of 3,600
movies in 45 slots, three slots long. A sample is one window, read or left out by the
drawing of movies. `--torch` names a Python that has torch, for example that of
`make peers`. Ours computes on one thread (lib/forecast/device.py), the others on as
many as they choose. The contenders take turns, each in a process of its own that
measures several times; the best time of all counts. Writes
benchmarks/results/training.csv where backend and number of movies are the usual ones;
KERAS_BACKEND=jax or torch measures ours and plain with these, on a GPU if there is one.
"""

import csv
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np

SLOTS, MOVIES, T_SLOT, SERIES, CONTEXT = 45, 3600, 3, 2, 30
EPOCHS, TIMES, ROUNDS = 3, 5, 3
DRAWN = 2048  # of the movies of a slot
RESULTS = Path(__file__).parent / "results" / "training.csv"

TORCH = """
import sys, time, torch
from torch import nn
slots, movies, t_slot, series, context, epochs, times = map(int, sys.argv[1:])
torch.manual_seed(0)
window = torch.randn(slots, movies, t_slot, series)
known = torch.randn(slots, movies, context)
counts = torch.poisson(torch.full((slots, movies), 0.2))
lstm = nn.LSTM(series, 8, batch_first=True)
head = nn.Sequential(nn.Linear(8 + context, 64), nn.Tanh(), nn.Linear(64, 1))
adam = torch.optim.Adam([*lstm.parameters(), *head.parameters()], 1e-2)
def step(slot):
    adam.zero_grad()
    last = lstm(window[slot])[0][:, -1]
    logits = head(torch.cat([last, known[slot]], 1))[:, 0]
    share = counts[slot] / counts[slot].sum()
    (-(share * torch.log_softmax(logits, 0)).sum()).backward()
    adam.step()
step(0)
best = float("inf")
for _ in range(times):
    start = time.perf_counter()
    for _ in range(epochs):
        for slot in range(slots):
            step(slot)
    best = min(best, time.perf_counter() - start)
print(epochs * slots * movies / best)
"""


def data(movies: int):
    """Windows, context, log shares and counts of made-up slots."""
    rng = np.random.default_rng(0)
    window = rng.normal(size=(SLOTS, T_SLOT, movies, SERIES)).astype("float32")
    context = rng.normal(size=(SLOTS, movies, CONTEXT)).astype("float32")
    log_ewma = np.full((SLOTS, movies), -np.log(movies), "float32")
    counts = rng.poisson(0.2, (SLOTS, movies)).astype("float32")
    return (window, context, log_ewma), counts


def network(movies: int, any_threads: bool = False):
    """The project's default network.

    Args:
        movies: of a slot.
        any_threads: let TensorFlow choose how many threads compute it.
    """
    from lib.forecast.networks import build_model

    if any_threads:
        os.environ.update(TF_NUM_INTRAOP_THREADS="0", TF_NUM_INTEROP_THREADS="0")
    return build_model(
        "lstm", n_movies=movies, n_series=SERIES, n_context=CONTEXT, units=8
    )


def best_speed(movies: int, seconds: Callable[[int], float]) -> float:
    """Samples per second of the fastest of several trainings.

    Args:
        movies: of a slot.
        seconds: number of epochs → seconds that they took.
    """
    seconds(1)  # traces the graph
    return EPOCHS * SLOTS * movies / min(seconds(EPOCHS) for _ in range(TIMES))


def ours(movies: int, sampled: int | None = None) -> float:
    """Samples per second of `trainer.fit`, with all movies or with drawn ones."""
    from lib.forecast.batches import SampledSlots, SlotBatches
    from lib.forecast.trainer import fit

    views, counts = data(movies)

    def batches():
        if sampled:
            return SampledSlots(views, counts, range(SLOTS), movies=sampled, seed=0)
        return SlotBatches(views, counts, range(SLOTS), seed=0)

    model = network(movies)

    def seconds(epochs: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder) / "state.npz"
            options = {"epochs": epochs, "name": "speed"}
            return fit(model, batches(), None, state=state, **options)[2]

    return best_speed(movies, seconds)


def plain(movies: int) -> float:
    """Samples per second of Keras' own fit on arrays, one slot in a batch.

    Without XLA, as in the project: compiling takes longer than a whole training.
    """
    import keras

    views, counts = data(movies)
    model = network(movies, any_threads=True)
    model.compile(keras.optimizers.Adam(1e-2), loss=model.loss, jit_compile=False)

    def seconds(epochs: int) -> float:
        start = time.perf_counter()
        model.fit(list(views), counts, batch_size=1, epochs=epochs, verbose=0)
        return time.perf_counter() - start

    return best_speed(movies, seconds)


def torch_lstm(movies: int, python: str) -> float:
    """Samples per second of the same network in torch."""
    sizes = map(str, (SLOTS, movies, T_SLOT, SERIES, CONTEXT, EPOCHS, TIMES))
    command = [python, "-c", TORCH, *sizes]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def alone(contender, *arguments) -> float:
    """What a function of this module gives in a new process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(contender, arguments)


@click.command()
@click.option("--torch", "python", default="", help="a Python that has torch")
@click.option("--movies", default=MOVIES, type=click.IntRange(DRAWN + 1))
def main(python: str, movies: int) -> None:
    """Measure and store samples per second."""
    contenders = {
        "ours, all movies": lambda: alone(ours, movies),
        f"ours, {DRAWN} movies drawn": lambda: alone(ours, movies, DRAWN),
        "plain model.fit": lambda: alone(plain, movies),
    }
    if python:
        contenders["torch nn.LSTM"] = lambda: torch_lstm(movies, python)
    best = dict.fromkeys(contenders, 0.0)
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            best[name] = max(best[name], contender())
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if (movies, backend) == (MOVIES, "tensorflow"):
        with RESULTS.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["contender", "samples_per_second"])
            writer.writerows([name, round(speed)] for name, speed in best.items())
    for name, speed in best.items():
        print(f"{name:26s} {speed:12,.0f} samples/s", file=sys.stdout)


if __name__ == "__main__":
    main()
