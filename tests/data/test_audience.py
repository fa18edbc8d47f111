"""The small tables beside the panel, against counting by hand."""

from collections import Counter

import numpy as np
import polars as pl
import pytest

from lib import paths
from lib.data.audience import count_audience, count_requests
from lib.data.grid import load_grid
from lib.data.preprocessing import dataset_folder, preprocess
from tests.data.test_sources import write_csv

DAY = 86_400
MONDAY = 10_953 * DAY  # 1999-12-27


@pytest.fixture
def log(tmp_path):
    """Three users in days 0, 1 and 4: user 1 returns, user 2 asks twice on a day."""
    rows = [(1, 7, 0), (2, 7, 0), (2, 8, 0), (1, 8, 1), (1, 7, 4), (3, 7, 4), (2, 7, 4)]
    path = tmp_path / "requests.parquet"
    pl.DataFrame(
        {
            "userId": [user for user, *_ in rows],
            "movieId": [movie for _, movie, _ in rows],
            "timestamp": [MONDAY + day * DAY + 60 for *_, day in rows],
        }
    ).write_parquet(path)
    return path


def counted(log):
    return count_requests(log, "userId"), count_requests(log, "movieId")


def test_every_slot_has_its_users_and_returning_requests(log):
    slots, _ = count_audience(log, "day", *counted(log))
    assert slots["slot"].diff().drop_nulls().dt.total_days().to_list() == [1] * 4
    assert slots.drop("slot").rows() == [
        (3, 2, 0),
        (1, 1, 1),
        (0, 0, 0),
        (0, 0, 0),
        (3, 3, 2),
    ]


def test_returning_requests_of_a_movie_in_a_slot(log):
    _, cells = count_audience(log, "day", *counted(log))
    days = (cells["slot"].dt.epoch("s") - MONDAY) // DAY
    assert list(zip(days, *cells.drop("slot").iter_columns(), strict=True)) == [
        (1, 8, 1),
        (4, 7, 2),
    ]


@pytest.mark.parametrize("far", [0, 2**50])
def test_parts_of_users_give_what_the_whole_log_gives(far, tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    columns = {
        "userId": rng.integers(1, 90, 3_000),
        "movieId": rng.integers(1, 70, 3_000),
    }
    columns["timestamp"] = MONDAY + rng.integers(0, 300 * DAY, 3_000)
    log = tmp_path / "requests.parquet"
    table = pl.DataFrame(columns).with_columns(pl.col("userId", "movieId") ** 2 + far)
    table.write_parquet(log)
    whole = count_audience(log, "month", *counted(log))
    monkeypatch.setattr("lib.data.audience.PART_ROWS", 100)
    parts = count_audience(log, "month", *counted(log))
    assert all(one.equals(other) for one, other in zip(parts, whole, strict=True))
    assert whole[1]["returning"].sum() == whole[0]["returning"].sum() > 2_000


def test_sample_counted_by_hand():
    preprocess("sample", "week")
    folder = paths.PROCESSED / "sample-week"
    grid = load_grid(folder)
    log = pl.read_parquet(folder / "requests.parquet")
    starts = grid.slots.astype("int64").to_numpy() // 10**6
    slots = (starts.searchsorted(log["timestamp"].to_numpy(), "right") - 1).tolist()
    first, returning, users = {}, Counter(), {}
    triples = zip(slots, log["userId"], log["movieId"], strict=True)
    for slot, user, movie in sorted(triples):
        users.setdefault(slot, set()).add(user)
        if first.setdefault(user, slot) < slot:
            returning[slot, movie] += 1
    assert grid.users.tolist() == [len(users.get(t, ())) for t in range(len(starts))]
    ids = grid.movies["movieId"].tolist()
    assert all(grid.returning[t, ids.index(i)] == n for (t, i), n in returning.items())
    assert grid.returning.sum() == returning.total()
    hours = pl.read_parquet(folder / "hours.parquet")
    assert hours["requests"].sum() == log.height
    by_stars = hours.group_by("rating").agg(pl.col("requests").sum())
    assert dict(by_stars.iter_rows()) == Counter(log["rating"])
    time = pl.from_epoch("timestamp", "s")
    monday = log.filter(time.dt.weekday() == 1, time.dt.hour() == 20).height
    found = hours.filter(pl.col("weekday") == 1, pl.col("hour") == 20)
    assert found["requests"].sum() == monday
    asked = pl.read_parquet(folder / "users.parquet")
    assert dict(asked.select("userId", "requests").iter_rows()) == Counter(
        log["userId"]
    )


def test_listed_movies_and_users_stand_with_no_requests(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    write_csv(folder)
    with (folder / "movies.csv").open("a") as file:
        file.write("99,Unseen (1999),War\n")
    with (folder / "users.csv").open("a") as file:
        file.write("9,30,F,artist,00000\n")
    meta = preprocess(str(folder), "month")
    assert (meta["movies"], meta["users"]) == (2, 2)
    run = paths.PROCESSED / "set-month"
    movies = pl.read_parquet(run / "movies.parquet").filter(pl.col("requests") == 0)
    assert movies["title"].to_list() == ["Unseen (1999)"]
    users = pl.read_parquet(run / "users.parquet").filter(pl.col("requests") == 0)
    assert users["userId"].to_list() == [9]
    assert 99 not in load_grid(run).movies["movieId"].tolist()


def test_the_folder_of_the_set_is_found_again(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    write_csv(folder)
    meta = preprocess(str(folder), "month")
    assert dataset_folder(meta) == folder
    assert not meta["folder"].startswith("/")
