"""Finding the request log of a data set: MovieLens' three layouts, and event logs."""

import csv
import os
from pathlib import Path

import polars as pl

from lib.data.logfile import DAT_FIELDS, LogFile
from lib.data.text_tables import brief, check_file, polars_errors, shown_names
from lib.errors import UserError
from lib.schema import MOVIE, RATING, TIMESTAMP, USER
from lib.text import shown_text

# Names tried, in this order, for the columns of an event log that are not given
KNOWN_NAMES = {
    USER: "userId user_id userid user uid visitorid customer_id".split(),
    MOVIE: "movieId movie_id movieid movie itemId item_id itemid item".split(),
    TIMESTAMP: "timestamp time datetime date ts event_time created_at".split(),
    RATING: "rating score stars".split(),
}
PARAMETERS = {
    USER: "USER_COLUMN",
    MOVIE: "ITEM_COLUMN",
    TIMESTAMP: "TIME_COLUMN",
    RATING: "RATING_COLUMN",
}
NONE = "none"  # in the place of a column that the log does not have
_MOVIELENS = {c: c for c in (USER, MOVIE, RATING, TIMESTAMP)}
_TAGS = {c: c for c in (USER, MOVIE, TIMESTAMP)}
_LOG_PATTERNS = ("ratings*.csv", "ratings*.dat", "u.data")
_NOT_A_LOG = ("movies*", "links*", "users*", "tags*", "genome*", "metadata*")
_TABLES = ("*.csv", "*.tsv", "*.parquet")
_DEPTH, _MOST = 3, 20_000  # how far below a folder, and among how many files, to look
_LINE = 65_536  # bytes of a first line
_SEPARATORS = {",": "a comma", ";": "';'", "\t": "a tab", "|": "'|'"}


def find_log(place: Path, shown: str, columns: dict[str, str]) -> LogFile:
    """Find the request log of a data set and its columns.

    Args:
        place: A folder or a file.
        shown: The place as messages name it.
        columns: Names of columns that the user gave, for userId, movieId, timestamp
            and rating; ``none`` for users or ratings leaves them out.

    Returns:
        The log.

    Raises:
        UserError: No log is there, or a column of it is missing.
    """
    if not place.is_dir():
        return _log_file(place, shown, columns)
    folder = _folder_with_data(place, shown)
    inside = folder.relative_to(place)
    shown = shown if inside == Path() else f"{shown}/{inside}"
    for pattern in _LOG_PATTERNS:
        if found := sorted(folder.glob(pattern), key=lambda p: (len(p.name), p.name)):
            return _log_file(found[0], f"{shown}/{found[0].name}", columns)
    tables = sorted(p for pattern in _TABLES for p in folder.glob(pattern))
    found = [p for p in tables if not any(p.match(n) for n in _NOT_A_LOG)]
    if len(found) == 1:
        return _log_file(found[0], f"{shown}/{found[0].name}", columns)
    names = ", ".join(p.name for p in found[:5]) or "no table"
    raise UserError(
        f"{shown}: found {names}, expected ratings.csv, ratings.dat, u.data or a "
        "single CSV or Parquet file; give the path of the log itself"
    )


def _folder_with_data(place: Path, shown: str) -> Path:
    """The folder itself, or the one below it that holds the files of an archive."""
    folders = _folders(place, shown)
    for patterns in (_LOG_PATTERNS, _TABLES):
        for folder in folders:
            if any(any(folder.glob(p)) for p in patterns):
                return folder
    return place


def _folders(place: Path, shown: str) -> list[Path]:
    """The folder and those in it, links not followed; refused where it is too much."""
    found, seen, errors = [], 0, []
    for folder, inside, files in os.walk(place, onerror=errors.append):
        depth = len(Path(folder).relative_to(place).parts)
        hidden = depth >= _DEPTH or "__MACOSX" in Path(folder).parts
        inside[:] = [] if hidden else sorted(inside)
        seen += len(files) + 1
        if seen > _MOST:
            raise UserError(
                f"{shown}: found more than {_MOST:,} files, expected the folder of one "
                "data set; give the path of the log itself"
            )
        if "__MACOSX" not in Path(folder).parts:
            found.append(Path(folder))
    if errors and len(found) < 2 and not any(place.glob("*.*")):
        raise UserError(
            f"{shown}: cannot be read ({errors[0].strerror}); expected a folder that "
            "you may read; change its permissions"
        )
    return found


