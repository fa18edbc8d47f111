"""One request log on disk: where its columns are and how to read them lazily.

Two ways to read it. `LogFile.typed` trusts the file: numbers are parsed as they stream
by, and a stray character raises. `LogFile.lenient` takes every field as it stands and
turns what is no number or date into null, so that the faulty row can be shown.
"""

import csv
import itertools
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import polars.selectors as cs

from lib.schema import MOVIE, RATING, TIMESTAMP, USER

# Polars would stop at a zone that it does not know; Parquet's times are in UTC anyway
os.environ.setdefault("POLARS_IGNORE_TIMEZONE_PARSE_ERROR", "1")

LOG_COLUMNS = [USER, MOVIE, RATING, TIMESTAMP]
# "::" is two bytes and Polars separates by one: between two colons is an empty field
DAT_FIELDS = [USER, "_1", MOVIE, "_2", RATING, "_3", TIMESTAMP]
_TAG_LINE = r"^(\d+)::(\d+)::.*::(-?\d+)$"  # a tag may hold "::" itself
_ROW = "row of the log"
_EXACT_FLOAT = 2.0**53  # beyond it a float skips integers
_DATE_FORMATS = ("%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d")


@dataclass(frozen=True)
class LogFile:
    """A request log and the names of its columns.

    Attributes:
        path: The file.
        shown: The file as messages name it.
        columns: Column of the file for each of userId, movieId, timestamp, rating;
            user or rating is missing where the log has none.
        separator: Between fields; empty for Parquet, ``::`` for MovieLens tags.
        names: Names of all fields of a file without a header, else None.
        movielens: Whether this is a MovieLens file, whose ids are always numbers.
    """

    path: Path
    shown: str
    columns: dict[str, str]
    separator: str
    names: list[str] | None = None
    movielens: bool = False

    def line(self, row: int) -> str:
        """Where a row of the log stands in its file, the first row being row 0."""
        if not self.separator:
            return f"row {row + 1}"
        if self.names is not None:
            return f"line {row + 1}"
        if self.movielens:
            return f"line {row + 2}"
        return f"line {self._line_number(row)}"

    def _line_number(self, row: int) -> int:
        """First line of a row in a file whose texts may hold line breaks."""
        with self.path.open(encoding="utf-8", errors="replace", newline="") as file:
            reader = csv.reader(file, delimiter=self.separator)
            with suppress(csv.Error):  # a quote without an end: the lines so far count
                for _ in itertools.islice(reader, row + 1):  # header and rows above
                    pass
            return reader.line_num + 1

    def typed(self) -> pl.LazyFrame:
        """The log, parsed at full speed; collecting it raises at a stray character."""
        kinds = {RATING: pl.Float64}
        types = {n: kinds.get(c, pl.Int64) for c, n in self.columns.items()}
        return self._select(self._scan(schema_overrides=types), types)

    def text(self) -> pl.LazyFrame:
        """The log with every field as it stands in the file."""
        return self._select(self._scan(infer_schema=False), {})

    def is_numeric(self) -> bool:
        """Whether the first rows hold whole numbers wherever `typed` expects them."""
        head = self._select(self._scan(infer_schema_length=100), {}).head(100)
        types = head.collect_schema()
        return all(types[c].is_integer() for c in (USER, MOVIE, TIMESTAMP))

    def lenient(self) -> pl.LazyFrame:
        """The log with null for every field that is missing, no number or no date.

        The ids of an event log stay text unless all of them are whole numbers.
        """
        raw = self.text().cast({cs.categorical() | cs.enum(): pl.String})
        types = raw.collect_schema()
        ids = [self._id(raw, c, types[c]) for c in (USER, MOVIE)]
        rating = pl.col(RATING).cast(pl.Float64, strict=False).fill_nan(None)
        return raw.select(*ids, rating, _seconds(types[TIMESTAMP]))

    def _select(self, frame: pl.LazyFrame, types: dict) -> pl.LazyFrame:
        """The four columns under their own names.

        Without ratings they are null; without users each request has one of its own,
        its number from 1 on.
        """
        found = {c: pl.col(n) for c, n in self.columns.items()}
        if self.names == DAT_FIELDS:  # read all fields, or further ones go unnoticed
            single = pl.any_horizontal(pl.col(DAT_FIELDS[1::2]).is_not_null())
            found[TIMESTAMP] = pl.when(~single).then(found[TIMESTAMP])
        if types:
            found = {c: e.cast(types[self.columns[c]]) for c, e in found.items()}
        found.setdefault(RATING, pl.lit(None, pl.Float64))
        if USER not in self.columns:
            frame = frame.with_row_index(_ROW, 1)
            blank = pl.all_horizontal(found[c].is_null() for c in (MOVIE, TIMESTAMP))
            found[USER] = pl.when(~blank).then(pl.col(_ROW).cast(pl.Int64))
        if types:
            found[RATING] = found[RATING].fill_nan(None)
        return frame.select(**{c: found[c] for c in LOG_COLUMNS})

    def _scan(self, **options) -> pl.LazyFrame:
        if not self.separator:
            return pl.scan_parquet(self.path, glob=False)
        if self.separator == "::":
            return self._scan_tags()
        headless = self.names is not None
        return pl.scan_csv(
            self.path,
            separator=self.separator,
            has_header=not headless,
            new_columns=self.names,
            quote_char=None if headless else '"',
            glob=False,
            **options,
        )

    def _scan_tags(self) -> pl.LazyFrame:
        lines = pl.scan_csv(
            self.path,
            separator="\x1f",
            has_header=False,
            new_columns=["line"],
            quote_char=None,
            infer_schema=False,
            glob=False,
        )
        groups = {USER: 1, MOVIE: 2, TIMESTAMP: 3}
        return lines.select(
            **{c: pl.col("line").str.extract(_TAG_LINE, g) for c, g in groups.items()}
        )

    def _id(self, raw: pl.LazyFrame, column: str, dtype: pl.DataType) -> pl.Expr:
        number = _whole_number(column, dtype)
        if self.movielens or dtype.is_numeric():
            return number
        words = pl.col(column).is_not_null() & number.is_null()
        if raw.select(words.any()).collect(engine="streaming").item():
            return pl.col(column).cast(pl.String)
        return number


