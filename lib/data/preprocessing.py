"""From a data set to the panel: what notebook 01 and ``make data`` run.

Writes to ``data/processed/<run>/``, so that nobody has to open the data set again:

- requests.parquet, the checked log in its own order: userId, movieId (int64), rating
  (float64, stars, null without ratings), timestamp (int64, Unix seconds). Movies that
  a user rated twice are in it twice.
- movies.parquet, one row per movie, sorted by id: movieId, title, genres (``A|B``),
  release_year (int32, null if unknown), overview and tagline where the set has them,
  and requests (int64), 0 for a movie that the set lists and nobody requested.
- users.parquet, one row per user (without users, one per request), sorted by id:
  userId, requests (int64, 0 for a user who is only listed), age (int32, years), gender,
  occupation, zip (text), null where unknown; of a set that knows nothing of its users
  meta["demographics"] is false.
- panel.parquet, see `lib.data.panel`; slots.parquet and returning.parquet, see
  `lib.data.audience.count_audience`; hours.parquet, see `count_hours` there.
- croissant.json, see `lib.data.card`.
- meta.json, last of all, sealed by a checksum; `dataset_folder` finds the set's other
  files by it.

A run that fails leaves the files of the run before it as they were.
"""

import json
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from lib import paths
from lib.data.audience import count_audience, count_hours, count_requests
from lib.data.card import CARD, dataset_card
from lib.data.cleaning import Repairs, clean_requests
from lib.data.engines import write_panel
from lib.data.movies import complete_movies
from lib.data.slots import check_slot
from lib.data.sources import Source, open_dataset
from lib.data.text_tables import polars_errors
from lib.data.users import USER_SCHEMA
from lib.errors import UserError
from lib.files import (
    checksum,
    first_damaged,
    read_sealed,
    work_folder,
    write_sealed,
    write_text,
)
from lib.schema import (
    GENRES,
    MOVIE,
    NO_GENRES,
    RATING,
    RELEASE_YEAR,
    REQUESTS,
    SLOT,
    TIMESTAMP,
    USER,
)
from lib.text import plural, shown_text, spoken

TABLES = ("requests", "movies", "users", "panel", "slots", "returning", "hours")
FILES = [f"{name}.parquet" for name in TABLES]
META = "meta.json"
NAME = re.compile(r"[^\W\d_](?:[^\W\d_]|[ -](?=[^\W\d_])){0,29}")  # of an item


def preprocess(
    dataset: str,
    slot: str,
    *,
    max_slots: int | None = None,
    user_column: str | None = None,
    item_column: str | None = None,
    time_column: str | None = None,
    rating_column: str | None = None,
    cluster: str | None = None,
    run: str | None = None,
    item_name: str | None = None,
) -> dict:
    """Read, check, repair and count a data set, and write its files.

    Args:
        dataset: ``sample``, a MovieLens name or a path, see `sources.open_dataset`.
        slot: ``hour``, ``day``, ``week``, ``month``, ``quarter``, ``year`` or ``Nd``.
        max_slots: Keep the requests of the first so many slots; None or 0 keeps all.
        user_column: Column names of an event log, see `lib.data.sources.open_dataset`.
        item_column: The same for the items.
        time_column: The same for the times.
        rating_column: The same for the ratings.
        cluster: Address of a Dask scheduler or Spark Connect server that is to count.
        run: Name of the folder to write; None for ``<dataset>-<slot>``.
        item_name: What is requested, in the singular; None for ``movie`` in MovieLens'
            layouts and ``item`` in other logs.

    Returns:
        The content of meta.json: dataset, slot, max_slots, synthetic, rows, users,
        movies (those with a request), slots (from the first to the last, empty ones
        counted), panel_rows, first_date, last_date (ISO, UTC), item_name, knows (which
        of ratings, genres, years and users there are), demographics (whether the set
        knows its users), repairs and notes (lists of what, count, action), sources
        (names of the files read), sums (name of each table → CRC-32), folder (see
        `dataset_folder`). Without users their number is 0.

    Raises:
        UserError: Something is wrong with the data set or an argument.
    """
    slot = check_slot(slot)
    max_slots = _check_max_slots(max_slots)
    item_name = _check_item_name(item_name)
    source = open_dataset(dataset, user_column, item_column, time_column, rating_column)
    item_name = item_name or ("movie" if source.log.movielens else "item")
    repairs = Repairs()
    place = paths.PROCESSED / (run or paths.run_name(dataset, slot))
    with work_folder(place, [*FILES, CARD], META) as work, polars_errors(quiet=False):
        requests = work / "requests.parquet"
        names = clean_requests(source.log, requests, slot, max_slots, repairs)
        movies = _movies(source, requests, names, repairs, item_name)
        users = _users(source.users, requests, repairs)
        asked = (table.filter(pl.col(REQUESTS) > 0) for table in (users, movies))
        slots, returning = count_audience(requests, slot, *asked)
        _note_far_rows(slots, repairs)
        write_panel(requests, movies, slot, work / "panel.parquet", cluster)
        tables = {"movies": movies, "users": users, "slots": slots}
        tables |= {"returning": returning, "hours": count_hours(requests)}
        for name, table in tables.items():
            table.write_parquet(work / f"{name}.parquet")
        meta = _meta(source, slot, max_slots, work, repairs)
        meta |= {"item_name": item_name, "knows": _knows(movies, tables["hours"])}
        if USER in source.log.columns:
            meta["knows"].append("users")
        else:
            meta["users"] = 0
        for found in (*meta["repairs"], *meta["notes"]):
            found["what"] = spoken(found["what"], item_name)
        card = dataset_card(meta, work / "panel.parquet", source.log.movielens)
        write_text(work / CARD, json.dumps(card, indent=1) + "\n")
        write_sealed(work / META, meta)
    return meta


