"""Wall time and memory of the forecasting steps on a log of ml-latest's shape.

    .venv/bin/python -m benchmarks.scale --factor 1 --slot month

The log is synthetic and seeded: 26,024,289 requests of 45,843 movies by 270,896 users
over 272 months at factor 1; movies are released over time, rise at their release and
decay, popularity and activity have heavy tails, and a user's requests come in a few
sessions. Each step runs in a process of its own; memory is the sum over it and its
children of the proportional set size, pages of files included, read twice a second. On
a machine that does other things, too, look at the processor time, not at the clock.
Writes benchmarks/results/scale.csv.
"""

import csv
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import click
import numpy as np
import polars as pl

ROWS, MOVIES, USERS, MONTHS = 26_024_289, 45_843, 270_896, 272
FIRST = 789_652_009  # 9 January 1995
MONTH = 30.44 * 86_400  # seconds
RESULTS = Path(__file__).parent / "results" / "scale.csv"
GENRES = ("Drama", "Comedy|Romance", "Action|Sci-Fi|Thriller", "Horror", "Documentary")
TITLES = ("preprocess", "open", "train")


def write_log(folder: Path, rows: int, movies: int, users: int, seed: int = 0) -> None:
    """Write ratings.csv and movies.csv.

    Args:
        folder: an existing folder.
        rows: requests; nobody requests a movie twice, so a few less are written.
        movies: all are requested at least once.
        users: each has one request or more.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    ids = np.cumsum(rng.geometric(0.3, movies))
    # Nine in ten are older than the log or come in its course; numbers follow listing.
    out = np.sort(np.round(rng.triangular(-90, 22, 22.5, movies), 2)) * 12  # months
    fame = rng.lognormal(0, 1.7, movies)
    title = [f"Film {i} ({1995 + int(m // 12)})" for i, m in zip(ids, out, strict=True)]
    table = {"movieId": ids, "title": title, "genres": rng.choice(GENRES, movies)}
    pl.DataFrame(table).write_csv(folder / "movies.csv")
    activity = rng.lognormal(0, 1.3, users)
    number = 1 + rng.multinomial(rows - users - movies, activity / activity.sum())
    user = np.repeat(np.arange(1, users + 1, dtype=np.int32), number)
    joined = rng.random(users) ** 0.8 * (MONTHS - 1)
    session = rng.geometric(0.6, len(user)) - 1  # most in the first
    month = joined[user - 1] + session * rng.exponential(2.0, users)[user - 1]
    month = np.clip(month, 0, MONTHS - 0.02)
    order = np.argsort(month.astype(np.int16), kind="stable")
    ends = np.searchsorted(month[order].astype(np.int16), np.arange(MONTHS + 1))
    movie = np.empty(len(user), np.int32)
    for m in range(MONTHS):
        inside = order[ends[m] : ends[m + 1]]
        age = m - out
        weight = fame * np.where(age >= 0, 0.3 + 3 * np.exp(-np.abs(age) / 8), 0)
        bounds = np.cumsum(weight / weight.sum())
        drawn = np.searchsorted(bounds, rng.random(len(inside)))
        movie[inside] = np.minimum(drawn, movies - 1)
    # Every movie once at least, after its release
    extra = np.arange(movies, dtype=np.int32)
    when = np.maximum(out, 0) + rng.random(movies) * (MONTHS - 1 - np.maximum(out, 0))
    log = pl.DataFrame(
        {
            "userId": np.concatenate(
                [user, rng.integers(1, users + 1, movies, dtype=np.int32)]
            ),
            "movieId": ids[np.concatenate([movie, extra])],
            "month": np.concatenate([month, when]).astype(np.float32),
        }
    )
    del user, movie, month, session, order
    log = log.unique(["userId", "movieId"], keep="first", maintain_order=True)
    seconds = (log["month"].to_numpy().astype(float) * MONTH).astype(np.int64) + FIRST
    log = log.select(
        "userId",
        "movieId",
        rating=pl.Series(rng.integers(1, 11, len(log)) / 2),
        timestamp=pl.Series(seconds + np.arange(len(log)) % 3_600),
    )
    log.write_csv(folder / "ratings.csv")


def preprocess(folder: Path, slot: str) -> None:
    """Notebook 01's work."""
    from lib.data.preprocessing import preprocess

    preprocess(str(folder), slot)


