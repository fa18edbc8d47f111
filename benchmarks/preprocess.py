"""How long and how much memory it takes to turn ratings.csv into the monthly panel.

Writes a MovieLens-shaped data set of N rows, then lets every contender turn its two CSV
files into the same panel.parquet, each in a process of its own, in turn, several times;
the best time counts. ``checked`` is what ``make data`` does: the same panel, after
every row was checked for faults and duplicates and the clean log was written too.

    python benchmarks/preprocess.py --rows 10_000_000
    python benchmarks/preprocess.py --rows 33_000_000 --only ours,checked --repeats 1
"""

import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import click
import numpy as np
import polars as pl
import psutil

RESULTS = Path(__file__).parent / "results" / "preprocess.csv"
PAGE = Path(__file__).parents[1] / "docs" / "larger.md"
START, END = "<!-- made by `benchmarks/preprocess.py` -->", "<!-- end of the table -->"
MOVIES = 20_000
YEAR = r"\((\d{4})\)"
COLUMNS = ["movieId", "slot", "requests", "popularity", "mean_rating"]
COLUMNS += ["genres", "release_year"]
ORIGINAL_ROWS = 20_000  # the loop takes too long for more


def write_data(folder: Path, rows: int, seed: int = 0) -> None:
    """Write ratings.csv and movies.csv: long tail, half stars, 28 years, by user."""
    rng = np.random.default_rng(seed)
    genres = np.array(["Drama", "Comedy|Romance", "Action|Sci-Fi|Thriller", "Horror"])
    ids = np.arange(1, MOVIES + 1)
    titles = [
        f"Film, No. {i} ({y})"
        for i, y in zip(ids, rng.integers(1930, 2023, MOVIES), strict=True)
    ]  # noqa: E501
    movies = {"movieId": ids, "title": titles, "genres": rng.choice(genres, MOVIES)}
    pl.DataFrame(movies).write_csv(folder / "movies.csv")
    weights = 1 / (ids + 20.0)
    bounds = np.cumsum(weights / weights.sum())
    user = 0
    with (folder / "ratings.csv").open("wb") as file:
        for done in range(0, rows, 1_000_000):
            size = min(1_000_000, rows - done)
            users = user + np.sort(rng.integers(1, 10_000, size))  # 100 ratings each
            user += 10_000
            joined = rng.integers(820_454_400, 1_690_000_000, 10_000)
            moment = joined[users % 10_000] + rng.exponential(30 * 86_400, size)
            block = pl.DataFrame(
                {
                    "userId": users,
                    "movieId": np.searchsorted(bounds, rng.random(size)) + 1,
                    "rating": rng.integers(1, 11, size) / 2,
                    "timestamp": moment.astype(np.int64),
                }
            )
            block.write_csv(file, include_header=done == 0)


def ours(folder: Path, target: Path) -> None:
    from lib.data.layouts import find_log
    from lib.data.movies import read_movies
    from lib.data.panel import build_panel

    log = find_log(folder, "benchmark", {}).typed()
    movies = read_movies(folder, "benchmark").lazy()
    movies = movies.select("movieId", "genres", "release_year")
    build_panel(log, movies, "month").sink_parquet(target, engine="streaming")


def checked(folder: Path, target: Path) -> None:
    from lib import paths
    from lib.data.preprocessing import preprocess

    paths.PROCESSED = target.parent
    preprocess(str(folder), "month")
    os.replace(target.parent / f"{folder.name}-month" / "panel.parquet", target)


def polars(folder: Path, target: Path) -> None:
    movies = pl.scan_csv(folder / "movies.csv").select(
        "movieId",
        "genres",
        release_year=pl.col("title").str.extract(YEAR).cast(pl.Int32),
    )
    slot = pl.from_epoch("timestamp", "s").dt.truncate("1mo").alias("slot")
    counts = (
        pl.scan_csv(folder / "ratings.csv")
        .group_by(slot, "movieId")
        .agg(requests=pl.len(), mean_rating=pl.col("rating").mean())
    )
    totals = counts.group_by("slot").agg(total=pl.col("requests").sum())
    panel = (
        counts.join(totals, on="slot")
        .join(movies, on="movieId", how="left")
        .with_columns(popularity=pl.col("requests") / pl.col("total"))
        .select(COLUMNS)
        .sort("slot", "movieId")
    )
    panel.sink_parquet(target, engine="streaming")