def read_meta(folder: Path, tables: Iterable[str] = FILES) -> dict:
    """What `preprocess` returned, once some of its tables are as it wrote them.

    Args:
        folder: data/processed/<run>.
        tables: Names of those that are going to be read.

    Raises:
        UserError: The folder was not preprocessed, or a file is damaged.
    """
    again = "notebook 01_preprocess (or `make data`) with the same DATASET and SLOT"
    try:
        meta = read_sealed(folder / META)
        damaged = first_damaged(folder, {name: meta["sums"][name] for name in tables})
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"{folder / META}: not found; first run {again}") from error
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{folder / META}: damaged; run {again} again") from error
    if damaged:
        raise UserError(
            f"{folder / damaged}: damaged or gone, its checksum is not that of when it "
            f"was written; run {again} again"
        )
    return meta


def summary(meta: dict) -> str:
    """The text that ``make data`` ends with.

    Args:
        meta: What `preprocess` returned.

    Returns:
        Lines with rows, users if any, movies, slots, dates, repairs and notes.
    """
    title = meta["dataset"] + (" (synthetic)" if meta["synthetic"] else "")
    lines = [
        f"{title}, slots of one {meta['slot']}"
        if not meta["slot"].endswith("d")
        else f"{title}, slots of {meta['slot'][:-1]} days",
        f"  rows    {meta['rows']:>12,}",
        f"  users   {meta['users']:>12,}",
        f"  {plural(meta['item_name']):<7} {meta['movies']:>12,}",
        f"  slots   {meta['slots']:>12,}",
        f"  dates   {meta['first_date'][:10]} to {meta['last_date'][:10]}",
    ]
    lines = [line for line in lines if meta["users"] or not line.startswith("  users")]
    lines += _listed("repairs", meta["repairs"]) + _listed("notes", meta["notes"])
    return "\n".join(lines)


def _listed(name: str, items: list[dict]) -> list[str]:
    if not items:
        return [f"  {name:<7} {'none':>12}"]
    rows = [f"{i['count']:>12,}  {i['what']}: {i['action']}" for i in items]
    return [f"  {name if k == 0 else '':<7} {row}" for k, row in enumerate(rows)]


def _check_max_slots(max_slots: int | None) -> int | None:
    if max_slots in (None, 0, ""):
        return None
    if not str(max_slots).isdigit() or int(max_slots) < 2:
        raise UserError(
            f"MAX_SLOTS={max_slots}: expected a whole number of slots, 2 or more; "
            "leave it out to keep all"
        )
    return int(max_slots)


def _check_item_name(name: str | None) -> str | None:
    if not name:
        return None
    if not NAME.fullmatch(name):
        raise UserError(
            f"ITEM_NAME={shown_text(name, 60)}: expected one noun in the singular, up "
            "to 30 letters, such as page; leave it out for the usual word"
        )
    return name


