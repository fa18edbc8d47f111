"""Small text tables read whole, so that a fault is reported with its line."""

from pathlib import Path

import polars as pl

from lib.errors import UserError


def read_text(path: Path, shown: str, latin_1: bool = False) -> str:
    """Text of a file in UTF-8.

    Args:
        path: The file.
        shown: The file as messages name it.
        latin_1: Read a file that is not UTF-8 as ISO-8859-1, as ml-1m and ml-100k are.

    Raises:
        UserError: The file is missing or not UTF-8, with the line and the byte.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{shown}: cannot be read ({error.strerror}); check the path"
        ) from error
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


def read_table(path: Path, shown: str, needed: list[str]) -> pl.DataFrame:
    """A CSV file with a header, every field as text, missing ones null.

    Raises:
        UserError: The file is unreadable, or a column is missing.
    """
    text = read_text(path, shown)
    try:
        table = pl.read_csv(text.encode(), infer_schema=False)
    except pl.exceptions.PolarsError as error:
        raise UserError(
            f"{shown}: cannot be read as CSV ({str(error).splitlines()[0]}); expected "
            f"{','.join(needed)} with commas between them and quotes around text"
        ) from error
    if missing := [c for c in needed if c not in table.columns]:
        raise UserError(
            f"{shown}: column {missing[0]} is missing, found "
            f"{', '.join(table.columns[:8])}; expected {','.join(needed)} with commas "
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
                f"{shown}, line {number}: found {line[:60]!r}, expected {len(names)} "
                f"fields with {separator!r} between them; correct the line"
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
        row = number.is_null().arg_max()
        raise UserError(
            f"{shown}, line {row + 1 + header}, column {column}: found "
            f"{table[column][row] or 'nothing'!r}, expected a whole number; correct "
            "the line"
        )
    return table.with_columns(number.alias(column))
