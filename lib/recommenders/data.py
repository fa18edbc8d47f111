"""Ratings, movies and users of one data set, and the splits that papers use.

Everything here is a small pandas frame: the largest set of this series has a million
rows. The splits are those of the literature: the two that GroupLens ships with ml-100k
(`u1` and the five folds `u1` … `u5`) and a seeded random 80/20 split for the others.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lib import paths
from lib.data.preprocessing import META, preprocess, read_meta
from lib.data.sources import open_dataset
from lib.errors import UserError
from lib.files import refuse_strange
from lib.schema import (
    AGE,
    GENDER,
    GENRES,
    MOVIE,
    NO_GENRES,
    OCCUPATION,
    RATING,
    RELEASE_YEAR,
    REQUESTS,
    TIMESTAMP,
    TITLE,
    USER,
    ZIP,
)

SLOT = "day"  # of the panel that is written too; recommenders do not read it
RATING_COLUMNS = [USER, MOVIE, RATING, TIMESTAMP]
MOVIE_COLUMNS = [MOVIE, TITLE, GENRES, RELEASE_YEAR]
USER_COLUMNS = [USER, AGE, GENDER, OCCUPATION, ZIP]
FOLDS = (1, 2, 3, 4, 5)


@dataclass(frozen=True)
class RatingData:
    """One data set.

    Attributes:
        name: last component of the dataset argument.
        ratings: userId, movieId (int64), rating (float64, stars), timestamp (int64, s).
        movies: movieId, title, genres ("A|B"), release_year (Int64, may be missing);
            a movie without a single rating is listed too.
        users: userId, age (years), gender ("M"/"F"), occupation, zip (str), or None
            where the set has no demographics.
        folder: where its files lie (links.csv, u1.base, …).
        synthetic: True for the generated sample.
    """

    name: str
    ratings: pd.DataFrame
    movies: pd.DataFrame
    users: pd.DataFrame | None
    folder: Path
    synthetic: bool = False


def run_name(dataset: str) -> str:
    """Name of the folders of a data set's recommenders."""
    return paths.folder_name(f"recommenders-{paths.dataset_name(dataset)}")


def load(dataset: str, run: str = "") -> RatingData:
    """Reads what `lib.data.preprocessing` wrote of a data set; calls it where needed.

    It is needed where data/processed/<run>/ is not there or older than the log.

    Args:
        dataset: "sample", a MovieLens name, or the path of a folder, zip or file; see
            `lib.data.sources.open_dataset`.
        run: name of the run; empty for `recommenders-<dataset>`.

    Returns:
        The data set. Of a movie that a user rated twice the latest rating is kept.

    Raises:
        UserError: the set is not there, cannot be read or has no ratings; or
            `refuse_strange` refuses what lies in the folder.
    """
    source = open_dataset(dataset)
    folder = paths.PROCESSED / (run or run_name(dataset))
    refuse_strange(folder)
    made = folder / META
    log = source.log.path
    try:
        meta = read_meta(folder)
        fresh = made.stat().st_mtime >= log.stat().st_mtime
    except UserError:  # nothing there yet, or something damaged: made anew
        fresh = False
    if not fresh:
        meta = preprocess(dataset, SLOT, run=folder.name)
    ratings = pd.read_parquet(folder / "requests.parquet", columns=RATING_COLUMNS)
    if ratings[RATING].isna().any():
        raise UserError(
            f"{source.log.shown}: found requests without a rating, expected one in "
            "every row; recommenders need ratings, give another DATASET"
        )
    latest = ratings.sort_values(TIMESTAMP, kind="stable")
    latest = latest.drop_duplicates([USER, MOVIE], keep="last")
    ratings = latest.sort_index().reset_index(drop=True)
    known = meta["demographics"]
    users = _users(folder / "users.parquet") if known else None
    movies = pd.read_parquet(folder / "movies.parquet", columns=MOVIE_COLUMNS)
    movies = movies.astype({RELEASE_YEAR: "Int64"})
    return RatingData(source.name, ratings, movies, users, log.parent, source.synthetic)


def official_folds(data: RatingData) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """The five (train, test) splits u1 … u5 shipped with ml-100k; [] elsewhere."""
    files = [
        (data.folder / f"u{k}.base", data.folder / f"u{k}.test")
        for k in FOLDS
        if (data.folder / "u.data").is_file()
    ]
    if not files or not all(path.is_file() for pair in files for path in pair):
        return []
    return [(_read_tab(base), _read_tab(test)) for base, test in files]


def random_split(
    ratings: pd.DataFrame, test_share: float = 0.2, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits rows at random into (train, test), both in their original order."""
    order = np.random.default_rng(seed).permutation(len(ratings))
    held_out = np.zeros(len(ratings), dtype=bool)
    held_out[order[: round(test_share * len(ratings))]] = True
    return ratings[~held_out], ratings[held_out]


def one_fifth(ids) -> np.ndarray:
    """A fifth of the different ids, drawn once and for all."""
    order = np.random.default_rng(0).permutation(np.unique(ids))
    return order[: round(0.2 * len(order))]


def five_folds(data: RatingData) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """The official folds where the set has them, else five seeded random folds."""
    official = official_folds(data)
    if official:
        return official
    order = np.random.default_rng(0).permutation(len(data.ratings))
    fold = np.empty(len(order), dtype=int)
    fold[order] = np.arange(len(order)) % len(FOLDS)
    return [(data.ratings[fold != k], data.ratings[fold == k]) for k in range(5)]


def genre_names(movies: pd.DataFrame) -> list[str]:
    """Sorted names of the single genres that occur in `movies`."""
    names = set("|".join(movies[GENRES].fillna("")).split("|"))
    return sorted(names - {"", NO_GENRES, "unknown"})


def genre_flags(movies: pd.DataFrame, names: list[str]) -> np.ndarray:
    """One row of 0/1 per movie, one column per genre: (movies, len(names)) float32."""
    rows = [set(str(text).split("|")) for text in movies[GENRES].fillna("")]
    flags = [[name in row for name in names] for row in rows]
    return np.array(flags, dtype="float32").reshape(len(rows), len(names))


def _read_tab(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, sep="\t", names=RATING_COLUMNS)
    return frame.astype({RATING: float})


def _users(path: Path) -> pd.DataFrame:
    users = pd.read_parquet(path, filters=[(REQUESTS, ">", 0)], columns=USER_COLUMNS)
    text = {name: "str" for name in (GENDER, OCCUPATION, ZIP)}
    return users.astype(text | {AGE: "Int64"})
