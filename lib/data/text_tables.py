"""Small text tables read whole, so that a fault is reported with its line."""

import os
import re
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from lib.errors import OF_THE_DISK, UserError
from lib.text import shown_text

MAX_TABLE = 512 * 1024**2  # bytes; the largest known, of TMDB, has 35 MB


def check_file(path: Path, shown: str, most: int | None = None) -> None:
    """Make sure that a file can be read to its end.

    Args:
        path: The file.
        shown: The file as messages name it.
        most: Bytes that it may have; None for any number.

    Raises:
        UserError: It is no plain file (a pipe or /dev/zero would never end), cannot
            be opened, is empty, or is too large.
    """
    try:
        found = path.stat()
        if stat.S_ISREG(found.st_mode):
            path.open("rb").close()
    except OSError as error:
        raise UserError(
            f"{shown}: cannot be read ({error.strerror}); check the path and permission"
        ) from error
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
        raise UserError(
            f"{shown}: cannot be read: found {kind}, expected a plain file; copy the "
            "data into one"
        )
    if not found.st_size:  # those of /proc have no size, either, and may never end
        raise UserError(
            f"{shown}: found an empty file, expected a table; check that it is the "
            "right file, and that it was copied whole"
        )
    if most and found.st_size > most:
        raise UserError(
            f"{shown}: found {found.st_size / 1024**2:,.0f} MiB, expected at most "
            f"{most / 1024**2:,.0f} MiB; check that it is the right file"
        )


def read_text(path: Path, shown: str, latin_1: bool = False) -> str:
    """Text of a file in UTF-8.

    Args:
        path: The file.
        shown: The file as messages name it.
        latin_1: Read a file that is not UTF-8 as ISO-8859-1, as ml-1m and ml-100k are.

    Raises:
        UserError: See `check_file`; or not UTF-8, with the line and the byte.
    """
    check_file(path, shown, MAX_TABLE)
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if latin_1:
            return content.decode("latin-1")
        raise not_utf8(shown, content, error.start) from error


def not_utf8(shown: str, content: bytes, position: int, lines_before: int = 0):
    """The error for a byte that is not UTF-8."""
    line = content[:position].count(b"\n") + 1 + lines_before
    return UserError(
        f"{shown}, line {line}: found the byte 0x{content[position]:02x}, expected "
        "UTF-8; save the file as UTF-8"
    )


def brief(error: Exception) -> str:
    """What a library says is wrong, in a few words."""
    return shown_text(str(error).strip().partition("\n")[0], 80)


@contextmanager
def polars_errors(quiet: bool = True) -> Generator[None]:
    """Make of what Polars raises on damaged bytes or a bad disk what others raise.

    Args:
        quiet: Keep away from stderr what Rust says there of its own panics.

    Raises:
        PolarsError: Also for a panic, which is no Exception.
        OSError: The disk is full or breaks, which Polars tells as a fault of the file.
    """
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        if quiet:
            os.dup2(nowhere, 2)
        yield
    except pl.exceptions.PanicException as error:
        raise pl.exceptions.ComputeError(str(error)) from None
    except pl.exceptions.PolarsError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number and int(number[1]) in OF_THE_DISK:
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from error
        raise
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def shown_names(names: list[str]) -> str:
    """The first names of columns, for a message."""
    return shown_text(", ".join(shown_text(n, 30) for n in names[:8]), 100)


def read_table(path: Path, shown: str, needed: list[str]) -> pl.DataFrame:
    """A CSV file with a header, every field as text, missing ones null.

    Raises:
        UserError: The file is unreadable, or a column is missing.
    """
    text = read_text(path, shown)
    try:
        with polars_errors():
            table = pl.read_csv(text.encode(), infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise UserError(
            f"{shown}: cannot be read as CSV ({brief(error)}); expected "
            f"{','.join(needed)} with commas between them and quotes around text"
        ) from error
    if missing := [c for c in needed if c not in table.columns]:
        raise UserError(
            f"{shown}: column {missing[0]} is missing, found "
            f"{shown_names(table.columns)}; expected {','.join(needed)} with commas "
            "between them"
        )
    return table


def split_lines(
    path: Path, shown: str, separator: str, names: list[str]
) -> pl.DataFrame:
    """A file without header as text columns; further fields are left out.

    Raises:
        UserError: A line has too few fields.
    """
    rows = []
    for number, line in enumerate(read_text(path, shown, True).splitlines(), 1):
        if not line.strip():
            continue
        fields = line.split(separator)
        if len(fields) < len(names):
            raise UserError(
                f"{shown}, line {number}: found '{shown_text(line, 60)}', expected "
                f"{len(names)} fields with {separator!r} between them; correct the line"
            )
        rows.append(fields[: len(names)])
    return pl.DataFrame(rows, schema={n: pl.String for n in names}, orient="row")


def whole_numbers(table: pl.DataFrame, column: str, shown: str, header: int = 1):
    """The table with one column as int64.

    Raises:
        UserError: A field is no whole number, with its line.
    """
    number = table[column].str.strip_chars().cast(pl.Int64, strict=False)
    if number.has_nulls():
        row = number.to_list().index(None)
        raise UserError(
            f"{shown}, line {row + 1 + header}, column {column}: found "
            f"'{shown_text(table[column][row] or 'nothing', 60)}', expected a whole "
            "number; correct the line"
        )
    return table.with_columns(number.alias(column))