def dataset_folder(meta: dict) -> Path:
    """The folder that a run's data set was read from, for the other files in it.

    Args:
        meta: What `preprocess` returned. Its path starts at the repository, so that it
            names no machine.
    """
    return (paths.ROOT / meta["folder"]).resolve()


def _movies(
    source: Source,
    requests: Path,
    names: pl.DataFrame | None,
    repairs: Repairs,
    item_name: str,
) -> pl.DataFrame:
    """All movies of the log and of the set, counted; faults go to `repairs`."""
    wanted = count_requests(requests, MOVIE)
    movies, counts = complete_movies(source.movies, wanted, names, item_name)
    repairs.add(
        "movies of the log that the movies file lacks",
        counts["missing"],
        "kept, titled 'Movie <id>', without genres and year",
    )
    repairs.add(
        "movies named twice in the movies file", counts["doubled"], "first row kept"
    )
    if source.movies is not None:
        repairs.note("movies without genres", counts["without_genres"], "kept")
        unknown = counts["without_year"]
        repairs.note("movies without a year in the title", unknown, "kept")
    return movies


def _knows(movies: pl.DataFrame, hours: pl.DataFrame) -> list[str]:
    """What is known besides who requested what and when."""
    there = {
        "ratings": hours[RATING].is_not_null().any(),
        "genres": (movies[GENRES] != NO_GENRES).any(),
        "years": movies[RELEASE_YEAR].is_not_null().any(),
    }
    return [name for name, known in there.items() if known]


def _users(
    users: pl.DataFrame | None, requests: Path, repairs: Repairs
) -> pl.DataFrame:
    """All users of the log and of the set, null where nothing is known of them."""
    wanted = count_requests(requests, USER)
    if users is None:
        users = pl.DataFrame(schema=USER_SCHEMA)
    else:
        missing = wanted.join(users, on=USER, how="anti").height
        what = "users of the log that the users file lacks"
        repairs.add(what, missing, "kept, unknown")
    table = wanted.join(users, on=USER, how="full", coalesce=True).sort(USER)
    return table.with_columns(pl.col(REQUESTS).fill_null(0))


def _note_far_rows(slots: pl.DataFrame, repairs: Repairs) -> None:
    """Tell of few requests at an end that a gap of half the time parts from the rest.

    A mistyped time, or a file cut inside one, looks like that.
    """
    counts = slots[REQUESTS].to_numpy()
    busy = counts.nonzero()[0]
    at = int(np.diff(busy).argmax())
    if busy[at + 1] - busy[at] <= slots.height / 2:
        return
    few = min(counts[: busy[at] + 1].sum(), counts[busy[at + 1] :].sum())
    if few <= counts.sum() / 4:
        early, late = (slots[SLOT][int(busy[at + k])] for k in (0, 1))
        what = f"requests far from all others (none from {early:%Y-%m} to {late:%Y-%m})"
        repairs.note(what, few, "kept; check their times")


def _meta(
    source: Source, slot: str, max_slots: int | None, work: Path, repairs: Repairs
) -> dict:
    times = pl.scan_parquet(work / "requests.parquet", glob=False).select(
        first=pl.col(TIMESTAMP).min(), last=pl.col(TIMESTAMP).max()
    )
    first, last = times.collect(engine="streaming").row(0)
    users, movies, slots = (
        pl.read_parquet(work / f"{name}.parquet", columns=[REQUESTS], glob=False)
        for name in ("users", "movies", "slots")
    )
    folder = os.path.relpath(source.log.path.parent, paths.ROOT)
    return {
        "dataset": source.name,
        "slot": slot,
        "max_slots": max_slots,
        "synthetic": source.synthetic,
        "rows": int(slots[REQUESTS].sum()),
        "users": users.filter(pl.col(REQUESTS) > 0).height,
        "movies": movies.filter(pl.col(REQUESTS) > 0).height,
        "slots": slots.height,
        "panel_rows": pq.read_metadata(work / "panel.parquet").num_rows,
        "first_date": _iso(first),
        "last_date": _iso(last),
        "demographics": source.users is not None,
        "repairs": repairs.repairs,
        "notes": repairs.notes,
        "sources": [source.log.path.name],
        "sums": {p.name: checksum(p) for p in sorted(work.glob("*.parquet"))},
        "folder": Path(folder).as_posix(),
    }


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
