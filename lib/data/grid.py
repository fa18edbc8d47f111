"""The dense slot × movie grid that every forecaster works on."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from lib.data.arrays import made_once
from lib.data.preprocessing import read_meta
from lib.data.slots import end_of_slots, slot_range
from lib.schema import MEAN_RATING, MOVIE, REQUESTS, RETURNING, SLOT, USERS

TABLES = ("panel.parquet", "movies.parquet", "slots.parquet", "returning.parquet")
COMPLETE = 0.95  # of a last slot's time before the log's last request


@dataclass(frozen=True)
class Grid:
    """Requests of every movie in every slot, slots without a request included.

    The arrays of a run lie on disk, see `lib.data.arrays`.

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

    def known_cells(self, slots, most: int, rng: np.random.Generator):
        """Slots and movies (cells,) of all movies requested before each of some slots.

        Args:
            slots: slot numbers, from 1 on.
            most: at most so many cells, drawn at random where there are more.
            rng: draws them.
        """
        slots = np.asarray(slots)
        slot, movie = np.nonzero(np.cumsum(self.counts, axis=0)[slots - 1] > 0)
        if len(slot) > most:
            chosen = rng.choice(len(slot), most, replace=False)
            slot, movie = slot[chosen], movie[chosen]
        return slots[slot], movie


def load_grid(folder: Path) -> Grid:
    """Read a folder of data/processed into a Grid.

    A last slot that the log does not fill is left out, and with it the movies that no
    other slot requests: its shares are those of a part, and its traffic is no total.
    `meta["left_out"]` says so in a line.

    Args:
        folder: holds TABLES and meta.json, see `lib.data.preprocessing`.

    Raises:
        UserError: the folder was not preprocessed, a file is damaged, or the disk has
            no room.
    """
    meta = read_meta(folder, TABLES)
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for name in TABLES:
        digest.update((folder / name).read_bytes())
    movies = pd.read_parquet(folder / "movies.parquet")
    movies = movies[movies.pop(REQUESTS) > 0]  # the others are only listed
    table = pd.read_parquet(folder / "slots.parquet")
    slots = slot_range(table[SLOT].min(), table[SLOT].max(), meta["slot"])
    if note := _unfilled(slots[-1], meta):
        digest.update(note.encode())
        slots, meta = slots[:-1], meta | {"left_out": note}
        panel = pd.read_parquet(folder / "panel.parquet", columns=[MOVIE, SLOT])
        movies = movies[movies[MOVIE].isin(panel[MOVIE][panel[SLOT] <= slots[-1]])]
    users = table[USERS].to_numpy(np.float32)[: len(slots)]
    ids = movies[MOVIE].to_numpy()
    _, arrays = made_once(
        folder, "grid", digest.hexdigest(), lambda new: _fill(folder, slots, ids, new)
    )
    movies = movies.reset_index(drop=True)
    return Grid(**arrays, users=users, slots=slots, movies=movies, meta=meta)


def _unfilled(start: pd.Timestamp, meta: dict) -> str:
    """A line on the last slot if the log ends early in it, else nothing."""
    end, last = end_of_slots(start, meta["slot"], 1), pd.Timestamp(meta["last_date"])
    filled = (last - start) / (end - start)
    if filled >= COMPLETE or meta["slots"] < 2:
        return ""
    return (
        f"The slot from {start:%Y-%m-%d %H:%M} is left out: the log ends on "
        f"{last:%Y-%m-%d %H:%M}, when {filled:.0%} of it were over."
    )


def _fill(folder: Path, slots: pd.DatetimeIndex, ids: np.ndarray, new) -> dict:
    """Write the dense arrays from the tables, which hold requested cells only."""
    shape = (len(slots), len(ids))
    names = ("counts", "mean_rating", "returning")
    arrays = new({name: (shape, np.float32) for name in names})

    def cells(table: pd.DataFrame):
        return slots.get_indexer(table[SLOT]), np.searchsorted(ids, table[MOVIE])

    panel = pd.read_parquet(
        folder / "panel.parquet", columns=[MOVIE, SLOT, REQUESTS, MEAN_RATING]
    )
    panel = panel[panel[SLOT] <= slots[-1]]
    place = cells(panel)
    arrays["counts"][place] = panel[REQUESTS]
    arrays["mean_rating"][:] = np.nan
    arrays["mean_rating"][place] = panel[MEAN_RATING]
    again = pd.read_parquet(folder / "returning.parquet")
    again = again[again[SLOT] <= slots[-1]]
    arrays["returning"][cells(again)] = again[RETURNING]
    return {}
