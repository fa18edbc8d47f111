"""Texts, box office and votes of movies, from the files of TMDB 5000 or of Kaggle.

Two layouts are in use: `tmdb_5000_movies.csv`, whose list columns are JSON, and The
Movies Dataset's `movies_metadata*.csv`, whose lists are Python literals and whose full
file is known for rows that are shifted or cut. Every fault is counted, none is fatal.
Who plays and directs is in a file of its own, `tmdb_5000_credits.csv` or `credits.csv`.
"""

import ast
import csv
import itertools
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from lib.data.text_tables import MAX_TABLE, brief, check_file, read_table, shown_names
from lib.errors import UserError
from lib.schema import CREDITS, GENRES, MOVIE, OVERVIEW, RELEASE_YEAR, TAGLINE, TITLE

TMDB = "tmdbId"
FILES = ("tmdb_5000_movies.csv", "movies_metadata*.csv")
CREDITS_FILES = ("tmdb_5000_credits.csv", "credits*.csv")
FOLDERS = ("tmdb-5000", "the-movies-dataset")  # looked for beside the data set
LINKS = "links*.csv"
NUMBERS = ("budget", "revenue", "runtime", "vote_average", "vote_count")
ZERO_MEANS_UNKNOWN = ("budget", "revenue", "runtime")
TEXTS = (TITLE, OVERVIEW, TAGLINE)
NEEDED = ("id", GENRES, "release_date", *NUMBERS, *TEXTS)
COLUMNS = [TMDB, *TEXTS, GENRES, "release_date", *NUMBERS]
CAST = 3  # actors of a movie who count, those named first
MAX_FIELD = 10_000_000  # characters; Python's own limit of 131,072 is for safety only


@dataclass(frozen=True)
class Metadata:
    """The metadata found for one data set.

    Attributes:
        movies: movieId, title (as in the metadata), overview, tagline (str, "" where
            unknown), genres ("A|B"), release_date (datetime), budget, revenue (US
            dollars, NaN where unknown), runtime (minutes), vote_average (0-10),
            vote_count; with a file of credits also credits (str, "" where unknown).
            One row per movie that was matched, sorted by movieId.
        problems: file, what, count, example: rows and fields that could not be read.
        matched_by: "links.csv" or "title and year".
    """

    movies: pd.DataFrame
    problems: pd.DataFrame
    matched_by: str


def load_metadata(folder: Path, movies: pd.DataFrame) -> Metadata | None:
    """Finds and reads the metadata of a data set, None where there is none.

    The files may lie in the data set's own folder or in `tmdb-5000` and
    `the-movies-dataset` beside it. They are joined by links.csv; a set without it
    (ml-100k, ml-1m) by equal titles and years.

    Args:
        folder: the data set's own folder.
        movies: movieId and title of its movies.

    Raises:
        UserError: a file cannot be read at all.
    """
    files = find_metadata(folder)
    if not files:
        return None
    tables, problems = map(list, zip(*map(read_metadata, files), strict=True))
    table = pd.concat(tables).drop_duplicates(TMDB)
    places = sorted({path.parent for path in files})
    found = [sorted(at.glob(name)) for at in places for name in CREDITS_FILES]
    for path in itertools.chain(*found):
        names, faults = read_credits(path, set(table[TMDB]))
        known = table[CREDITS] if CREDITS in table else ""
        table[CREDITS] = table[TMDB].map(names).fillna(known)
        problems.append(faults)
    links = find_links(folder)
    if links is not None:
        found, matched_by = read_links(links).merge(table, on=TMDB), links.name
        found = found[found[MOVIE].isin(movies[MOVIE])].drop(columns=TMDB)
    else:
        found, matched_by = join_by_title(table, movies), "title and year"
    found = found.sort_values(MOVIE, ignore_index=True)
    return Metadata(found, pd.concat(problems, ignore_index=True), matched_by)


def find_metadata(folder: Path) -> list[Path]:
    """Metadata files in a folder, else in the known folders beside it."""
    for places in ([folder], [folder.parent / name for name in FOLDERS]):
        found = [p for place in places for name in FILES for p in place.glob(name)]
        if found:
            return sorted(found)
    return []


def find_links(folder: Path) -> Path | None:
    """The file that says which movieId is which tmdbId."""
    return next((p for p in sorted(folder.glob(LINKS)) if p.is_file()), None)


