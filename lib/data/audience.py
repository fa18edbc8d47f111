"""Who asks: what the users of the log do in each slot, counted once for all readers.

The panel counts requests; these tables say how many users stand behind them. They are
small, so nobody has to read the log again for them.
"""

from pathlib import Path

import narwhals as nw
import numpy as np
import polars as pl

from lib.data.panel import PACKED_BELOW, packed_slot, unpacked_slot
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

PART_ROWS = 8_000_000  # requests that are looked at together
_WEEK, _THURSDAY = 7 * 24, 3 * 24  # hours; 1970 began on a Thursday
_NOT_RATED = 1_000  # in tenths of a star


def count_audience(
    requests: Path, slot: str, counted: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Users and returning requests: a user returns in any slot after the first one.

    Args:
        requests: Parquet file of the cleaned log.
        slot: Name of the slot, see `lib.data.slots.check_slot`.
        counted: What `count_requests` gave for the users.

    Returns:
        By slot, empty ones included: slot (datetime, UTC), requests, users with a
        request, returning (requests of users who made one in an earlier slot).
        By slot and movie: slot, movieId, returning, where there is any. Both int64
        and sorted by slot, then movieId.
    """
    start = slot_start(nw.col(TIMESTAMP), slot).alias(SLOT)
    rows = nw.from_native(pl.scan_parquet(requests, glob=False))
    log = rows.select(nw.col(USER), nw.col(MOVIE), start).to_native()
    slots, cells = [], []
    for some in user_ranges(counted):
        part = log.filter(some).collect(engine="streaming")
        visits = _counted_pairs(part, USER, REQUESTS)
        slots.append(
            visits.group_by(SLOT).agg(
                pl.col(REQUESTS).sum(), pl.len().cast(pl.Int64).alias(USERS)
            )
        )
        first = visits.group_by(USER).agg(first=pl.col(SLOT).min())
        again = part.join(first, on=USER).filter(pl.col(SLOT) > pl.col("first"))
        cells.append(_counted_pairs(again, MOVIE, RETURNING))
    returning = _dated(pl.concat(cells).group_by(SLOT, MOVIE).sum()).sort(SLOT, MOVIE)
    found = _dated(pl.concat(slots).group_by(SLOT).sum())
    totals = returning.group_by(SLOT).agg(pl.col(RETURNING).sum())
    found = found.join(totals, on=SLOT, how="left")
    whole = slot_range(found[SLOT].min(), found[SLOT].max(), slot)
    table = pl.DataFrame({SLOT: whole.to_numpy()})
    table = table.join(found, on=SLOT, how="left", maintain_order="left")
    return table.with_columns(
        pl.col(REQUESTS, USERS, RETURNING).fill_null(0)
    ), returning


def _counted_pairs(log: pl.DataFrame, column: str, name: str) -> pl.DataFrame:
    """Rows (int64) of each slot and id: sorted as one number where both fit into it.

    That takes a third of the time of a hash table with a place for every pair.
    """
    if not log[column].is_between(0, PACKED_BELOW - 1).all():
        return log.group_by(SLOT, column).agg(pl.len().cast(pl.Int64).alias(name))
    keys = log.select(packed_slot(pl.col(SLOT)) + pl.col(column)).to_series()
    keys = np.sort(keys.to_numpy())
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    counts = np.diff(starts, append=len(keys))
    key = pl.col("key")
    return pl.DataFrame({"key": keys[starts], name: counts}).select(
        unpacked_slot(key).alias(SLOT), (key % PACKED_BELOW).alias(column), name
    )


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


def _dated(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns((pl.col(SLOT) * 1_000_000).cast(pl.Datetime("us")))
