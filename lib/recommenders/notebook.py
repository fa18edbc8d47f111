"""What every notebook of the recommenders does alike: read its data, name its run."""

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from lib import paths
from lib.data.cleaning import Repairs, clean_requests
from lib.data.sources import open_dataset
from lib.files import write_text
from lib.notebook import Notebook
from lib.recommenders.data import RatingData, load
from lib.results import Results
from lib.schema import MOVIE, RECOMMENDER_COLUMNS, TIMESTAMP, USER

META = "meta.json"


def run_name(dataset: str) -> str:
    """Name of the folders of a data set's recommenders."""
    return f"recommenders-{paths.dataset_name(dataset)}"


class RecommenderNotebook(Notebook):
    """One notebook of the recommenders, see `lib.notebook.Notebook`.

    `record(model, protocol, metrics, seed=…)` keeps rows for results.csv, whose columns
    are `lib.schema.RECOMMENDER_COLUMNS`.

    Attributes:
        data: ratings, movies and users of the data set.
    """

    def __init__(self, name: str, dataset: str, run: str = ""):
        """Read the data set and name the run.

        Args:
            name: notebook without suffix.
            dataset: name or path of a data set.
            run: name of the run; empty for `recommenders-<dataset>`.

        Raises:
            UserError: the data set cannot be read.
        """
        super().__init__(name, dataset, "", run or run_name(dataset))
        self.results = Results(self.run, name, RECOMMENDER_COLUMNS)
        self.data = load(dataset)
        if not (self.processed / META).exists():  # figures look there for "synthetic"
            write_meta(self.data, Repairs(), self.run)


def repairs_of(dataset: str, data: RatingData) -> Repairs:
    """What was put right when the ratings were read.

    Args:
        dataset: name or path of a data set.
        data: the same, loaded.

    Returns:
        Counts of repaired faults; of movies rated more than once by one user, too.
    """
    repairs = Repairs()
    source = open_dataset(dataset)
    with tempfile.TemporaryDirectory() as work:
        target = Path(work) / "requests.parquet"
        clean_requests(source.log, target, "hour", None, repairs)
        rows = pl.scan_parquet(target).select(pl.len()).collect().item()
    repairs.add(
        "ratings of a movie that the same user rated again later",
        rows - len(data.ratings),
        "left out, the latest rating kept",
    )
    return repairs


def write_meta(data: RatingData, repairs: Repairs, run: str) -> dict:
    """Write the run's record of its data to data/processed/<run>/meta.json.

    Returns:
        The record: dataset, synthetic, rows, users, movies, first_date, last_date (ISO,
        UTC), demographics (whether users have age, gender …), repairs, notes, sources.
    """
    times = data.ratings[TIMESTAMP]
    meta = {
        "dataset": data.name,
        "synthetic": data.synthetic,
        "rows": len(data.ratings),
        "users": int(data.ratings[USER].nunique()),
        "movies": int(data.ratings[MOVIE].nunique()),
        "first_date": _iso(times.min()),
        "last_date": _iso(times.max()),
        "demographics": data.users is not None,
        "repairs": repairs.repairs,
        "notes": repairs.notes,
        "sources": [data.name],
    }
    text = json.dumps(meta, indent=2) + "\n"
    write_text(paths.PROCESSED / run / META, text)
    return meta


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%S")
