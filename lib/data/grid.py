"""The dense slot × movie grid that every forecaster works on."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from lib.data.slots import slot_range
from lib.errors import UserError
from lib.schema import (
    MEAN_RATING,
    MOVIE,
    REQUESTS,
    SLOT,
    TIMESTAMP,
    USER,
)

TABLES = ("panel.parquet", "movies.parquet", "requests.parquet")
MAX_CELLS = 400_000_000  # 1.6 GB for each float32 array


@dataclass(frozen=True)
class Grid:
    """Requests of every movie in every slot, slots without a request included.

    Attributes:
        counts: float32 array (slots, movies), requests c(i, t).
        mean_rating: float32 array (slots, movies), NaN where nothing was rated.
        returning: float32 array (slots, movies), the requests among `counts` that were
            made by users who had made one in an earlier slot.
        users: float32 array (slots,), users with a request in the slot.
        slots: DatetimeIndex (slots,), start of each slot, contiguous.
        movies: one row per column of `counts`: movieId, title, genres, release_year.
        meta: what preprocessing wrote to meta.json.
    """

    counts: np.ndarray
    mean_rating: np.ndarray
    returning: np.ndarray
    users: np.ndarray
    slots: pd.DatetimeIndex
    movies: pd.DataFrame
    meta: dict

    @property
    def shares(self) -> np.ndarray:
        """Popularity p(i, t) = c(i, t) / Σ_j c(j, t), float64; 0 in an empty slot."""
        counts = self.counts.astype(np.float64)
        return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)

    def until(self, cutoff: int) -> "Grid":
        """The grid as it was known before slot `cutoff`: nothing later is in it."""
        return replace(
            self,
            counts=self.counts[:cutoff],
            mean_rating=self.mean_rating[:cutoff],
            returning=self.returning[:cutoff],
            users=self.users[:cutoff],
            slots=self.slots[:cutoff],
        )


def load_grid(folder: Path) -> Grid:
    """Read a folder of data/processed into a Grid.

    Args:
        folder: holds panel.parquet, movies.parquet, requests.parquet and meta.json.

    Raises:
        UserError: the folder was not preprocessed, or the grid would not fit.
    """
    for name in (*TABLES, "meta.json"):
        if not (folder / name).exists():
            raise UserError(
                f"{folder / name}: not found; notebook 01_preprocess writes it: "
                "run it (or `make data`) with the same DATASET and SLOT first."
            )
    meta = json.loads((folder / "meta.json").read_text())
    movies = pd.read_parquet(folder / "movies.parquet").sort_values(MOVIE)
    panel = pd.read_parquet(
        folder / "panel.parquet", columns=[MOVIE, SLOT, REQUESTS, MEAN_RATING]
    )
    slots = slot_range(panel[SLOT].min(), panel[SLOT].max(), meta["slot"])
    if len(slots) * len(movies) > MAX_CELLS:
        raise UserError(
            f"{folder.name}: {len(slots):,} slots × {len(movies):,} movies are more "
            f"than {MAX_CELLS:,} cells; choose a coarser SLOT or fewer MAX_SLOTS."
        )
    row = slots.get_indexer(panel[SLOT])
    column = np.searchsorted(movies[MOVIE].to_numpy(), panel[MOVIE].to_numpy())
    counts = np.zeros((len(slots), len(movies)), np.float32)
    counts[row, column] = panel[REQUESTS]
    mean_rating = np.full_like(counts, np.nan)
    mean_rating[row, column] = panel[MEAN_RATING]
    returning, users = _audience(folder, slots, movies[MOVIE].to_numpy())
    movies = movies.reset_index(drop=True)
    return Grid(counts, mean_rating, returning, users, slots, movies, meta)


def _audience(folder: Path, slots: pd.DatetimeIndex, ids: np.ndarray):
    """Requests of returning users in every cell, and users in every slot."""
    starts = pl.Series(slots.to_numpy().astype("datetime64[s]").astype(np.int64))
    log = pl.scan_parquet(folder / "requests.parquet").select(
        USER, MOVIE, slot=pl.lit(starts).search_sorted(pl.col(TIMESTAMP), "right") - 1
    )
    first = log.group_by(USER).agg(pl.col("slot").min().alias("first"))
    again = (
        log.join(first, on=USER)
        .filter(pl.col("slot") > pl.col("first"))
        .group_by("slot", MOVIE)
        .len()
        .collect()
    )
    returning = np.zeros((len(slots), len(ids)), np.float32)
    column = np.searchsorted(ids, again[MOVIE].to_numpy())
    returning[again["slot"].to_numpy(), column] = again["len"].to_numpy()
    present = log.group_by("slot").agg(pl.col(USER).n_unique()).collect()
    users = np.zeros(len(slots), np.float32)
    users[present["slot"].to_numpy()] = present[USER].to_numpy()
    return returning, users
