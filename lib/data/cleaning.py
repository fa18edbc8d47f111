"""The cleaned request log: staged, checked, repaired, cut to the first slots.

What is repaired: blank lines are left out; timestamps that are all in milliseconds are
divided by 1000; of rows with the same user, movie and second the first is kept. The
same user and movie at another time is a second request and stays. Without users every
row is a request of its own.
"""

from dataclasses import dataclass, field
from pathlib import Path

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl

from lib.data.audience import count_requests, user_ranges
from lib.data.checks import check, stage
from lib.data.logfile import LOG_COLUMNS, LogFile
from lib.data.slots import end_of_slots, slot_start
from lib.errors import UserError
from lib.files import replacing
from lib.schema import MOVIE, TIMESTAMP, TITLE, USER

_ROW = "row"
_GOLDEN = pl.lit(0x9E3779B97F4A7C15, pl.UInt64)  # 2^64 over the golden ratio


@dataclass
class Repairs:
    """What was put right in the data, and what is worth knowing about them."""

    repairs: list[dict] = field(default_factory=list)
    notes: list[dict] = field(default_factory=list)

    def add(self, what: str, count: int, action: str) -> None:
        if count:
            self.repairs.append({"what": what, "count": int(count), "action": action})

    def note(self, what: str, count: int, action: str) -> None:
        if count:
            self.notes.append({"what": what, "count": int(count), "action": action})


def clean_requests(
    log: LogFile, target: Path, slot: str, max_slots: int | None, repairs: Repairs
) -> pl.DataFrame | None:
    """Write the checked and repaired log.

    Args:
        log: The log.
        target: Parquet file to write: userId, movieId (int64), rating (float64, null
            without ratings), timestamp (int64, Unix seconds), in the log's order.
        slot: Name of the slot.
        max_slots: Keep the requests of the first so many slots; None keeps all.
        repairs: Gets what was repaired.

    Returns:
        movieId and title of a log whose item ids are words, else None.

    Raises:
        UserError: The log has a fault, or all of it lies within a single slot.
    """
    stage(log, target)
    facts = check(log, target)
    what = "requests whose rating is missing or no number"
    repairs.note(what, facts.unrated, "kept without a rating")
    staged = pl.scan_parquet(target, glob=False)
    steps = [
        _without_blank(facts.blank, repairs),
        _in_seconds(facts.unit, facts.rows - facts.blank, repairs),
        _without_repeated(target, facts.unit, repairs) if USER in log.columns else None,
        _first_slots(log, facts, slot, max_slots),
    ]
    codes = _codes(staged)
    if any(steps) or codes:
        rows = staged.with_row_index(_ROW)
        for step in filter(None, steps):
            rows = step(rows)
        for column, table in codes.items():
            rows = rows.join(table.lazy(), on=column, maintain_order="left")
            rows = rows.drop(column).rename({"code": column})
        with replacing(target) as part:
            rows.select(LOG_COLUMNS).sink_parquet(part, engine="streaming")
    if MOVIE not in codes:
        return None
    return codes[MOVIE].select(pl.col("code").alias(MOVIE), pl.col(MOVIE).alias(TITLE))


def _without_blank(count: int, repairs: Repairs):
    repairs.add("blank lines", count, "left out")
    return (lambda rows: rows.drop_nulls(TIMESTAMP)) if count else None