def read_titles(folder: Path) -> pl.DataFrame | None:
    """Movies of a data set by the metadata in its own folder, None without any.

    Returns:
        movieId (int64), title, genres (``A|B``), release_year (int32), overview and
        tagline of every movie of the links file; null where unknown.

    Raises:
        UserError: a file cannot be read at all.
    """
    files = [p for name in FILES for p in sorted(folder.glob(name))]
    links = find_links(folder)
    if not files or links is None:
        return None
    table, _ = read_metadata(files[0])
    table[RELEASE_YEAR] = table["release_date"].dt.year.astype("Int32")
    found = read_links(links).merge(table, on=TMDB, how="left")
    columns = [MOVIE, TITLE, GENRES, RELEASE_YEAR, OVERVIEW, TAGLINE]
    texts = dict.fromkeys((TITLE, GENRES, OVERVIEW, TAGLINE), pl.String)
    movies = pl.from_pandas(found[columns]).cast({RELEASE_YEAR: pl.Int32, **texts})
    return movies.with_columns(pl.col(*texts).replace("", None))


def read_metadata(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Reads one file of either layout.

    Args:
        path: CSV in UTF-8 with at least the columns `NEEDED`, or all but `NUMBERS`.

    Returns:
        The movies, as in `Metadata.movies` with tmdbId (int64) for movieId, and the
        problems: file, what, count, example (the line of the first one).

    Raises:
        UserError: not UTF-8, no CSV, or a needed column is missing.
    """
    rows, problems = _read_rows(path, NEEDED, NUMBERS)
    table = pd.DataFrame(rows, columns=["line", *NEEDED])
    ids = pd.to_numeric(table["id"].where(table["id"].str.fullmatch(r"\d{1,9}")))
    problems.note("id is no number, row left out", table["line"][ids.isna()])
    table, ids = table[ids.notna()], ids.dropna().astype("int64")
    again = ids.duplicated()
    problems.note("id seen before, row left out", table["line"][again])
    table, ids = table[~again], ids[~again]
    movies = table[list(TEXTS)].copy()
    movies.insert(0, TMDB, ids)
    movies[GENRES] = _genres(table, problems)
    movies["release_date"] = _dates(table, problems)
    for column in NUMBERS:
        movies[column] = _numbers(table, column, problems)
    return movies[COLUMNS].reset_index(drop=True), problems.table(path)


def read_credits(path: Path, wanted: set[int]) -> tuple[dict, pd.DataFrame]:
    """Cast and directors of movies, from either layout.

    Args:
        path: CSV in UTF-8 with the columns id (or movie_id), cast and crew.
        wanted: tmdbIds; other rows are not taken apart, since long lists take a while.

    Returns:
        tmdbId → the names of the first `CAST` of the cast and of all directors, each
        written as one word; and the problems, as `read_metadata` gives them.

    Raises:
        UserError: not UTF-8, no CSV, or a column is missing.
    """
    rows, problems = _read_rows(path, ("id", "cast", "crew"), ())
    names: dict[int, str] = {}
    for line, text, *lists in rows:
        movie = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None
        if movie not in wanted or movie in names:
            continue
        cast, crew = (parse_entries(one) if one else [] for one in lists)
        if cast is None or crew is None:
            problems.note("cast or crew is no list, left out", [line])
        directors = [one for one in crew or [] if one.get("job") == "Director"]
        people = [*(cast or [])[:CAST], *directors]
        names[movie] = " ".join("".join(str(one["name"]).split()) for one in people)
    return names, problems.table(path)


class _Problems:
    """Counts faults by kind and keeps the line of the first of each kind."""

    def __init__(self):
        self.counts, self.first = Counter(), {}

    def note(self, what: str, lines) -> None:
        lines = list(lines)
        if lines:
            self.counts[what] += len(lines)
            self.first.setdefault(what, f"line {lines[0]}")

    def table(self, path: Path) -> pd.DataFrame:
        rows = [
            (path.name, what, count, self.first[what])
            for what, count in self.counts.items()
        ]
        return pd.DataFrame(rows, columns=["file", "what", "count", "example"])


def _read_rows(
    path: Path, needed: tuple[str, ...], optional: tuple[str, ...]
) -> tuple[list[list], _Problems]:
    """[line, *needed] of each row as text, without those of a wrong length."""
    problems = _Problems()
    check_file(path, str(path), MAX_TABLE)
    limit = csv.field_size_limit(MAX_FIELD)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            header = [{"movie_id": "id"}.get(name, name) for name in next(reader, [])]
            width = len(header)
            header += [name for name in optional if name not in header]  # unknown
            missing = [name for name in needed if name not in header]
            if missing:
                raise UserError(
                    f"{path}: columns {shown_names(missing)} are missing; expected "
                    "TMDB 5000 or The Movies Dataset; take the original file"
                )
            places = [header.index(name) for name in needed]
            rows = []
            for row in reader:
                if len(row) == width:
                    row += [""] * (len(header) - width)
                    rows.append([reader.line_num, *(row[k].strip() for k in places)])
                else:
                    problems.note(
                        "wrong number of fields, row left out", [reader.line_num]
                    )
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise UserError(
            f"{path}: cannot be read as CSV in UTF-8 ({brief(error)}); take the "
            "original file"
        ) from error
    finally:
        csv.field_size_limit(limit)
    return rows, problems


def parse_entries(text: str) -> list[dict] | None:
    """Entries of a list of {"name": …}, written as JSON or as a Python literal.

    None where the text is neither.
    """
    for parse in (json.loads, ast.literal_eval):
        try:
            return [{**entry, "name": entry["name"]} for entry in parse(text)]
        except (ValueError, SyntaxError, TypeError, KeyError):
            continue
        except (RecursionError, MemoryError):  # absurdly nested input
            return None
    return None


def _genres(table: pd.DataFrame, problems: _Problems) -> list[str]:
    lists = [parse_entries(text) if text else [] for text in table[GENRES]]
    bad = np.array([entries is None for entries in lists], dtype=bool)
    problems.note("genres is no list", table["line"][bad])
    return ["|".join(str(one["name"]) for one in entries or []) for entries in lists]


def _numbers(table: pd.DataFrame, column: str, problems: _Problems) -> pd.Series:
    numbers = pd.to_numeric(table[column], errors="coerce").astype(float)
    numbers = numbers.where(np.isfinite(numbers))
    bad = numbers.isna() & (table[column] != "") | (numbers < 0)
    problems.note(f"{column} is no number", table["line"][bad])
    unknown = bad | (numbers == 0) if column in ZERO_MEANS_UNKNOWN else bad
    return numbers.mask(unknown)


def _dates(table: pd.DataFrame, problems: _Problems) -> pd.Series:
    text = table["release_date"]
    dates = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce")
    bad = dates.isna() & (text != "")
    problems.note("release_date is no date", table["line"][bad])
    return dates


def read_links(path: Path) -> pd.DataFrame:
    """movieId and tmdbId (int64) of links.csv, movies without a tmdbId left out.

    Raises:
        UserError: the file cannot be read, or the columns are missing.
    """
    links = read_table(path, str(path), [MOVIE, TMDB]).select(MOVIE, TMDB).to_pandas()
    numbers = links.apply(pd.to_numeric, errors="coerce").astype(float)
    whole = (numbers.abs() < 2**53).all(axis=1)  # neither empty nor infinite
    return numbers[whole].astype("int64").drop_duplicates(MOVIE)


def join_by_title(table: pd.DataFrame, movies: pd.DataFrame) -> pd.DataFrame:
    """Matches movies to metadata by equal plain title and release year.

    Titles that are not unique on either side are left out: no guess is made.
    """
    ours = pd.DataFrame({MOVIE: movies[MOVIE], "year": movies[RELEASE_YEAR]})
    ours["plain"] = movies[TITLE].map(plain_title)
    theirs = table.assign(plain=table[TITLE].map(plain_title))
    theirs["year"] = theirs["release_date"].dt.year.astype("Int64")
    keys = ["plain", "year"]
    ours, theirs = (side.dropna(subset="year") for side in (ours, theirs))
    ours, theirs = (side.drop_duplicates(keys, keep=False) for side in (ours, theirs))
    return ours.merge(theirs, on=keys).drop(columns=[*keys, TMDB])


def plain_title(title: str) -> str:
    """Lower-case letters and digits of a title, its article in front, no year.

    "Quick and the Dead, The (1995)" → "the quick and the dead".
    """
    title = re.sub(r"\s*\([^)]*\)", "", str(title))
    title = re.sub(r"^(.*), (The|A|An|Les|La|Le|Das|Der|Die|Il|El)$", r"\2 \1", title)
    return " ".join(re.findall(r"\w+", title.lower()))
