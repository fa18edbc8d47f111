"""From a data set to the panel: what notebook 01 and ``make data`` run.

Writes to ``data/processed/<dataset>-<slot>/``: requests.parquet (the checked log),
movies.parquet, users.parquet where the set has users, panel.parquet and, last of all,
meta.json. A run that fails leaves the files of the run before it as they were.
"""

import json
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from lib import paths
from lib.data.cleaning import Repairs, clean_requests
from lib.data.movies import complete_movies
from lib.data.panel import write_panel, write_panel_on_cluster
from lib.data.slots import check_slot, slot_range
from lib.data.sources import Source, open_dataset
from lib.errors import UserError
from lib.files import work_folder
from lib.schema import MOVIE, SLOT, TIMESTAMP, USER

FILES = ("requests.parquet", "movies.parquet", "users.parquet", "panel.parquet")
META = "meta.json"


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
        cluster: Address of a Dask scheduler that is to build the panel.
        run: Name of the folder to write; None for ``<dataset>-<slot>``.

    Returns:
        The content of meta.json: dataset, slot, max_slots, synthetic, rows, users,
        movies, slots (from the first to the last, empty ones counted), panel_rows,
        first_date, last_date (ISO, UTC), repairs and notes (lists of what, count,
        action), sources (names of the files read), files.

    Raises:
        UserError: Something is wrong with the data set or an argument.
    """
    slot = check_slot(slot)
    max_slots = _check_max_slots(max_slots)
    source = open_dataset(dataset, user_column, item_column, time_column, rating_column)
    repairs = Repairs()
    place = paths.PROCESSED / (run or paths.run_name(dataset, slot))
    with work_folder(place, FILES, META) as work:
        requests = work / "requests.parquet"
        names = clean_requests(source.log, requests, slot, max_slots, repairs)
        movies = _movies(source, requests, names, repairs)
        movies.write_parquet(work / "movies.parquet")
        if source.users is not None:
            _users(source.users, requests, repairs).write_parquet(
                work / "users.parquet"
            )
        panel = work / "panel.parquet"
        if cluster:
            write_panel_on_cluster(requests, movies, slot, panel, cluster)
        else:
            write_panel(requests, movies, slot, panel)
        meta = _meta(source, slot, max_slots, work, repairs)
        (work / META).write_text(json.dumps(meta, indent=2) + "\n", "utf-8")
    return meta


def summary(meta: dict) -> str:
    """The text that ``make data`` ends with.

    Args:
        meta: What `preprocess` returned.

    Returns:
        Lines with rows, users, movies, slots, dates, repairs and notes.
    """
    title = meta["dataset"] + (" (synthetic)" if meta["synthetic"] else "")
    lines = [
        f"{title}, slots of one {meta['slot']}"
        if not meta["slot"].endswith("d")
        else f"{title}, slots of {meta['slot'][:-1]} days",
        f"  rows    {meta['rows']:>12,}",
        f"  users   {meta['users']:>12,}",
        f"  movies  {meta['movies']:>12,}",
        f"  slots   {meta['slots']:>12,}",
        f"  dates   {meta['first_date'][:10]} to {meta['last_date'][:10]}",
    ]
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


def _remove(folder: Path) -> None:
    """Remove a folder; after an error Polars may write there for a moment longer."""
    for _ in range(40):
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return
        time.sleep(0.05)


def _movies(
    source: Source, requests: Path, names: pl.DataFrame | None, repairs: Repairs
) -> pl.DataFrame:
    ids = pl.scan_parquet(requests).select(pl.col(MOVIE).unique())
    ids = ids.collect(engine="streaming").to_series()
    movies, counts = complete_movies(source.movies, ids, names)
    repairs.add(
        "movies of the log that the movies file lacks",
        counts["missing"],
        "kept, titled 'Movie <id>', without genres and year",
    )
    repairs.add(
        "movies named twice in the movies file", counts["doubled"], "first row kept"
    )
    if source.movies is None:
        return movies
    repairs.note("movies without genres", counts["without_genres"], "kept")
    repairs.note("movies without a year in the title", counts["without_year"], "kept")
    return movies


def _users(users: pl.DataFrame, requests: Path, repairs: Repairs) -> pl.DataFrame:
    """The users of the log, in the order of their ids, null where nothing is known."""
    ids = pl.scan_parquet(requests).select(pl.col(USER).unique())
    wanted = ids.collect(engine="streaming").sort(USER)
    missing = wanted.join(users, on=USER, how="anti").height
    repairs.add("users of the log that the users file lacks", missing, "kept, unknown")
    return wanted.join(users, on=USER, how="left", maintain_order="left")


def _meta(
    source: Source, slot: str, max_slots: int | None, work: Path, repairs: Repairs
) -> dict:
    log = pl.scan_parquet(work / "requests.parquet")
    facts = log.select(
        rows=pl.len(),
        users=pl.col(USER).n_unique(),
        first=pl.col(TIMESTAMP).min(),
        last=pl.col(TIMESTAMP).max(),
    )
    facts = facts.collect(engine="streaming").row(0, named=True)
    panel = pl.scan_parquet(work / "panel.parquet")
    ends = panel.select(first=pl.col(SLOT).min(), last=pl.col(SLOT).max(), n=pl.len())
    first, last, panel_rows = ends.collect().row(0)
    return {
        "dataset": source.name,
        "slot": slot,
        "max_slots": max_slots,
        "synthetic": source.synthetic,
        "rows": facts["rows"],
        "users": facts["users"],
        "movies": pq.read_metadata(work / "movies.parquet").num_rows,
        "slots": len(slot_range(first, last, slot)),
        "panel_rows": panel_rows,
        "first_date": _iso(facts["first"]),
        "last_date": _iso(facts["last"]),
        "repairs": repairs.repairs,
        "notes": repairs.notes,
        "sources": [source.log.path.name],
        "files": sorted(p.name for p in work.glob("*.parquet")),
    }


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
