"""Where the panel is counted: on this machine, or on a cluster of Dask or Spark.

What goes over every request is `panel.count_log` on all three; its counts, one row per
movie and slot, are brought here and become the panel on Polars.
"""

import re
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path

import polars as pl

from lib.data.panel import ADDED, PACKED_BELOW, PANEL_SCHEMA, count_log, normalise
from lib.errors import UserError
from lib.schema import GENRES, MOVIE, RATING, RELEASE_YEAR, TIMESTAMP
from lib.text import shown_text

COLUMNS = [MOVIE, RATING, TIMESTAMP]
PART_ROWS = 50_000_000  # requests of the log that are counted together here
ADDRESS = re.compile(r"((tcp|tls|wss?|ucx|inproc)://)?[^/\s]+:\d{1,5}")


def write_panel(
    requests: Path,
    movies: pl.DataFrame,
    slot: str,
    target: Path,
    cluster: str | None = None,
) -> None:
    """Build the panel, on this machine or on a cluster, and write it.

    The log is read in pieces: memory grows with the panel, and hardly with the log.

    Args:
        requests: Parquet file of the cleaned log; workers read it at the same path.
        movies: One row per movie: movieId, title, genres, release_year.
        slot: Name of the slot.
        target: Parquet file to write.
        cluster: Address of a Dask scheduler, or of a Spark Connect server (``sc://``);
            None for this machine.

    Raises:
        UserError: Nothing answers at that address.
    """
    packed = movies[MOVIE].is_between(0, PACKED_BELOW - 1).all()
    if not cluster:
        counts = _here(requests, slot, packed)
    else:
        counted = _on_spark if cluster.startswith("sc://") else _on_dask
        counts = counted(requests, slot, packed, cluster).lazy()
    table = movies.lazy().select(MOVIE, GENRES, RELEASE_YEAR)
    panel = normalise(counts, table).cast(dict(PANEL_SCHEMA))
    panel.sink_parquet(target, engine="streaming")


def _here(requests: Path, slot: str, packed: bool) -> pl.LazyFrame:
    """What `count_log` gives, of a long log part by part.

    Polars' streaming engine keeps what it has counted so far of movies that are not
    requested often until its end: of 10⁹ requests that is 10 GB.
    """
    log = pl.scan_parquet(requests, glob=False)
    rows = log.select(pl.len()).collect().item()
    if rows <= PART_ROWS:
        return count_log(log, slot, packed)
    counts: list[pl.DataFrame] = []
    for first in range(0, rows, PART_ROWS):
        part = count_log(log.slice(first, PART_ROWS), slot, packed)
        counts.append(part.collect(engine="streaming"))
        # The first table is that of all parts so far: it is made anew when those
        # that wait have become as long.
        if sum(map(len, counts[1:])) >= len(counts[0]) or first + PART_ROWS >= rows:
            table = pl.concat(counts, how="diagonal").lazy()
            keys = [name for name in counts[0].columns if name not in ADDED]
            sums = table.group_by(keys).agg(pl.col(ADDED).sum())
            counts = [sums.collect(engine="streaming")]
    return counts[0].lazy()


def connected(cluster: str):
    """A client of a Dask cluster whose workers can read this machine's files.

    Args:
        cluster: Address of the scheduler, such as ``tcp://127.0.0.1:8786``.

    Raises:
        UserError: No scheduler answers at that address.
    """
    from dask.distributed import Client

    try:
        if not ADDRESS.fullmatch(cluster):  # Dask would look for it for a while
            raise ValueError("no address")
        return Client(cluster, timeout="5s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"CLUSTER={cluster}: no Dask scheduler answers there; start one with "
            "'dask scheduler' and give its address, such as tcp://host:8786"
        ) from error


def _on_dask(requests: Path, slot: str, packed: bool, cluster: str) -> pl.DataFrame:
    """What `count_log` gives, from a Dask cluster."""
    import dask.dataframe as dd

    with connected(cluster) as client:
        log = dd.read_parquet(requests, columns=COLUMNS, split_row_groups=True)
        counts = client.compute(count_log(log, slot, packed), sync=True)
    return pl.from_pandas(counts)


def _on_spark(requests: Path, slot: str, packed: bool, cluster: str) -> pl.DataFrame:
    """What `count_log` gives, from a Spark Connect server.

    Raises:
        UserError: No server answers, or Spark's client is not installed.
    """
    warnings.filterwarnings("ignore", module=r"pyspark\.")  # of pandas, of its retries
    # A main module without a file, as in a notebook, it takes for its own doctests.
    vars(sys.modules["__main__"]).setdefault("__file__", __file__)
    try:
        from pyspark.errors import PySparkException
        from pyspark.sql import SparkSession
        from pyspark.sql.connect.client.retries import DefaultPolicy
    except ImportError as error:
        raise UserError(
            f"CLUSTER={cluster}: the client of Spark is not installed; run "
            "'pip install pyspark-client', or give the address of a Dask scheduler"
        ) from error
    try:
        with ExitStack() as stack:
            session = SparkSession.builder.remote(cluster).create()
            stack.callback(session.stop)  # a failed one would be asked again
            patience = DefaultPolicy(max_retries=2)  # seconds, not minutes
            session.client.set_retry_policies([patience])
            session.conf.set("spark.sql.session.timeZone", "UTC")
            log = session.read.parquet(str(requests)).select(*COLUMNS)
            counts = count_log(log, slot, packed, second=1).toArrow()
    except (PySparkException, ValueError) as error:
        told = re.search(r'details = "([^"]+)', str(error))
        reason = shown_text(told[1] if told else str(error).strip(), 80)
        raise UserError(
            f"CLUSTER={cluster}: Spark did not count ({reason}); expected a Spark "
            "Connect server whose workers read the same files, such as sc://host:15002"
        ) from error
    return pl.DataFrame(pl.from_arrow(counts))