def _log_file(path: Path, shown: str, columns: dict[str, str]) -> LogFile:
    check_file(path, shown)
    if path.suffix == ".parquet":
        return _parquet_log(path, shown, columns)
    first = _first_line(path, shown)
    if path.name == "u.data":
        _expect_fields(shown, first, "\t")
        return LogFile(path, shown, _MOVIELENS, "\t", list(_MOVIELENS), True)
    if path.suffix == ".dat":
        _expect_fields(shown, first, "::")
        if path.name.startswith("tags"):
            return LogFile(path, shown, _TAGS, "::", list(_MOVIELENS), True)
        return LogFile(path, shown, _MOVIELENS, ":", DAT_FIELDS, True)
    separator = "\t" if path.suffix == ".tsv" else ","
    names = next(csv.reader([first], delimiter=separator))
    movielens = path.match("ratings*.csv") or path.match("tags.csv")
    if movielens and not columns:
        needed = _TAGS if path.match("tags.csv") else _MOVIELENS
    else:
        needed = None
    found = _columns(shown, names, columns, needed)
    return LogFile(path, shown, found, separator, None, needed is not None)


def _parquet_log(path: Path, shown: str, columns: dict[str, str]) -> LogFile:
    try:
        with polars_errors():
            names = pl.scan_parquet(path, glob=False).collect_schema().names()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(
            f"{shown}: cannot be read as Parquet ({brief(error)}); write it again"
        ) from error
    return LogFile(path, shown, _columns(shown, names, columns, None), "")


def _first_line(path: Path, shown: str) -> str:
    with path.open("rb") as file:
        line = file.readline(_LINE)
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError(
            f"{shown}, line 1: found UTF-16 text, expected UTF-8; save it as UTF-8"
        )
    if b"\r" in line.rstrip(b"\r\n"):
        raise UserError(
            f"{shown}, line 1: found line ends of CR alone, expected LF or CRLF; save "
            "the file with Unix line ends"
        )
    if len(line) == _LINE:
        raise UserError(
            f"{shown}, line 1: found more than {_LINE:,} bytes, expected a line of a "
            "request log; check that it is the right file"
        )
    try:
        text = line.decode("utf-8-sig").strip("\r\n")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{shown}, line 1: found the byte 0x{line[error.start]:02x}, expected "
            "UTF-8; save the file as UTF-8"
        ) from error
    if not text:
        raise UserError(
            f"{shown}, line 1: found an empty line, expected a request log; "
            "check that the file was copied completely"
        )
    return text


def _expect_fields(shown: str, line: str, separator: str) -> None:
    if len(line.split(separator)) < len(_MOVIELENS):
        name = _SEPARATORS.get(separator, f"'{separator}'")
        raise UserError(
            f"{shown}, line 1: found '{shown_text(line, 60)}', expected 4 fields "
            f"with {name} between them; check the separator"
        )


def _columns(
    shown: str, names: list[str], given: dict[str, str], needed: dict | None
) -> dict[str, str]:
    """Column of the file for each column of the log."""
    found: dict[str, str] = {}
    missing: dict[str, str] = {}
    for column, known in KNOWN_NAMES.items():
        if column in (USER, RATING) and given.get(column) == NONE:
            continue
        asked = [given[column]] if given.get(column) else None
        wanted: list[str] = asked or ([column] if needed else list(known))
        name = next((n for n in wanted if n in names), None)
        if name is not None:
            found[column] = name
        elif column != RATING or asked or (needed and RATING in needed):
            missing[column] = shown_text(" or ".join(wanted[:3]), 60)
    if missing:
        raise UserError(_missing(shown, names, missing, bool(needed)))
    for column, name in found.items():
        if list(found.values()).count(name) > 1:
            raise UserError(
                f"{shown}: column {shown_text(name, 60)} was named for two things, "
                f"expected a column for each; change {PARAMETERS[column]}=…"
            )
    return found


def _missing(
    shown: str, names: list[str], missing: dict[str, str], movielens: bool
) -> str:
    other = [s for s in _SEPARATORS if len(names) == 1 and s in names[0]]
    if other:
        return (
            f"{shown}, line 1: found {_SEPARATORS[other[0]]} between the columns, "
            "expected a comma; save the file with commas"
        )
    several, named = len(missing) > 1, (f"{PARAMETERS[c]}=…" for c in missing)
    it = "them" if several else "it"
    do = (
        f"rename {'the columns' if several else 'the column'}"
        if movielens
        else f"rename {it} or name {it} with {' '.join(named)}"
    )
    if USER in missing and not movielens:
        do += f"; a log without users has {PARAMETERS[USER]}={NONE}"
    return (
        f"{shown}: {'columns' if several else 'column'} {'; '.join(missing.values())} "
        f"{'are' if several else 'is'} missing, found {shown_names(names)}; {do}"
    )
