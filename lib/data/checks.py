"""Checking a request log: faults that stop the run, faults that are repaired.

The log is first written as Parquet in one streaming pass. Checks are sums and extremes
over that file, so they cost little however long the log is. Only when one fails is the
faulty row looked for.
"""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lib.data.logfile import LOG_COLUMNS, LogFile
from lib.data.text_tables import brief, not_utf8, polars_errors
from lib.errors import UserError
from lib.schema import MOVIE, RATING, TIMESTAMP, USER
from lib.text import shown_text

LAST_SECOND = 4_102_444_800  # 2100-01-01
FIRST_MILLISECOND = 100_000_000_000  # in seconds the year 5138, in milliseconds 1973
RATINGS = (0.5, 5.0)
_LONGEST_FIELD = 10_000_000  # characters
_EXPECTED = {
    USER: "a whole number",
    MOVIE: "a whole number",
    RATING: "a number from 0.5 to 5",
    TIMESTAMP: "Unix seconds",
}


def stage(log: LogFile, target: Path) -> None:
    """Write the log as Parquet, row by row as it stands: null marks a faulty field.

    Args:
        log: The log.
        target: Parquet file: userId, movieId (int64, or text in an event log whose
            ids are words), rating (float64), timestamp (int64).

    Raises:
        UserError: A row has too many fields, or the file is not UTF-8.
    """
    # A file of its own: after an error its writer may go on for a moment
    attempt = target.with_suffix(".attempt")
    try:
        with polars_errors():
            if log.is_numeric():
                log.typed().sink_parquet(attempt, engine="streaming")
                os.replace(attempt, target)
                return
    except pl.exceptions.PolarsError:
        pass  # a stray character: read again, leniently, to find it
    try:
        with polars_errors():
            log.lenient().sink_parquet(target, engine="streaming")
    except pl.exceptions.PolarsError as error:
        _find_broken_line(log)
        raise UserError(
            f"{log.shown}: cannot be read ({brief(error)}); "
            "expected a complete CSV or Parquet file; check how it was made"
        ) from error
    if log.separator and log.separator != "::":
        _find_broken_line(log, only_encoding=True)


@dataclass(frozen=True)
class Facts:
    """What a checked log holds.

    Attributes:
        rows: Number of rows, blank lines counted.
        blank: Number of blank lines.
        first: Least timestamp, in the log's own unit.
        last: Greatest timestamp.
        unit: Timestamps per second: 1000 where all are milliseconds, else 1.
        unrated: Requests whose rating is missing or no number, in a log with ratings.
    """

    rows: int
    blank: int
    first: int
    last: int
    unit: int
    unrated: int


def check(log: LogFile, staged: Path) -> Facts:
    """Check every row of a staged log.

    Args:
        log: The log, for messages.
        staged: What `stage` wrote.

    Returns:
        What the checks found.

    Raises:
        UserError: The first faulty row.
    """
    rows = pl.scan_parquet(staged, glob=False)
    facts = _facts(rows)
    if facts["rows"] == facts["blank"]:
        raise UserError(
            f"{log.shown}: found no rows, expected at least one request; check that "
            "the file was copied completely"
        )
    blank = pl.all_horizontal(pl.col(LOG_COLUMNS).is_null())
    nulls = 0
    for column in (USER, MOVIE, TIMESTAMP, RATING):
        needed = column != RATING or RATING in log.columns and log.movielens
        nulls = facts[f"{column}_null"] - facts["blank"]
        if needed and nulls:
            _fail(log, rows, column, pl.col(column).is_null() & ~blank)
    unit = 1000 if facts["first"] >= FIRST_MILLISECOND else 1
    _check_times(log, rows, facts, unit)
    low, high = facts["low"], facts["high"]
    if low is not None and (low < RATINGS[0] or high > RATINGS[1]):
        _fail_rating(log, rows, low, high)
    _check_end(log, rows, facts["rows"])
    ends = facts["first"], facts["last"]
    unrated = nulls if RATING in log.columns else 0
    return Facts(facts["rows"], facts["blank"], *ends, unit, unrated)


