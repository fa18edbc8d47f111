"""Time and memory of the whole report on a log of ml-latest's shape.

    .venv/bin/python -m benchmarks.scale --factor 1 --slot month
    .venv/bin/python -m benchmarks.scale --tables

The log is synthetic and seeded: 26,024,289 requests of 45,843 movies by 270,896 users
over 272 months at factor 1; movies are released over time, rise at their release and
decay, popularity and activity have heavy tails, and a user's requests come in a few
sessions. The report is that of `make report` with its default parameters. Memory is the
sum over all processes of the run of their proportional set size, read twice a second:
with the pages of files that they map, and without. On a machine that does other things,
too, the processor time says more than the clock.
Writes benchmarks/results/scale.csv; --tables puts it into benchmarks/README.md and
draws results/scale.png from it and from what preprocess.py measured.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import click
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl

from lib.batch import series
from lib.files import replacing, write_text
from lib.paths import ROOT, run_name
from lib.report.readme import between, markdown

ROWS, MOVIES, USERS, MONTHS = 26_024_289, 45_843, 270_896, 272
FIRST = 789_652_009  # 9 January 1995
MONTH = 30.44 * 86_400  # seconds
HERE = Path(__file__).parent
RESULTS, README = HERE / "results" / "scale.csv", HERE / "README.md"
START, END = "<!-- scale: made by `--tables` -->", "<!-- end of scale -->"
GENRES = ("Drama", "Comedy|Romance", "Action|Sci-Fi|Thriller", "Horror", "Documentary")
DRAWN = 1.084  # requests drawn for one that is left when repeats are gone
BLOCK = 2_000_000  # requests that are written at once
TICKS = os.sysconf("SC_CLK_TCK")
PALETTE = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7")  # Okabe and Ito


def write_log(folder: Path, rows: int, movies: int, users: int, seed: int = 0) -> None:
    """Write ratings.csv, sorted by user, and movies.csv.

    Args:
        folder: an existing folder.
        rows: requests, about: nobody requests a movie twice.
        movies: all are requested at least once.
        users: each has one request or more.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    ids = np.cumsum(rng.geometric(0.3, movies)).astype(np.int32)
    # Nine in ten are older than the log or come in its course; numbers follow listing.
    out = np.sort(np.round(rng.triangular(-90, 22, 22.5, movies), 2)) * 12  # months
    title = [f"Film {i} ({1995 + int(m // 12)})" for i, m in zip(ids, out, strict=True)]
    table = {"movieId": ids, "title": title, "genres": rng.choice(GENRES, movies)}
    pl.DataFrame(table).write_csv(folder / "movies.csv")
    activity = rng.lognormal(0, 1.3, users)
    drawn = round(rows * DRAWN) - users - movies
    number = 1 + rng.multinomial(drawn, activity / activity.sum())
    user = np.repeat(np.arange(1, users + 1, dtype=np.int32), number)
    month = _months(rng, user, users)
    movie = _movies(rng, month, out)
    # Every movie once at least, after its release
    extra = rng.integers(1, users + 1, movies, dtype=np.int32)
    early = np.maximum(out, 0)
    when = (early + rng.random(movies) * (MONTHS - 1 - early)).astype(np.float32)
    place = np.searchsorted(user, extra)
    user, month = np.insert(user, place, extra), np.insert(month, place, when)
    movie = np.insert(movie, place, np.arange(movies, dtype=np.int32))
    with (folder / "ratings.csv").open("wb") as file:
        first = 0
        while first < len(user):
            last = min(first + BLOCK, len(user))
            last = np.searchsorted(user, user[last - 1], side="right")
            part = slice(first, last)
            _write_block(file, rng, user[part], ids[movie[part]], month[part])
            first = last


def _months(rng, user: np.ndarray, users: int) -> np.ndarray:
    """Months since the log's begin of every request, float32: a user's sessions."""
    joined = (rng.random(users) ** 0.8 * (MONTHS - 1)).astype(np.float32)
    pause = rng.exponential(2.0, users).astype(np.float32)
    month = (rng.geometric(0.6, len(user)) - 1).astype(np.float32)  # most in the first
    month *= pause[user - 1]
    month += joined[user - 1]
    return np.clip(month, 0, MONTHS - 0.02, out=month)


