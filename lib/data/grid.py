"""The dense slot × movie grid that every forecaster works on."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from lib.data.slots import slot_range
from lib.errors import UserError
from lib.schema import (
    MEAN_RATING,
    MOVIE,
    REQUESTS,
    RETURNING,
    SLOT,
    USERS,
)

TABLES = ("panel.parquet", "movies.parquet", "slots.parquet", "returning.parquet")
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
        folder: holds TABLES and meta.json, see `lib.data.preprocess`.

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
    movies = pd.read_parquet(folder / "movies.parquet")
    movies = movies[movies.pop(REQUESTS) > 0]  # the others are only listed
    panel = pd.read_parquet(
        folder / "panel.parquet", columns=[MOVIE, SLOT, REQUESTS, MEAN_RATING]
    )
    slots = slot_range(panel[SLOT].min(), panel[SLOT].max(), meta["slot"])
    if len(slots) * len(movies) > MAX_CELLS:
        raise UserError(
            f"{folder.name}: {len(slots):,} slots × {len(movies):,} movies are more "
            f"than {MAX_CELLS:,} cells; choose a coarser SLOT or fewer MAX_SLOTS."
        )
    ids = movies[MOVIE].to_numpy()
    cells = slots.get_indexer(panel[SLOT]), np.searchsorted(ids, panel[MOVIE])
    counts = np.zeros((len(slots), len(movies)), np.float32)
    counts[cells] = panel[REQUESTS]
    mean_rating = np.full_like(counts, np.nan)
    mean_rating[cells] = panel[MEAN_RATING]
    again = pd.read_parquet(folder / "returning.parquet")
    cells = slots.get_indexer(again[SLOT]), np.searchsorted(ids, again[MOVIE])
    returning = np.zeros_like(counts)
    returning[cells] = again[RETURNING]
    users = pd.read_parquet(folder / "slots.parquet")[USERS].to_numpy(np.float32)
    movies = movies.reset_index(drop=True)
    return Grid(counts, mean_rating, returning, users, slots, movies, meta)
