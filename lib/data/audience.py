"""Who asks: what the users of the log do in each slot, counted once for all readers.

The panel counts requests; these tables say how many users stand behind them. They are
small, so nobody has to read the log again for them.
"""

from pathlib import Path

import narwhals as nw
import numpy as np
import polars as pl

from lib.data.slots import slot_range, slot_start
from lib.schema import (
    HOUR,
    MOVIE,
    RATING,
    REQUESTS,
    RETURNING,
    SLOT,
    TIMESTAMP,
    USER,
    USERS,
    WEEKDAY,
)

PART_ROWS = 4_000_000  # requests that are looked at together
HOUR_OF = (pl.col(TIMESTAMP) // 3_600).alias(HOUR)
_WEEK, _THURSDAY = 7 * 24, 3 * 24  # hours; 1970 began on a Thursday
_NOT_RATED = 1_000  # in tenths of a star


def count_audience(
    requests: Path, slot: str, users: pl.DataFrame, movies: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Users and returning requests: a user returns in any slot after the first one.

    Args:
        requests: Parquet file of the cleaned log.
        slot: Name of the slot, see `lib.data.slots.check_slot`.
        users: What `count_requests` gave for the users.
        movies: The same for the movies.

    Returns:
        By slot, empty ones included: slot (datetime, UTC), requests, users with a
        request, returning (requests of users who made one in an earlier slot).
        By slot and movie: slot, movieId, returning, where there is any. Both int64
        and sorted by slot, then movieId.
    """
    log = pl.scan_parquet(requests, glob=False).select(USER, MOVIE, HOUR_OF)
    starts, slot_of = _slots(log, slot)
    ids = movies[MOVIE].to_numpy()
    movie_of = _places(ids)
    totals = np.zeros((3, len(starts)), np.int64)
    cells = pl.DataFrame(schema={"key": pl.Int64, RETURNING: pl.Int64})
    waiting: list[pl.DataFrame] = []
    for some in user_ranges(users):
        part = log.filter(some).collect(engine="streaming")
        known = users.filter(some)[USER].to_numpy()
        t = slot_of(part[HOUR].to_numpy())
        u = _places(known)(part[USER].to_numpy())
        visits, _ = _counted(t * len(known) + u)  # by slot, then user
        first = np.empty(len(known), np.int64)
        first[visits[::-1] % len(known)] = visits[::-1] // len(known)  # earliest: last
        totals[0] += np.bincount(t, minlength=len(starts))
        totals[1] += np.bincount(visits // len(known), minlength=len(starts))
        again = t > first[u]
        totals[2] += np.bincount(t[again], minlength=len(starts))
        movie = movie_of(part.filter(again)[MOVIE].to_numpy())
        key, count = _counted(t[again] * len(ids) + movie)
        waiting.append(pl.DataFrame({"key": key, RETURNING: count}))
        if sum(map(len, waiting)) > max(2 * len(cells), PART_ROWS):
            cells, waiting = _added(cells, waiting), []
    cells = _added(cells, waiting).sort("key")
    key = cells["key"].to_numpy()
    returning = {SLOT: starts[key // len(ids)], MOVIE: ids[key % len(ids)]}
    names = (REQUESTS, USERS, RETURNING)
    table = pl.DataFrame({SLOT: starts} | dict(zip(names, totals, strict=True)))
    return table, pl.DataFrame(returning | {RETURNING: cells[RETURNING]})


def _slots(log: pl.LazyFrame, slot: str):
    """Starts of all slots of a log, and a function from hours to their numbers."""
    hour = pl.col(HOUR)
    ends = log.select(first=hour.min(), last=hour.max()).collect(engine="streaming")
    first, last = ends.row(0)
    hours = pl.DataFrame({TIMESTAMP: np.arange(first, last + 1) * 3_600})
    begun = nw.from_native(hours).select(slot_start(nw.col(TIMESTAMP), slot))
    begun = (begun[TIMESTAMP].to_numpy() * 1_000_000).view("M8[us]")
    starts = slot_range(begun[0], begun[-1], slot).to_numpy()
    number = np.searchsorted(starts, begun)
    return starts, lambda hour: number[hour - first]


def _places(ids: np.ndarray):
    """A function from ids to their places (int64) among these, which are sorted."""
    low, span = ids[0], int(ids[-1]) - int(ids[0]) + 1
    if span > max(4 * len(ids), PART_ROWS):
        return lambda wanted: np.searchsorted(ids, wanted)
    place = np.zeros(span, np.int64)
    place[ids - low] = np.arange(len(ids))
    return lambda wanted: place[wanted - low]


def _counted(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Different numbers in their order, and how often each occurs."""
    keys = np.sort(keys)  # a third of the time of a hash table
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    return keys[starts], np.diff(starts, append=len(keys))


def _added(cells: pl.DataFrame, more: list[pl.DataFrame]) -> pl.DataFrame:
    """Tables of numbers and counts as one, in which each number occurs once."""
    return pl.concat([cells, *more]).group_by("key").agg(pl.col(RETURNING).sum())


def user_ranges(counted: pl.DataFrame, rows: int | None = None) -> list[pl.Expr]:
    """Filters that cut a log into parts of whole users, so that a part fits in memory.

    Ranges of ids rather than hashes of them: a file sorted by user, as MovieLens' are,
    is then read once and not once for each part.

    Args:
        counted: userId and requests of every user, sorted by userId.
        rows: About the most requests of a part, `PART_ROWS` by default; a single user
            may have more.
    """
    part = (counted[REQUESTS].cum_sum() - 1) // (rows or PART_ROWS)
    bounds = counted.group_by(part.alias("part"), maintain_order=True).agg(
        low=pl.col(USER).min(), high=pl.col(USER).max()
    )
    return [
        pl.col(USER).is_between(pl.lit(low), pl.lit(high))
        for _, low, high in bounds.iter_rows()
    ]


def count_requests(requests: Path, column: str) -> pl.DataFrame:
    """Requests (int64) of each user or movie of the log, sorted by its id."""
    log = pl.scan_parquet(requests, glob=False)
    counts = log.group_by(column).agg(pl.len().cast(pl.Int64).alias(REQUESTS))
    return counts.collect(engine="streaming").sort(column)


def count_hours(requests: Path) -> pl.DataFrame:
    """When requests come and how they are rated.

    Returns:
        weekday (1 is Monday), hour (0-23, UTC), rating (to a tenth of a star, null
        where there is none) and requests (int64), sorted.
    """
    hour = (pl.col(TIMESTAMP) // 3_600 + _THURSDAY) % _WEEK
    tenth = (pl.col(RATING) * 10).round().cast(pl.Int64).fill_null(_NOT_RATED)
    log = pl.scan_parquet(requests, glob=False).select(key=tenth * _WEEK + hour)
    counts = log.group_by("key").agg(pl.len().cast(pl.Int64).alias(REQUESTS))
    hour, tenth = pl.col("key") % _WEEK, pl.col("key") // _WEEK
    table = counts.collect(engine="streaming").select(
        (hour // 24 + 1).cast(pl.Int8).alias(WEEKDAY),
        (hour % 24).cast(pl.Int8).alias(HOUR),
        pl.when(tenth != _NOT_RATED).then(tenth / 10).alias(RATING),
        REQUESTS,
    )
    return table.sort(WEEKDAY, HOUR, RATING)