def _movies(rng, month: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Which movie is requested, int32: by fame and by age in the month."""
    fame = rng.lognormal(0, 1.7, len(out))
    whole = month.astype(np.int16)
    order = np.argsort(whole, kind="stable")
    ends = np.searchsorted(whole[order], np.arange(MONTHS + 1))
    movie = np.empty(len(month), np.int32)
    for m in range(MONTHS):
        inside = order[ends[m] : ends[m + 1]]
        age = m - out
        weight = fame * np.where(age >= 0, 0.3 + 3 * np.exp(-np.abs(age) / 8), 0)
        bounds = np.cumsum(weight / weight.sum())
        drawn = np.searchsorted(bounds, rng.random(len(inside)))
        movie[inside] = np.minimum(drawn, len(out) - 1)
    return movie


def _write_block(file, rng, user, movie, month) -> None:
    """Rows of whole users, each movie once."""
    _, first = np.unique(user.astype(np.int64) << 32 | movie, return_index=True)
    seconds = (month[first].astype(float) * MONTH).astype(np.int64) + FIRST
    table = {
        "userId": user[first],
        "movieId": movie[first],
        "rating": rng.integers(1, 11, len(first)) / 2,
        "timestamp": seconds + np.arange(len(first)) % 3_600,
    }
    pl.DataFrame(table).write_csv(file, include_header=file.tell() == 0)


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


class Watch:
    """Processor time and memory of a process and all that it starts, by notebook.

    Attributes:
        peak: name → largest megabytes, with the pages of mapped files and without.
        used: name → process → processor seconds.
        began: name → when it was first seen; `ended`, when last.
    """

    def __init__(self, pid: int):
        self.pid, self.names = pid, {}
        self.peak = defaultdict(lambda: np.zeros(2))
        self.used: dict[str, dict[int, float]] = defaultdict(dict)
        self.began, self.ended = {}, {}

    def look(self) -> None:
        """Take in what the processes use now."""
        now, sums = time.perf_counter(), defaultdict(lambda: np.zeros(2))
        waiting = [(self.pid, "front")]
        while waiting:
            pid, name = waiting.pop()
            try:
                name = self._name(pid, name)
                place = Path(f"/proc/{pid}")
                rows = (place / "smaps_rollup").read_text().splitlines()[1:]
                kb = {row.split()[0]: int(row.split()[1]) for row in rows}
                held = kb["Pss_Anon:"] + kb["Pss_Shmem:"]
                sums[name] += np.array([kb["Pss:"], held]) * 1.024e-3
                words = (place / "stat").read_text().rpartition(")")[2].split()
                ticks = int(words[11]) + int(words[12])
                self.used[name][pid] = ticks / TICKS
                for task in (place / "task").iterdir():
                    found = (task / "children").read_text().split()
                    waiting += [(int(child), name) for child in found]
            except (OSError, KeyError, IndexError):
                continue  # it has just ended
        for name, megabytes in [*sums.items(), ("all", sum(sums.values()))]:
            self.peak[name] = np.maximum(self.peak[name], megabytes)
            self.began.setdefault(name, now)
            self.ended[name] = now

    def _name(self, pid: int, parent: str) -> str:
        """The notebook of a kernel and of all that it starts."""
        if pid not in self.names:
            told = Path(f"/proc/{pid}/environ").read_bytes()
            found = re.search(rb"POPULARITY_PROGRESS=[^\0]*?(\w+)\.progress", told)
            self.names[pid] = found[1].decode() if found else parent
        return self.names[pid]

    def rows(self) -> list[dict]:
        """One row for each notebook, for the rest and for all together."""
        used = {name: sum(seconds.values()) for name, seconds in self.used.items()}
        used["all"] = sum(used.values())
        return [
            {
                "step": name,
                "seconds": round(self.ended[name] - self.began[name], 1),
                "cpu_seconds": round(used[name], 1),
                "peak_mb": round(self.peak[name][0]),
                "held_mb": round(self.peak[name][1]),
            }
            for name in sorted(used, key=lambda name: (name == "all", name))
        ]


def measure(folder: Path, slot: str, place: Path) -> list[dict]:
    """Run the report in processes of its own, output below `place`."""
    environment = os.environ | {"POPULARITY_OUTPUT": str(place), "SLOT": slot}
    environment |= {"DATASET": str(folder.resolve())}
    command = [sys.executable, "-m", "lib", "report"]
    with subprocess.Popen(command, env=environment, cwd=ROOT) as process:
        watch = Watch(process.pid)
        while process.poll() is None:
            watch.look()
            time.sleep(0.5)
    rows = watch.rows()
    print(pd.DataFrame(rows).to_string(index=False), flush=True)
    if process.returncode:
        raise SystemExit(f"exit status {process.returncode}")
    return rows


def keep(rows: list[dict], about: dict) -> None:
    """Put a run's rows into RESULTS, in place of an older run of that size and slot."""
    table = pd.DataFrame([about | row for row in rows])
    if RESULTS.exists():
        old = pd.read_csv(RESULTS)
        names = ["factor", "slot", "parameters"]
        same = (old[names] == [about[name] for name in names]).all(axis=1)
        table = pd.concat([old[~same], table])
    with replacing(RESULTS) as part:
        table.to_csv(part, index=False)


def tables() -> str:
    """The stored runs as Markdown: whole reports, then the largest run by step."""
    found = pd.read_csv(RESULTS).sort_values(["slots", "rows"])
    shown = {
        "wall (min)": found["seconds"].div(60).map("{:.1f}".format),
        "processors (min)": found["cpu_seconds"].div(60).map("{:.1f}".format),
        "peak (GB)": found["peak_mb"].div(1e3).map("{:.2f}".format),
        "without mapped files (GB)": found["held_mb"].div(1e3).map("{:.2f}".format),
    }
    sizes = {name: found[name].map("{:,}".format) for name in ("rows", "movies")}
    kind = {"SLOT": found["slot"], "parameters": found["parameters"]}
    about = {**sizes, "slots": found["slots"].map("{:,}".format), **kind}
    whole = found["step"] == "all"
    most = found["rows"] == found["rows"].max()
    steps = pd.DataFrame({**kind, "step": found["step"], **shown})
    parts = pd.DataFrame({**about, **shown})[whole], steps[most & ~whole]
    return "\n\n".join(markdown(part.set_index(part.columns[0])) for part in parts)


def draw() -> None:
    """Processor time and memory over requests: preprocessing alone, whole reports."""
    alone = pd.read_csv(RESULTS.with_name("preprocess.csv"))
    alone = alone[alone["contender"] == "checked"]
    lines = {"preprocessing": (alone["rows"], alone["cpu_seconds"], alone["held_mb"])}
    whole = pd.read_csv(RESULTS).query("step == 'all'").sort_values("rows")
    for (slot, given), rows in whole.groupby(["slot", "parameters"]):
        name = f"report by {slot}" + ("" if given == "default" else f", {given}")
        lines[name] = (rows["rows"], rows["cpu_seconds"], rows["held_mb"])
    fig, axes = plt.subplots(1, 2, figsize=(8, 3.2), layout="constrained")
    for (name, (x, *ys)), color in zip(lines.items(), PALETTE, strict=False):
        for axis, y, unit in zip(axes, ys, (60, 1e3), strict=True):
            axis.loglog(x, y / unit, "o-", color=color, label=name, markersize=4)
    for axis, title in zip(
        axes, ("processor time (minutes)", "memory (GB)"), strict=True
    ):
        axis.set(xlabel="requests", ylabel=title)
        axis.grid(which="both", alpha=0.3)
        axis.yaxis.set_major_formatter("{x:g}")
    axes[1].yaxis.set_minor_formatter("{x:g}")
    axes[0].legend(fontsize=8)
    with replacing(RESULTS.with_suffix(".png")) as part:
        fig.savefig(part, format="png", dpi=110)


def write_tables() -> None:
    """Put the stored runs into benchmarks/README.md, draw them."""
    draw()
    write_text(README, between(README.read_text("utf-8"), START, END, tables()))


@click.command()
@click.option("--factor", default=0.1, help="size of the log; 1 is ml-latest's")
@click.option("--slot", default="month", help="month, week or day")
@click.option("--folder", type=click.Path(path_type=Path), help="keeps the log")
@click.option("--output", type=click.Path(path_type=Path), help="keeps the run")
@click.option("--tables", "only_tables", is_flag=True, help="write the tables alone")
def main(factor, slot, folder, output, only_tables) -> None:
    """Generate the log and measure the report."""
    if only_tables:
        write_tables()
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder or Path(temporary) / "log"
        output = output or Path(temporary) / "output"
        if not (folder / "ratings.csv").exists():
            folder.mkdir(parents=True, exist_ok=True)
            # Movies shrink less than the rows, as on real sets.
            shrunk = (ROWS * factor, MOVIES * factor**0.4, USERS * factor)
            write_log(folder, *map(round, shrunk))
        rows = measure(folder, slot, output)
        place = output / "data" / "processed" / run_name(str(folder), slot)
        meta = json.loads((place / "meta.json").read_text())
        sizes = {name: meta[name] for name in ("rows", "movies", "users", "slots")}
        given = series.from_environment(series.REPORT).items()
        given = " ".join(f"{name}={value}" for name, value in given) or "default"
        keep(rows, {"factor": factor, "slot": slot, "parameters": given, **sizes})
        write_tables()


if __name__ == "__main__":
    main()