def open_data(folder: Path, slot: str) -> None:
    """What notebooks 03 to 06 share: grid, tuned baselines, features, their tables."""
    from lib import paths
    from lib.experiments.task import open_task

    open_task(paths.PROCESSED / paths.run_name(str(folder), slot))


def train(folder: Path, slot: str, **settings) -> None:
    """One network, by default with the default settings, and its forecast."""
    from lib import paths
    from lib.experiments.task import open_task, train_seeds
    from lib.forecast.trainer import Settings

    task = open_task(paths.PROCESSED / paths.run_name(str(folder), slot))
    trained = train_seeds(task, Settings(**settings), [0])[0]
    entropy = {
        "start": np.exp(task.features.log_ewma[task.split.test.start :]),
        "lstm": trained.forecast[task.split.test.start :],
    }
    counts = task.grid.counts[task.split.test.start :]
    for name, q in entropy.items():
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        value = -(shares * np.log(np.maximum(q, 1e-30))).sum(axis=1).mean()
        print(f"  {name}: {value:.4f} nats per request, test slots")


def memory(pid: int) -> float:
    """Proportional set size in MB of a process and its children, 0 once it is gone."""
    total, waiting = 0.0, [pid]
    while waiting:
        one = waiting.pop()
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
            total += int(text.split("Pss:")[1].split()[0]) / 1e3
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except (OSError, IndexError):
            continue
    return total


def measure(step: str, folder: Path, slot: str, place: Path) -> tuple[float, ...]:
    """Wall and processor seconds and peak MB of a step in a process of its own."""
    environment = os.environ | {"POPULARITY_OUTPUT": str(place)}
    command = [sys.executable, "-m", "benchmarks.scale", "--step", step]
    command += ["--folder", str(folder), "--slot", slot]
    start, peak, used = time.perf_counter(), [0.0], processor_seconds()
    with subprocess.Popen(command, env=environment) as process:
        done = threading.Event()

        def watch():
            while not done.wait(0.5):
                peak[0] = max(peak[0], memory(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = process.wait()
        done.set()
        watcher.join()
    if code:
        raise SystemExit(f"{step}: exit status {code}")
    return time.perf_counter() - start, processor_seconds() - used, peak[0]


def processor_seconds() -> float:
    """Time on all cores of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@click.command()
@click.option("--factor", default=0.1, help="size of the log; 1 is ml-latest's")
@click.option("--slot", default="month", help="month, week or day")
@click.option("--step", default="", type=click.Choice(["", *TITLES]), hidden=True)
@click.option("--folder", type=click.Path(path_type=Path), help="keeps the log")
def main(factor: float, slot: str, step: str, folder: Path | None) -> None:
    """Generate the log and measure each step."""
    if step:
        {"preprocess": preprocess, "open": open_data, "train": train}[step](
            folder, slot
        )
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder or Path(temporary) / "log"
        if not (folder / "ratings.csv").exists():
            folder.mkdir(parents=True, exist_ok=True)
            # Users and movies shrink less than the rows, as on real sets.
            sizes = (factor, factor**0.4, factor)
            full = (ROWS, MOVIES, USERS)
            sizes = (round(n * f) for n, f in zip(full, sizes, strict=True))
            write_log(folder, *sizes)
        new = not RESULTS.exists()
        with RESULTS.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(
                    ["factor", "slot", "step", "seconds", "cpu_seconds", "peak_mb"]
                )
            for name in TITLES:
                wall, cpu, peak = measure(name, folder, slot, Path(temporary))
                row = [factor, slot, name, round(wall, 1), round(cpu, 1), round(peak)]
                writer.writerow(row)
                file.flush()
                told = f"{wall:8.1f} s, {cpu:8.1f} s of processors, {peak:8.0f} MB"
                print(f"{name:12s} {told}", flush=True)


if __name__ == "__main__":
    main()
