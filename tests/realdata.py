"""Dense grids of the real sets, read without the project's own readers.

An independent way to the same numbers: a mistake in the readers cannot hide in it.
"""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from lib.data.grid import Grid
from lib.paths import ROOT
from lib.schema import MOVIE, RELEASE_YEAR, TITLE

DATA = ROOT.parent / "shared" / "data"
FOLDERS = {
    "ml-100k": "ml-100k/u.data",
    "ml-1m": "ml-1m-first-2999-users/ratings.dat",
    "ml-latest-small": "ml-latest-small/ratings.csv",
}


def dense_counts(name: str, days: int, max_slots: int | None = None) -> np.ndarray:
    """(slots, movies) requests; skips the calling test where the set is absent."""
    path = DATA / FOLDERS[name]
    if not path.exists():
        pytest.skip(f"real data is not here: {path}")
    log = _read(name, path).with_columns(slot=pl.col("time") // (days * 86400))
    log = log.with_columns(pl.col("slot") - pl.col("slot").min())
    if max_slots is not None:
        log = log.filter(pl.col("slot") < max_slots)
    slots = log["slot"].to_numpy()
    movies, column = np.unique(log["movie"].to_numpy(), return_inverse=True)
    counts = np.zeros((slots.max() + 1, len(movies)), dtype=np.int64)
    np.add.at(counts, (slots, column), 1)
    return counts


def real_grid(name: str, days: int) -> Grid:
    """The grid with the movies' titles, years and genres; ratings are left out."""
    counts = dense_counts(name, days).astype(np.float32)
    movies = pl.read_csv(DATA / name / "movies.csv").sort(MOVIE)
    log = _read(name, DATA / FOLDERS[name])
    movies = movies.filter(pl.col(MOVIE).is_in(log["movie"].unique().implode()))
    year = pl.col(TITLE).str.extract(r"\((\d{4})\)\s*$").cast(pl.Int32)
    first = log["time"].min() // (days * 86400) * days
    slots = pd.to_datetime(first + days * np.arange(len(counts)), unit="D")
    return Grid(
        counts=counts,
        mean_rating=np.where(counts > 0, 3.5, np.nan).astype(np.float32),
        returning=np.zeros_like(counts),
        users=np.ceil(counts.sum(axis=1) / 50),
        slots=slots,
        movies=movies.with_columns(year.alias(RELEASE_YEAR)).to_pandas(),
        meta={},
    )


def _read(name: str, path) -> pl.DataFrame:
    if name == "ml-latest-small":
        return pl.read_csv(path).select(movie="movieId", time="timestamp")
    if name == "ml-100k":
        raw = pl.read_csv(path, separator="\t", has_header=False)
        return raw.select(movie="column_1", time="column_3")
    # "::" reads as two separators with an empty column in between.
    raw = pl.read_csv(path, separator=":", has_header=False)
    return raw.select(movie="column_2", time="column_6")
