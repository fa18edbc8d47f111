"""Who asks: what the users of the log do in each slot, counted once for all readers.

The panel counts requests; these tables say how many users stand behind them. They are
small, so nobody has to read the log again for them.
"""

from pathlib import Path

import narwhals as nw
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


def count_audience(requests: Path, slot: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Users and returning requests: a user returns in any slot after the first one.

    Args:
        requests: Parquet file of the cleaned log.
        slot: Name of the slot, see `lib.data.slots.check_slot`.

    Returns:
        By slot, empty ones included: slot (datetime, UTC), requests, users with a
        request, returning (requests of users who made one in an earlier slot).
        By slot and movie: slot, movieId, returning, where there is any. Both int64
        and sorted by slot, then movieId.
    """
    start = slot_start(nw.col(TIMESTAMP), slot).alias(SLOT)
    rows = nw.from_native(pl.scan_parquet(requests, glob=False))
    log = rows.select(nw.col(USER), nw.col(MOVIE), start).to_native()
    first = log.group_by(USER).agg(first=pl.col(SLOT).min())
    again = log.join(first, on=USER).filter(pl.col(SLOT) > pl.col("first"))
    again = again.group_by(SLOT, MOVIE).agg(pl.len().cast(pl.Int64).alias(RETURNING))
    found = log.group_by(SLOT).agg(
        pl.len().alias(REQUESTS), pl.col(USER).n_unique().alias(USERS)
    )
    returning = _dated(again.collect(engine="streaming")).sort(SLOT, MOVIE)
    slots = _dated(found.collect(engine="streaming"))
    totals = returning.group_by(SLOT).agg(pl.col(RETURNING).sum())
    slots = slots.join(totals, on=SLOT, how="left")
    grid = pl.DataFrame(
        {SLOT: slot_range(slots[SLOT].min(), slots[SLOT].max(), slot).to_numpy()}
    )
    table = grid.join(slots, on=SLOT, how="left", maintain_order="left")
    numbers = pl.col(REQUESTS, USERS, RETURNING)
    return table.with_columns(numbers.fill_null(0).cast(pl.Int64)), returning


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
    time = pl.from_epoch(TIMESTAMP, time_unit="s")
    keys = [
        time.dt.weekday().alias(WEEKDAY),
        time.dt.hour().alias(HOUR),
        pl.col(RATING).round(1),
    ]
    log = pl.scan_parquet(requests, glob=False)
    counts = log.group_by(keys).agg(pl.len().cast(pl.Int64).alias(REQUESTS))
    return counts.collect(engine="streaming").sort(WEEKDAY, HOUR, RATING)


def _dated(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns((pl.col(SLOT) * 1_000_000).cast(pl.Datetime("us")))