def duckdb(folder: Path, target: Path) -> None:
    import duckdb

    duckdb.sql(f"""
        COPY (
            WITH counts AS (
                SELECT movieId, date_trunc('month', to_timestamp(timestamp) AT TIME ZONE
                    'UTC') AS slot, count(*) AS requests, avg(rating) AS mean_rating
                FROM read_csv('{folder}/ratings.csv', columns = {{'userId': 'BIGINT',
                    'movieId': 'BIGINT', 'rating': 'DOUBLE', 'timestamp': 'BIGINT'}})
                GROUP BY ALL
            )
            SELECT c.movieId, slot, requests,
                requests / sum(requests) OVER (PARTITION BY slot) AS popularity,
                mean_rating, genres,
                TRY_CAST(regexp_extract(title, '{YEAR}', 1) AS INTEGER) AS release_year
            FROM counts c LEFT JOIN read_csv('{folder}/movies.csv') m USING (movieId)
            ORDER BY slot, c.movieId
        ) TO '{target}' (FORMAT parquet)
    """)


def pandas(folder: Path, target: Path) -> None:
    import pandas as pd

    movies = pd.read_csv(folder / "movies.csv")
    movies["release_year"] = movies.pop("title").str.extract(YEAR).astype("Int32")
    log = pd.read_csv(
        folder / "ratings.csv", usecols=["movieId", "rating", "timestamp"]
    )
    months = pd.to_datetime(log.pop("timestamp"), unit="s").dt.to_period("M")
    log["slot"] = months.dt.start_time
    panel = log.groupby(["slot", "movieId"])["rating"].agg(["size", "mean"])
    panel = panel.set_axis(["requests", "mean_rating"], axis=1).reset_index()
    total = panel.groupby("slot")["requests"].transform("sum")
    panel["popularity"] = panel["requests"] / total
    panel = panel.merge(movies, on="movieId", how="left")
    panel[COLUMNS].sort_values(["slot", "movieId"]).to_parquet(target)


def original(folder: Path, target: Path) -> None:
    """The way of the course code: join all, then slot by slot and movie by movie."""
    import pandas as pd

    log = pd.read_csv(folder / "ratings.csv").merge(pd.read_csv(folder / "movies.csv"))
    log["release_year"] = [int(t[t.rindex("(") + 1 : -1]) for t in log["title"]]
    log["slot"] = pd.to_datetime(log["timestamp"], unit="s").dt.strftime("%Y-%m-01")
    rows = target.with_suffix(".csv")
    rows.write_text(",".join(COLUMNS) + "\n")
    for slot in sorted(log["slot"].unique()):
        part = log[log["slot"] == slot]
        for movie in sorted(part["movieId"].unique()):
            one = part[part["movieId"] == movie]
            share, mean = len(one) / len(part), one["rating"].mean()
            row = [movie, slot, len(one), share, mean, *one.iloc[0][COLUMNS[-2:]]]
            pd.DataFrame([row]).to_csv(rows, mode="a", header=False, index=False)
    pl.read_csv(rows, try_parse_dates=True).write_parquet(target)


CONTENDERS = {f.__name__: f for f in (ours, polars, duckdb, pandas, original, checked)}


