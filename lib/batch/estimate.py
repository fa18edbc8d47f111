"""About how long a first report takes: a rough guess from the size of the grid.

On two cores, with the usual parameters: what is spent whatever the data are, and what
each cell of the grid, slots × items, adds. Few reports were measured: the sample, with
fewer epochs, took 8 minutes of processor time and 5 by the clock on an idle machine;
26 million requests by month 90 and 74 beside other work (`benchmarks/scale.py`).
"""

import os

import polars as pl

from lib import paths
from lib.data.checks import FIRST_MILLISECOND
from lib.data.layouts import PARAMETERS, find_log
from lib.data.slots import check_slot
from lib.data.text_tables import polars_errors
from lib.errors import UserError
from lib.schema import MOVIE, SAMPLE, TIMESTAMP
from lib.text import plural

SAMPLE_MINUTES = "3 to 8"  # README
LEAST, PER_MILLION = 10, 4  # minutes; the last per million cells
LARGEST = 300_000_000  # bytes of a log that is read for a guess
DAYS = {"hour": 1 / 24, "day": 1, "week": 7, "month": 30.4, "quarter": 91.3}
DAYS["year"] = 365.2


def guess(dataset: str, slot: str, settings: dict) -> str:
    """How long a first report takes, roughly, as the end of a sentence.

    Args:
        dataset: name or path.
        slot: kind of slot.
        settings: of the run; columns, MAX_SLOTS and ITEM_NAME count.

    Raises:
        UserError: no such kind of slot.
    """
    slot = check_slot(slot)
    if dataset == SAMPLE:
        return f"roughly {SAMPLE_MINUTES} min on 2 cores"
    if not (found := _shape(dataset, settings)):
        return (
            f"roughly {_range(LEAST)} min on 2 cores, and {_range(PER_MILLION)} more "
            "for each million cells (slots × items)"
        )
    items, days = found
    slots = int(days / (DAYS.get(slot) or int(slot[:-1]))) + 1
    slots = min(slots, int(settings.get("MAX_SLOTS") or slots))
    minutes = LEAST + PER_MILLION * slots * items / 1e6
    name = plural(str(settings.get("ITEM_NAME") or "item"))
    return (
        f"roughly {_range(minutes)} min on 2 cores, a guess from about {slots:,} slots "
        f"× {items:,} {name}"
    )


def _range(minutes: float) -> str:
    """From an idle machine to one that has as much other work."""
    return f"{minutes:,.0f} to {2 * minutes:,.0f}"


def _shape(dataset: str, settings: dict) -> tuple[int, float] | None:
    """Number of items and days of a log that is here; None of others, or faulty ones.

    The first notebook tells what is wrong with those.
    """
    starts = (paths.ROOT, os.environ.get("MOVIELENS_DIR") or paths.RAW, paths.RAW)
    try:
        places = [paths.resolve(dataset, start) for start in starts]
        place = next(place for place in places if place.exists())
        given = {c: settings.get(name) for c, name in PARAMETERS.items()}
        columns = {c: str(name) for c, name in given.items() if name}
        log = find_log(place, str(place), columns)
        if log.path.stat().st_size > LARGEST:
            return None
        time = pl.col(TIMESTAMP)
        with polars_errors():
            rows = log.typed() if log.is_numeric() else log.lenient()
            shape = rows.select(
                pl.col(MOVIE).n_unique(), first=time.min(), last=time.max()
            )
            items, first, last = shape.collect(engine="streaming").row(0)
        unit = 1000 if first >= FIRST_MILLISECOND else 1
        return items, (last - first) / unit / 86_400
    except (StopIteration, UserError, OSError, TypeError, pl.exceptions.PolarsError):
        return None
