"""Files that would hang, hide or mislead a reader: one line for each, or the data."""

import os
import subprocess
import sys

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lib import paths
from lib.data.layouts import _folders
from lib.data.metadata import read_links, read_metadata
from lib.data.preprocessing import preprocess
from lib.errors import UserError
from tests.data.test_bad_input import MOVIES, ROWS, fail, write_log
from tests.data.test_metadata import write as write_metadata


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "movies.csv").write_text(MOVIES)
    return folder


def refused(dataset, output, **arguments) -> str:
    message = fail(dataset, output, **arguments)
    assert len(message) <= 300 and message.isprintable()
    return message


@pytest.mark.parametrize("name", ["ratings.csv", "ratings.dat", "u.data"])
def test_a_pipe_is_not_waited_for(name, folder, output):
    os.mkfifo(folder / name)
    assert "pipe or a device" in refused(folder, output)
    assert "pipe or a device" in refused(folder / name, output)


def test_an_endless_device_is_not_read(folder, output):
    (folder / "ratings.csv").symlink_to("/dev/zero")
    assert "expected a plain file" in refused(folder, output)
    assert "without suffix" in refused("/dev/zero", output)


def test_line_ends_of_cr_alone(folder, output):
    text = "\r".join(["userId,movieId,rating,timestamp", *ROWS])
    (folder / "ratings.csv").write_text(text, newline="")
    assert "line ends of CR alone" in refused(folder, output)


def test_a_first_line_without_an_end(folder, output):
    (folder / "ratings.csv").write_text("7" * 1_000_000)
    assert "more than 65,536 bytes" in refused(folder, output)


def test_a_quote_that_is_never_closed(folder, output):
    rows = [*ROWS, '3,"20,4.0,978300000', *ROWS * 100_000]
    write_log(folder, rows)
    assert "ratings.csv" in refused(folder, output)
    path = folder / "events.csv"
    path.write_text('user,item,time\na,"b,978300000\n' + "x" * 20_000_000)
    assert "events.csv" in refused(path, output)


@pytest.mark.parametrize("name", ["log[1].csv", "a?.csv", "*.csv", "{a,b}.csv"])
def test_signs_of_a_pattern_in_a_name_stand_for_themselves(name, tmp_path, output):
    header = "userId,movieId,rating,timestamp"
    (tmp_path / "ab.csv").write_text("\n".join([header, *ROWS * 2, ""]))
    (tmp_path / name).write_text("\n".join([header, *ROWS, ""]))
    assert preprocess(str(tmp_path / name), "month")["rows"] == 3
    pl.read_csv(tmp_path / "ab.csv").write_parquet(tmp_path / "ab.parquet")
    parquet = (tmp_path / name).with_suffix(".parquet")
    pl.read_csv(tmp_path / name, glob=False).write_parquet(parquet)
    assert preprocess(str(parquet), "month")["rows"] == 3


@pytest.mark.parametrize("bytes_lost", range(1, 8))
@pytest.mark.parametrize("separator", [",", "::", "\t"])
def test_a_file_cut_inside_its_last_time(bytes_lost, separator, tmp_path, output):
    rows = [*ROWS, "2,10,3.0,1200000000", "2,20,3.0,1200000777"]
    name = {",": "ratings.csv", "::": "ratings.dat", "\t": "u.data"}[separator]
    text = "\n".join(row.replace(",", separator) for row in rows)
    if separator == ",":
        text = "userId,movieId,rating,timestamp\n" + text
    path = tmp_path / name
    path.write_text(text)
    assert preprocess(str(path), "month")["rows"] == 5
    path.write_text(text[:-bytes_lost])
    with pytest.raises(UserError, match="cut short") as error:
        preprocess(str(path), "month")
    assert f"line {5 + (separator == ',')}" in str(error.value)


@pytest.mark.parametrize("rating", ["", "5stars", "nan", "true"])
def test_ratings_that_are_no_numbers_are_told(rating, tmp_path):
    path = tmp_path / "events.csv"
    times = range(978300000, 988300000, 10**6)
    rows = [f"u{i % 3},{i},4,{time}" for i, time in enumerate(times)]
    path.write_text("\n".join(["user,item,rating,time", *rows, ""]))
    assert preprocess(str(path), "month")["notes"] == []
    path.write_text(path.read_text().replace(",4,979300000", f",{rating},979300000"))
    (note,) = preprocess(str(path), "month")["notes"]
    assert note["count"] == 1 and "no number" in note["what"]


def test_a_long_path_keeps_what_was_expected(tmp_path, output):
    message = refused(tmp_path / ("x" * 70) / "log.csv", output)
    assert "expected 'sample', the path of" in message


def test_rows_far_before_all_others_are_told(folder):
    write_log(folder, ["5,10,4.0,5", *ROWS])
    meta = preprocess(str(folder), "month")
    assert [n["count"] for n in meta["notes"] if "far from" in n["what"]] == [1]
    write_log(folder, ROWS)
    assert preprocess(str(folder), "month")["notes"] == []