def peak_megabytes() -> float:
    """Largest memory this process has held; VmHWM forgets what was there before it."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(s for s in status.read_text().splitlines() if "VmHWM" in s)
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # macOS: bytes


def measure(name: str, folder: Path) -> None:
    """Run one contender in this process and print what it took, as JSON."""
    target = folder.parent / f"{name}.parquet"
    start, cpu = time.perf_counter(), time.process_time()
    CONTENDERS[name](folder, target)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    megabytes = peak_megabytes()
    panel = pl.read_parquet(target, columns=["requests", "popularity", "movieId"])
    checks = [panel.height, int(panel["requests"].sum())]
    checks += [round(float((panel["popularity"] * panel["movieId"]).sum()), 4)]
    found = {"seconds": seconds, "cpu": cpu, "megabytes": megabytes, "checks": checks}
    print(json.dumps(found))


def run(name: str, folder: Path) -> dict:
    """Measure one contender; its own memory is read twenty times a second."""
    command = [sys.executable, __file__, "--measure", name, "--folder", str(folder)]
    held = 0.0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            held = max(held, held_megabytes(process.pid))
            time.sleep(0.05)
        told = process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"{name}: exit status {process.returncode}")
    return json.loads(told.splitlines()[-1]) | {"held": held}


def held_megabytes(pid: int) -> float:
    """Memory of a process without the pages of files that it maps; 0 once it ended."""
    with suppress(psutil.Error):
        found = psutil.Process(pid).memory_info()
        return (found.rss - getattr(found, "shared", 0)) / 2**20  # macOS tells no such
    return 0.0


def compare(names: list[str], rows: int, repeats: int, cache: Path | None) -> list:
    """Best of several runs for each contender, the runs of all taking turns."""
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        folder = Path(temporary) / "data"
        folder.mkdir()
        command = [
            sys.executable,
            __file__,
            "--write",
            str(folder),
            "--rows",
            str(rows),
        ]
        subprocess.run(command, check=True)
        runs = {name: [] for name in names}
        for _ in range(repeats):
            for name in names:
                runs[name].append(run(name, folder))
                print(name, runs[name][-1], flush=True)
    checks = {json.dumps(r["checks"]) for several in runs.values() for r in several}
    if len(checks) > 1:
        raise SystemExit(f"the contenders disagree: {checks}")
    return [
        {
            "rows": rows,
            "contender": name,
            "seconds": round(min(r["seconds"] for r in several), 2),
            "cpu_seconds": round(min(r["cpu"] for r in several), 2),
            "peak_mb": round(max(r["megabytes"] for r in several)),
            "held_mb": round(max(r["held"] for r in several)),
            "repeats": repeats,
        }
        for name, several in runs.items()
    ]


def extrapolated(original: dict, rows: int) -> dict:
    """What the loop would take for more rows if it grew no faster than their number."""
    factor = rows / original["rows"]
    scaled = {n: round(original[n] * factor) for n in ("seconds", "cpu_seconds")}
    return {
        **original,
        **scaled,
        "rows": rows,
        "contender": "original (extrapolated)",
        "peak_mb": "",
        "held_mb": "",
    }


def store(results: list[dict]) -> None:
    """Replace the same rows and contenders in the table of results, and print it."""
    RESULTS.parent.mkdir(exist_ok=True)
    old = list(csv.DictReader(RESULTS.open())) if RESULTS.exists() else []
    table = {(int(r["rows"]), r["contender"]): r for r in [*old, *results]}
    with RESULTS.open("w", newline="") as file:
        writer = csv.DictWriter(file, results[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table[key] for key in sorted(table, key=lambda k: k[0]))
    print(RESULTS.read_text())
    write_table()


def write_table() -> None:
    """Put what `checked` took, by rows, into docs/larger.md."""
    import pandas as pd

    from lib.files import write_text
    from lib.report.readme import between, markdown

    table = pd.read_csv(RESULTS).query("contender == 'checked'").set_index("rows")
    shown = {
        "processors (s)": table["cpu_seconds"].map("{:.0f}".format),
        "clock (s)": table["seconds"].map("{:.0f}".format),
        "own memory (GB)": table["held_mb"].div(1e3).map("{:.1f}".format),
    }
    text = markdown(pd.DataFrame(shown).rename(index="{:,}".format))
    write_text(PAGE, between(PAGE.read_text("utf-8"), START, END, text))


@click.command()
@click.option("--rows", default=10_000_000)
@click.option("--repeats", default=3)
@click.option("--only", default="ours,polars,duckdb,pandas,checked")
@click.option("--cache", type=click.Path(path_type=Path), help="disk for the data")
@click.option("--measure", "measured", hidden=True)
@click.option("--write", type=click.Path(path_type=Path), hidden=True)
@click.option("--folder", type=click.Path(path_type=Path), hidden=True)
def main(rows, repeats, only, cache, measured, write, folder):
    """Compare the contenders; the original's loop runs on 20,000 rows besides."""
    if measured:
        return measure(measured, folder)
    if write:
        return write_data(write, rows)
    results = compare(only.split(","), rows, repeats, cache)
    if only.count(",") > 1:
        results += compare(["original", "ours"], ORIGINAL_ROWS, 1, cache)
        results.append(extrapolated(results[-2], rows))
    store(results)


if __name__ == "__main__":
    main()