def _in_seconds(unit: int, count: int, repairs: Repairs):
    if unit == 1:
        return None
    repairs.add("timestamps in milliseconds", count, f"divided by {unit}")
    return lambda rows: rows.with_columns(pl.col(TIMESTAMP) // unit)


def _without_repeated(staged: Path, unit: int, repairs: Repairs):
    extra, rerated = repeated_rows(staged, unit)
    repairs.add(
        "rows with the user, movie and time of another", extra.len(), "first one kept"
    )
    repairs.note(
        "requests of a movie by a user who requested it before", rerated, "kept"
    )
    if not extra.len():
        return None
    drop = extra.to_frame().lazy()
    return lambda rows: rows.join(drop, on=_ROW, how="anti", maintain_order="left")


def _first_slots(log: LogFile, facts, slot: str, max_slots: int | None):
    """Filter for the first slots, None where all are kept."""
    ends = pl.DataFrame({TIMESTAMP: [facts.first, facts.last]}) // facts.unit
    starts = nw.from_native(ends).select(slot_start(nw.col(TIMESTAMP), slot))
    first, last = (pd.Timestamp(s, unit="s") for s in starts[TIMESTAMP].to_list())
    if first == last:
        raise UserError(
            f"{log.shown}: all requests lie within one slot ({slot} of {first:%Y-%m-%d}"
            "), expected at least two; choose a shorter SLOT"
        )
    end = end_of_slots(first, slot, max_slots) if max_slots else None
    if end is None or end > last:
        return None
    return lambda rows: rows.filter(pl.col(TIMESTAMP) < int(end.timestamp()))


def _codes(staged: pl.LazyFrame) -> dict[str, pl.DataFrame]:
    """Numbers from 1 on for ids that are words, in alphabetical order."""
    types = staged.collect_schema()
    codes = {}
    for column in (USER, MOVIE):
        if types[column] == pl.String:
            words = staged.select(pl.col(column).drop_nulls().unique()).collect()
            table = words.sort(column).with_row_index("code", offset=1)
            codes[column] = table.cast({"code": pl.Int64})
    return codes


def repeated_rows(staged: Path, unit: int = 1) -> tuple[pl.Series, int]:
    """Find repeated requests, users by users, so that memory does not grow with rows.

    Rows are compared by a hash first; those whose hash occurs twice, in full.

    Args:
        staged: Parquet file with userId, movieId, timestamp.
        unit: Timestamps per second.

    Returns:
        Row numbers (uint32) of all but the first with the same user, movie and second,
        and the number of other rows whose user and movie occurred before.
    """
    rows = pl.scan_parquet(staged, glob=False)
    pair, second = _hash(rows, [USER, MOVIE]), pl.col(TIMESTAMP) // unit
    request = pair * _GOLDEN + second.cast(pl.UInt64)
    extra, again = [], 0
    for some in user_ranges(count_requests(staged, USER)):
        some = some & pl.col(TIMESTAMP).is_not_null()
        hashes = rows.filter(some).select(pair=pair, request=request)
        hashes = hashes.collect(engine="streaming")
        repeats = _repeated(hashes["pair"])
        again += len(repeats)
        if not len(repeats):
            continue
        suspects = np.unique(_repeated(hashes["request"]))
        del hashes
        if len(suspects):
            extra.append(_extra(rows, some, request, suspects, second))
    if not extra:
        return pl.Series(_ROW, [], pl.UInt32), again
    found = pl.concat(extra).sort()
    return found, again - found.len()


def _hash(rows: pl.LazyFrame, columns: list[str]) -> pl.Expr:
    """A hash (uint64) of two ids.

    Of numbers whose product is below 2^62 no two pairs have the same: multiples of the
    golden ratio keep as far from each other as any can (Knuth 1973, §6.4).
    """
    types = rows.collect_schema()
    if pl.String in (types[c] for c in columns):
        return pl.struct(columns).hash()
    first, second = (pl.col(c).cast(pl.UInt64, wrap_numerical=True) for c in columns)
    return first * _GOLDEN + second


def _repeated(hashes: pl.Series) -> np.ndarray:
    """Hashes that occurred before; one that n rows share is there n - 1 times."""
    ordered = np.sort(hashes.to_numpy())
    return ordered[1:][ordered[1:] == ordered[:-1]]


def _extra(rows, some, request, suspects: np.ndarray, second: pl.Expr) -> pl.Series:
    """Numbers of the rows, among those with suspect hashes, that repeat another."""
    same = [USER, MOVIE, TIMESTAMP]
    found = (
        rows.with_row_index(_ROW)
        .filter(some)
        .select(_ROW, USER, MOVIE, second, hash=request)
        .join(pl.LazyFrame({"hash": suspects}), on="hash", how="semi")
        .collect(engine="streaming")
        .sort(_ROW)
    )
    return found.filter(~pl.struct(same).is_first_distinct())[_ROW]
