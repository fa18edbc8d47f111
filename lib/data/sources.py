"""From the DATASET argument to a request log, its movies and its users."""

import os
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lib import paths
from lib.data.layouts import find_log
from lib.data.logfile import LogFile
from lib.data.movies import read_movies
from lib.data.text_tables import check_file
from lib.data.users import read_users
from lib.errors import UserError
from lib.schema import MOVIE, RATING, SAMPLE, TIMESTAMP, USER
from lib.text import shown_path

_ANY = ("csv", "tsv", "parquet", "dat", "data")


@dataclass(frozen=True)
class Source:
    """A data set, found and opened but for its request log.

    Attributes:
        name: Name of the data set.
        log: The request log, not read yet.
        movies: See `lib.data.movies.read_movies`; None for a log without them.
        users: See `lib.data.users.read_users`; None for a log without them.
        synthetic: Whether the project generated it.
    """

    name: str
    log: LogFile
    movies: pl.DataFrame | None
    users: pl.DataFrame | None
    synthetic: bool


def open_dataset(
    dataset: str,
    user_column: str | None = None,
    item_column: str | None = None,
    time_column: str | None = None,
    rating_column: str | None = None,
) -> Source:
    """Find a data set and read all of it but the request log.

    Args:
        dataset: ``sample``, which is generated; the path of a folder, zip, CSV or
            Parquet file; or the name of a MovieLens set, which is downloaded.
        user_column: Column of an event log with the users; None tries usual names,
            ``none`` leaves them out.
        item_column: The same for the items.
        time_column: The same for the times: Unix seconds or ISO dates, UTC.
        rating_column: The same for the ratings; ``none`` leaves them out.

    Returns:
        The data set.

    Raises:
        UserError: The data set is not there, or cannot be read.
    """
    columns = {
        USER: user_column or None,
        MOVIE: item_column or None,
        TIMESTAMP: time_column or None,
        RATING: rating_column or None,
    }
    columns = {c: n for c, n in columns.items() if n is not None}
    place, shown = _place(dataset)
    log = find_log(place, shown, columns)
    folder, shown = log.path.parent, str(Path(log.shown).parent)
    movielens = log.movielens
    movies = read_movies(folder, shown) if movielens else None
    if movies is None and movielens and place.is_dir():
        raise UserError(
            f"{shown}: found {log.path.name} but no file of movies, expected "
            "movies.csv, movies.dat or u.item beside it; give the path of the log "
            "itself to go without titles and genres"
        )
    users = read_users(folder, shown) if movielens else None
    name = paths.dataset_name(dataset)
    return Source(name, log, movies, users, dataset == SAMPLE)


def _place(dataset: str) -> tuple[Path, str]:
    """Folder or file of a data set, and how messages name it."""
    from lib.data.fetch import NAMES, extract, fetch

    if dataset == SAMPLE:
        return _sample(), SAMPLE
    shown = shown_path(dataset.rstrip("/") or dataset)
    path = paths.resolve(dataset)
    if not path.exists() and (folder := os.environ.get("MOVIELENS_DIR")):
        path = paths.resolve(dataset, folder)
    there = path.exists()
    if path.is_dir():
        return path, shown
    if not there and dataset in NAMES:
        return fetch(dataset), dataset
    if not there:
        full = f" ({place})" if (place := shown_path(path)) != shown else ""
        raise UserError(
            f"DATASET={shown}: nothing is there{full}; expected "
            "'sample', the path of a folder, zip, CSV or Parquet file, or one of "
            f"{', '.join(NAMES)}"
        )
    if path.suffix == ".zip":
        check_file(path, shown)
        return extract(path, paths.RAW / "extracted" / path.name), shown
    if path.suffix[1:] not in _ANY:
        raise UserError(
            f"{shown}: found a {path.suffix or 'file without suffix'} file, expected "
            "a folder, .zip, .csv, .tsv, .parquet, .dat or u.data"
        )
    return path, shown


def _sample() -> Path:
    """The generated data set, written on first use."""
    from lib.data.sample.log import write_sample

    folder = paths.RAW / SAMPLE
    if not (folder / "ratings.csv").is_file():
        write_sample(folder)
    return folder