def _whole_number(column: str, dtype: pl.DataType) -> pl.Expr:
    """Int64, or null: 7, 7.0 and "7" are whole numbers, 7.5 and "x" are not."""
    value = pl.col(column)
    if dtype == pl.String:
        value = value.str.strip_chars()
    real = value.cast(pl.Float64, strict=False)
    whole = (real == real.floor()) & (real.abs() < _EXACT_FLOAT)
    integer = value.cast(pl.Int64, strict=False)
    if dtype.is_float():
        integer = pl.lit(None, pl.Int64)
    from_real = pl.when(whole).then(real).cast(pl.Int64, strict=False)
    return pl.coalesce(integer, from_real).alias(column)


def _seconds(dtype: pl.DataType) -> pl.Expr:
    """Unix seconds as Int64, fractions cut off, or null; text may be an ISO date."""
    value = pl.col(TIMESTAMP)
    if dtype == pl.Date or isinstance(dtype, pl.Datetime):
        return value.dt.epoch("s")
    real = value.cast(pl.Float64, strict=False).floor()
    numbers = [value.cast(pl.Int64, strict=False)] if not dtype.is_float() else []
    numbers.append(
        pl.when(real.abs() < _EXACT_FLOAT).then(real).cast(pl.Int64, strict=False)
    )
    if dtype != pl.String:
        return pl.coalesce(numbers).alias(TIMESTAMP)
    local = value.str.strip_chars().str.replace("T", " ").str.replace("Z$", "")
    dates = [local.str.to_datetime(f, strict=False) for f in _DATE_FORMATS]
    offset = value.str.replace("T", " ").str.to_datetime(
        "%Y-%m-%d %H:%M:%S%.f%:z", strict=False
    )
    dates.append(offset.dt.replace_time_zone(None))
    return pl.coalesce(*numbers, *(d.dt.epoch("s") for d in dates)).alias(TIMESTAMP)