@pytest.mark.parametrize("at", [0, 2, 1_000])
def test_a_field_too_many(at, folder, output):
    rows = [f"1::{i}::4::{978300000 + 1000 * i}" for i in range(4_000)]
    rows[at] += "::7"
    path = folder / "ratings.dat"
    path.write_text("\n".join(rows) + "\n")
    message = refused(path, output)
    assert f"line {at + 1}: found 5 fields, expected 4" in message


@pytest.mark.parametrize("zone", ["+02:00", "-05:30", "Mars/Base"])
def test_times_with_any_zone_are_utc_seconds(zone, tmp_path):
    times = pa.array([978300000, 988300000], pa.timestamp("s", tz=zone))
    table = pa.table({"user": [1, 2], "item": [3, 3], "time": times})
    path = tmp_path / "log.parquet"
    pq.write_table(table, path)
    preprocess(str(path), "month")
    log = paths.PROCESSED / "log.parquet-month" / "requests.parquet"
    assert pl.read_parquet(log)["timestamp"].to_list() == [978300000, 988300000]


@pytest.mark.parametrize("name", ["x" * 5_000, "a\0b", "~nobody-here/x", "\x1b[31mred"])
def test_names_that_are_no_path(name, output):
    assert "DATASET=" in refused(name, output)


def test_a_loop_of_links(tmp_path, output):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert "DATASET=" in refused(tmp_path / "a", output)
    loop = tmp_path / "set"
    loop.mkdir()
    (loop / "again").symlink_to(loop)
    assert "found no table" in refused(loop, output)


@pytest.mark.parametrize("name", ["/", "/proc"])
def test_a_whole_machine_is_not_searched(name, output, monkeypatch):
    monkeypatch.setattr("lib.data.layouts._MOST", 500)
    assert "more than 500 files" in refused(name, output)


def test_a_folder_that_may_not_be_read(folder, output, monkeypatch):
    (folder / "movies.csv").unlink()

    def walk(place, onerror):
        onerror(PermissionError(13, "Permission denied"))
        yield str(place), [], []

    monkeypatch.setattr("lib.data.layouts.os.walk", walk)
    message = refused(folder, output)
    assert "Permission denied" in message and "no table" not in message


def test_folders_are_looked_into_three_deep(tmp_path):
    (tmp_path / "a/b/c/d").mkdir(parents=True)
    found = {p.name for p in _folders(tmp_path, "x")}
    assert found == {tmp_path.name, "a", "b", "c"}


def test_a_full_disk_is_not_a_fault_of_the_input(folder):
    """A limit on the size of files stands for the disk that is full."""
    write_log(folder, [f"{i},10,4.0,{978300000 + 9 * i}" for i in range(300_000)])
    code = f"""
import resource, signal
from pathlib import Path
from lib import paths
from lib.data.preprocessing import preprocess
paths.PROCESSED = Path({str(folder.parent / "full")!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
preprocess({str(folder)!r}, "day")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1]
    assert "cannot be written (File too large)" in last, last
    assert "ratings.csv" not in last


# The files beside the log


def test_an_infinite_tmdb_id_is_left_out(tmp_path):
    path = tmp_path / "links.csv"
    path.write_text(
        "movieId,imdbId,tmdbId\n1,1,inf\n2,1,-inf\n3,1,nan\n4,1,\n5,1,7.0\n"
    )
    links = read_links(path)
    pd.testing.assert_frame_equal(
        links.reset_index(drop=True), pd.DataFrame({"movieId": [5], "tmdbId": [7]})
    )


@pytest.mark.parametrize("deep", ["[" * 100_000, '[{"name": ' * 5_000, "(" * 9_999])
def test_deeply_nested_lists_are_counted_as_faults(deep, folder):
    write_log(folder, ROWS)
    (folder / "movies.csv").unlink()
    path = folder / "movies_metadata.csv"
    write_metadata(path, {"genres": deep}, {"id": "8"})
    (folder / "links.csv").write_text("movieId,imdbId,tmdbId\n10,1,7\n20,1,8\n")
    _, problems = read_metadata(path)
    assert problems["what"].tolist() == ["genres is no list"]
    preprocess(str(folder), "month")
    movies = pl.read_parquet(paths.PROCESSED / "set-month" / "movies.parquet")
    assert movies["genres"].to_list() == ["(no genres listed)", "Drama|War"]


def test_an_oversized_table_is_not_read(folder, output):
    write_log(folder, ROWS)
    with (folder / "movies.csv").open("r+b") as file:
        file.truncate(600 * 2**20)  # sparse: takes no room on the disk
    assert "expected at most 512 MiB" in refused(folder, output)


def test_signs_of_a_terminal_are_not_passed_on(folder, output):
    write_log(folder, ROWS, "\x1b[2Juser\x00Id,movieId,rating,timestamp")
    assert "column userId is missing" in refused(folder, output)
    write_log(folder, ["\x1b]0;owned\x07" + "z" * 60_000 + ",10,4.0,5"])
    assert "column userId: found" in refused(folder, output)