def _check_end(log: LogFile, rows: pl.LazyFrame, count: int) -> None:
    """Refuse a file that was cut inside its last timestamp.

    Of such a file the last line has no end, and its timestamp fewer digits than the
    one before and a smaller value than all others.
    """
    if not log.separator or count < 2:
        return
    with log.path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) in b"\r\n":
            return
    before, last = rows.slice(count - 2).select(TIMESTAMP).collect()[TIMESTAMP]
    if before is None or last is None or len(str(last)) >= len(str(before)):
        return
    earlier = rows.head(count - 1).select(pl.col(TIMESTAMP).min())
    if last < earlier.collect(engine="streaming").item():
        raise UserError(
            f"{log.shown}, {log.line(count - 1)}: found the time {last} and no line "
            f"end behind it, expected one such as {before}: the file was cut short; "
            "copy it again, or end its last line if it is whole"
        )


def _facts(rows: pl.LazyFrame) -> dict:
    types = rows.collect_schema()
    blank = pl.all_horizontal(pl.col(LOG_COLUMNS).is_null())
    columns = {f"{c}_null": pl.col(c).null_count() for c in types.names()}
    facts = rows.select(
        rows=pl.len(),
        blank=blank.sum(),
        first=pl.col(TIMESTAMP).min(),
        last=pl.col(TIMESTAMP).max(),
        low=pl.col(RATING).min(),
        high=pl.col(RATING).max(),
        **columns,
    )
    return facts.collect(engine="streaming").row(0, named=True)


def _check_times(log: LogFile, rows: pl.LazyFrame, facts: dict, unit: int) -> None:
    if facts["first"] < 0:
        _fail(log, rows, TIMESTAMP, pl.col(TIMESTAMP) < 0)
    if facts["last"] >= LAST_SECOND * unit:
        late = pl.col(TIMESTAMP) >= LAST_SECOND * unit
        mixed = unit == 1 and facts["last"] >= FIRST_MILLISECOND
        do = (
            "only some rows are in milliseconds: divide those by 1000"
            if mixed
            else "correct the row or leave it out"
        )
        _fail(log, rows, TIMESTAMP, late, "Unix seconds before the year 2100", do)


def _fail_rating(log: LogFile, rows: pl.LazyFrame, low: float, high: float) -> None:
    wrong = ~pl.col(RATING).is_between(*RATINGS)
    do = "correct the row or leave it out"
    if not log.movielens:
        do = (
            f"the log's ratings go from {low:g} to {high:g}: rescale them, or go "
            "without them with RATING_COLUMN=none"
        )
    _fail(log, rows, RATING, wrong, do=do)


def _fail(
    log: LogFile,
    rows: pl.LazyFrame,
    column: str,
    fault: pl.Expr,
    expected: str | None = None,
    do: str = "correct the row or leave it out",
) -> None:
    """Raise the error for the first row with a fault, showing the field as it is."""
    found = rows.with_row_index("row").filter(fault).select("row").head(1).collect()
    row = found.item()
    value = log.text().select(column).slice(row, 1).collect().item()
    value = "nothing" if value is None else f"'{shown_text(value, 40)}'"
    raise UserError(
        f"{log.shown}, {log.line(row)}, column {shown_text(log.columns[column], 60)}: "
        f"found {value}, "
        f"expected {expected or _EXPECTED[column]}; {do}"
    )


def _find_broken_line(log: LogFile, only_encoding: bool = False) -> None:
    """Raise for the first line that is not UTF-8 or has too many fields."""
    if not log.separator:
        return
    with log.path.open("rb") as file:
        for number, line in enumerate(file):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise not_utf8(log.shown, line, error.start, number) from error
    if only_encoding:
        return
    width = 7 if log.separator == ":" else len(log.names or []) or None
    quoting = csv.QUOTE_NONE if log.names else csv.QUOTE_MINIMAL
    limit = csv.field_size_limit(_LONGEST_FIELD)
    try:
        with log.path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, delimiter=log.separator, quoting=quoting)
            for row in reader:
                width = width or len(row)
                if len(row) > width:
                    halved = 2 if log.separator == ":" else 1  # "::" is two bytes
                    found, expected = -(-len(row) // halved), -(-width // halved)
                    raise UserError(
                        f"{log.shown}, line {reader.line_num}: found {found} fields, "
                        f"expected {expected}; put text with commas in quotes or "
                        "correct the line"
                    )
    except csv.Error as error:
        raise UserError(
            f"{log.shown}, line {reader.line_num}: found a text that does not end "
            f"({brief(error)}), expected a closing quote; correct the quotes"
        ) from error
    finally:
        csv.field_size_limit(limit)
