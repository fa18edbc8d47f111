"""The same panel from Dask and from Spark, with two workers each, as from Polars."""

import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from dask.distributed import LocalCluster

from lib import paths
from lib.data.preprocessing import preprocess

DAY = 86_400


@pytest.fixture(scope="module", params=["dask", "spark"])
def cluster(request):
    if request.param == "dask":
        with LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
        ) as cluster:
            yield cluster.scheduler_address
        return
    code = (
        "import sys, pysail.spark as spark\n"
        "server = spark.SparkConnectServer('127.0.0.1', 0)\n"
        "server.start(background=True)\n"
        "print(server.listening_address[1], flush=True)\n"
        "sys.stdin.read()"
    )
    own = {"SAIL_MODE": "local-cluster", "RUST_LOG": "off", "TZ": "America/New_York"}
    own |= {"SAIL_CLUSTER__WORKER_INITIAL_COUNT": "2"}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | own,
        text=True,
    ) as server:
        yield f"sc://127.0.0.1:{server.stdout.readline().strip()}"
        server.stdin.close()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROCESSED", tmp_path / "processed")
    folder = tmp_path / "set"
    folder.mkdir()
    rng = np.random.default_rng(4)
    rows = 5_000
    log = pl.DataFrame(
        {
            "userId": rng.integers(1, 200, rows),
            "movieId": rng.geometric(0.02, rows),
            "rating": rng.integers(1, 11, rows) / 2,
            "timestamp": 978_300_000 + rng.integers(0, 500 * DAY, rows),
        }
    )
    log.write_csv(folder / "ratings.csv")
    some = np.arange(1, 400, 2)
    movies = {"movieId": some, "title": [f"No. {i} ({1900 + i % 99})" for i in some]}
    pl.DataFrame(movies).with_columns(genres=pl.lit("Drama|War")).write_csv(
        folder / "movies.csv"
    )
    return folder


def read_panel(slot):
    return pl.read_parquet(paths.PROCESSED / f"set-{slot}" / "panel.parquet")


@pytest.mark.parametrize("slot", ["day", "week", "month", "quarter", "year", "10d"])
def test_cluster_gives_the_identical_panel(slot, cluster, folder):
    alone = preprocess(str(folder), slot)
    expected = read_panel(slot)
    together = preprocess(str(folder), slot, cluster=cluster)
    found = read_panel(slot)
    assert found.schema == expected.schema
    assert found.equals(expected, null_equal=True)
    assert together == alone


def test_cluster_counts_movies_with_huge_ids(cluster, folder):
    log = pl.read_csv(folder / "ratings.csv")
    log.with_columns(pl.col("movieId") + 2**50).write_csv(folder / "ratings.csv")
    preprocess(str(folder), "month")
    expected = read_panel("month")
    preprocess(str(folder), "month", cluster=cluster)
    assert read_panel("month").equals(expected, null_equal=True)
    assert expected["movieId"].min() > 2**50


def test_cluster_counts_a_log_without_ratings(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "PROCESSED", tmp_path / "processed")
    path = tmp_path / "set"
    path.mkdir()
    (path / "events.csv").write_text(
        "user,item,time\na,film,2020-01-01\nb,film,2020-02-01\nb,other,2020-02-02\n"
    )
    preprocess(str(path), "month")
    expected = read_panel("month")
    preprocess(str(path), "month", cluster=cluster)
    assert read_panel("month").equals(expected, null_equal=True)
    assert expected["mean_rating"].null_count() == 3


def test_cluster_counts_the_real_set_the_same(cluster, tmp_path, monkeypatch):
    data = paths.ROOT.parent / "shared" / "data" / "ml-latest-small"
    if not data.exists():
        pytest.skip(f"real data is not here: {data}")
    monkeypatch.setattr(paths, "PROCESSED", tmp_path / "processed")
    name = paths.PROCESSED / "ml-latest-small-week" / "panel.parquet"
    preprocess(str(data), "week")
    expected = pl.read_parquet(name)
    preprocess(str(data), "week", cluster=cluster)
    assert pl.read_parquet(name).equals(expected, null_equal=True)
