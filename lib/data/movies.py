"""The movies of a data set: titles, genres, release years, texts where there are any.

Movies are few, so they are read at once, as text first: a fault is then found with its
line.
"""

from pathlib import Path

import polars as pl

from lib.data.metadata import read_titles
from lib.data.text_tables import read_table, split_lines, whole_numbers
from lib.schema import (
    GENRES,
    MOVIE,
    NO_GENRES,
    OVERVIEW,
    RELEASE_YEAR,
    REQUESTS,
    TAGLINE,
    TITLE,
)

# The last "(1995)" of the title; series have "(2006–2007)" or "(2009– )"
YEAR_PATTERN = r"^.*\(([0-9]{4})\s*(?:[-–—]\s*(?:[0-9]{4})?\s*)?\)"
# The 19 flags of u.item, in the order of u.genre
ITEM_GENRES = (
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama "
    "Fantasy Film-Noir Horror Musical Mystery Romance Sci-Fi Thriller War Western"
).split()
_TEXTS = [OVERVIEW, TAGLINE]
_ITEM_FIELDS = [MOVIE, TITLE, "release", "video", "url", *ITEM_GENRES]


def release_year(title: pl.Expr) -> pl.Expr:
    """The year in brackets in a title: Int32, null where there is none."""
    year = title.str.extract(YEAR_PATTERN).cast(pl.Int32)
    return pl.when(year.is_between(1870, 2100)).then(year).alias(RELEASE_YEAR)


def read_movies(folder: Path, shown: str) -> pl.DataFrame | None:
    """Read the movies that lie beside a request log.

    Args:
        folder: The folder of the log.
        shown: The folder as messages name it.

    Returns:
        movieId (int64), title, genres (separated by "|"), release_year (int32, null if
        unknown), and overview and tagline where the folder has them; in the order of
        the file, which may name a movie twice. None without a file of movies.

    Raises:
        UserError: A file cannot be read, with its line and what was found there.
    """
    readers = {"movies.csv": _read_csv, "movies.dat": _read_dat, "u.item": _read_item}
    name = next((n for n in readers if (folder / n).is_file()), None)
    metadata = read_titles(folder)
    if name is None:
        return metadata
    movies = readers[name](folder / name, f"{shown}/{name}")
    title = pl.col(TITLE).str.strip_chars()
    movies = movies.with_columns(title, release_year(title))
    if metadata is not None and OVERVIEW not in movies.columns:
        texts = metadata.select(MOVIE, *_TEXTS)
        movies = movies.join(texts, on=MOVIE, how="left", maintain_order="left")
    return movies


def complete_movies(
    movies: pl.DataFrame | None,
    wanted: pl.DataFrame,
    names: pl.DataFrame | None = None,
    item_name: str = "movie",
) -> tuple[pl.DataFrame, dict[str, int]]:
    """One row for every movie of the log or of the movies file, sorted by id.

    Args:
        movies: What `read_movies` gave.
        wanted: The movies of the log: movieId and requests, both int64.
        names: movieId and title, for a log whose ids are words.
        item_name: What a movie without a title is called, before its number.

    Returns:
        The table, 0 requests where a movie is only listed; and how many movies were
        ``missing``, ``doubled`` (the first row counts) and, of those requested,
        ``without_genres`` and ``without_year``.
    """
    counts = {"missing": 0, "doubled": 0}
    if movies is None:
        movies = names if names is not None else wanted.select(MOVIE)
    else:
        counts["missing"] = wanted.join(movies, on=MOVIE, how="anti").height
        counts["doubled"] = movies.height - movies[MOVIE].n_unique()
    types = {TITLE: pl.String, GENRES: pl.String, RELEASE_YEAR: pl.Int32}
    absent = {c: pl.lit(None, t) for c, t in types.items() if c not in movies.columns}
    movies = movies.with_columns(**absent)
    movies = movies.unique(MOVIE, keep="first", maintain_order=True)
    table = movies.join(wanted, on=MOVIE, how="full", coalesce=True).sort(MOVIE)
    genres = pl.col(GENRES).replace("", None).fill_null(NO_GENRES)
    unnamed = pl.format(f"{item_name.capitalize()} {{}}", pl.col(MOVIE))
    title = pl.col(TITLE).replace("", None).fill_null(unnamed)
    table = table.with_columns(genres, title, pl.col(REQUESTS).fill_null(0))
    requested = table.filter(pl.col(REQUESTS) > 0)
    counts["without_genres"] = requested.filter(pl.col(GENRES) == NO_GENRES).height
    counts["without_year"] = requested[RELEASE_YEAR].null_count()
    return table, counts


def _read_csv(path: Path, shown: str) -> pl.DataFrame:
    table = read_table(path, shown, [MOVIE, TITLE, GENRES])
    kept = [MOVIE, TITLE, GENRES, *(c for c in _TEXTS if c in table.columns)]
    return whole_numbers(table.select(kept), MOVIE, shown)


def _read_dat(path: Path, shown: str) -> pl.DataFrame:
    table = split_lines(path, shown, "::", [MOVIE, TITLE, GENRES])
    return whole_numbers(table, MOVIE, shown, header=0)


def _read_item(path: Path, shown: str) -> pl.DataFrame:
    table = split_lines(path, shown, "|", _ITEM_FIELDS)
    flags = [
        pl.when(pl.col(g) == "1").then(pl.lit(g)) for g in ITEM_GENRES if g != "unknown"
    ]
    genres = pl.concat_str(flags, separator="|", ignore_nulls=True).alias(GENRES)
    table = table.select(MOVIE, TITLE, genres)
    return whole_numbers(table, MOVIE, shown, header=0)
