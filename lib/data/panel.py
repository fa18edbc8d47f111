"""The panel: how often each movie was requested in each slot, and its share of it.

One definition, `build_panel`, written once with narwhals on lazy frames. Its counting
runs as it is on Polars, on one machine, and on Dask or Spark, on a cluster.

For movie i and slot t, with c(i,t) the number of ratings that i received in t:
requests = c(i,t), popularity = c(i,t) / sum over j of c(j,t), mean_rating = the mean of
the slot's ratings of i. Only movies with at least one request in the slot have a row.

Ratings are summed in millionths of a star: whole numbers, whose sum does not depend on
the order in which threads and workers come to add them.
"""

import narwhals as nw
import polars as pl

from lib.data.slots import slot_start
from lib.schema import (
    GENRES,
    MEAN_RATING,
    MOVIE,
    POPULARITY,
    RATING,
    RELEASE_YEAR,
    REQUESTS,
    SLOT,
    TIMESTAMP,
)

PANEL_SCHEMA = pl.Schema(
    {
        MOVIE: pl.Int64,
        SLOT: pl.Datetime("us"),
        REQUESTS: pl.Int64,
        POPULARITY: pl.Float64,
        MEAN_RATING: pl.Float64,
        GENRES: pl.String,
        RELEASE_YEAR: pl.Int32,
    }
)
# The hour a slot starts in and a movie, packed into one int64 that sorts like the two:
# 21 bits for the hours of 239 years, counted from three days before 1970 so that the
# first week fits, and 42 bits for the movie
PACKED_BELOW = 2**42
_SHIFT = 72
_KEY, _SUM, _RATED = "key", "sum", "rated"
ADDED = (REQUESTS, _SUM, _RATED)  # what counts of two parts of a log add up to
_MILLIONTHS = 1_000_000.0  # of a star; floats hold sums of 1.8e9 ratings exactly


def build_panel(log, movies, slot: str, packed: bool = True):
    """Count, normalise, join and sort: the request log as a panel.

    The movies are joined after the counting. The result is the same as joining them
    to every request first, and the strings are handled once per row of the panel.

    Args:
        log: Lazy frame with movieId (int64), rating (float64, may be null) and
            timestamp (int64, Unix seconds), one row per request.
        movies: Lazy frame of the same kind with movieId, genres, release_year.
        slot: Name of the slot, see `lib.data.slots.check_slot`.
        packed: Count and sort by one number that holds slot and movie. This takes a
            third less memory and time, but ids must be from 0 to `PACKED_BELOW` - 1.

    Returns:
        Lazy frame of the same kind with the columns of PANEL_SCHEMA, sorted
        by slot, then movieId.
    """
    return normalise(count_log(log, slot, packed), movies)


def count_log(log, slot: str, packed: bool = True, second: int = 1_000_000):
    """Requests and ratings of each movie and slot: all that goes over every request.

    Args:
        log: See `build_panel`; a frame of any engine behind narwhals.
        slot: Name of the slot.
        packed: See `build_panel`.
        second: See `lib.data.slots.slot_start`.

    Returns:
        Lazy frame of the same kind, in no order: slot (its start, Unix seconds),
        movieId, requests, sum (of ratings, in millionths of a star), rated (how many),
        and key, where packed.
    """
    count = _count_packed if packed else _count
    start = slot_start(nw.col(TIMESTAMP), slot, second)
    return count(nw.from_native(log), start).to_native()


def normalise(counts, movies):
    """The panel from what `count_log` gave, both lazy frames of one kind."""
    counts = nw.from_native(counts)
    totals = counts.group_by(SLOT).agg(nw.col(REQUESTS).sum().alias("total"))
    order = [_KEY] if _KEY in counts.collect_schema().names() else [SLOT, MOVIE]
    return (
        counts.join(totals, on=SLOT)
        .join(nw.from_native(movies), on=MOVIE, how="left")
        .with_columns(
            (nw.col(SLOT) * 1_000_000).cast(nw.Datetime("us")),
            (nw.col(REQUESTS) / nw.col("total")).alias(POPULARITY),
            nw.when(nw.col(_RATED) > 0)
            .then(nw.col(_SUM) / (nw.col(_RATED) * _MILLIONTHS))
            .alias(MEAN_RATING),
        )
        .sort(*order)
        .select(*PANEL_SCHEMA)
        .to_native()
    )


def _counts() -> list[nw.Expr]:
    return [
        nw.len().alias(REQUESTS),
        nw.col(RATING).sum().alias(_SUM),
        nw.col(RATING).count().alias(_RATED),
    ]


def _count(log: nw.LazyFrame, start: nw.Expr) -> nw.LazyFrame:
    """Requests and ratings of each movie and slot (its start, Unix seconds)."""
    requests = log.select(nw.col(MOVIE), _millionths(), start.alias(SLOT))
    return requests.group_by(SLOT, MOVIE).agg(*_counts())


def _millionths() -> nw.Expr:
    return (nw.col(RATING) * _MILLIONTHS).round(0)


def _count_packed(log: nw.LazyFrame, start: nw.Expr) -> nw.LazyFrame:
    """The same as `_count`, grouped by a single number."""
    key = (start // 3_600 + _SHIFT) * PACKED_BELOW + nw.col(MOVIE)
    counts = log.select(_millionths(), key.alias(_KEY)).group_by(_KEY).agg(*_counts())
    return counts.with_columns(
        (nw.col(_KEY) % PACKED_BELOW).alias(MOVIE),
        ((nw.col(_KEY) // PACKED_BELOW - _SHIFT) * 3_600).alias(SLOT),
    )
