"""Every fault of the input: one line that says where, what, and what to do."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from lib import paths
from lib.data.preprocessing import preprocess, read_meta, summary
from lib.errors import UserError
from lib.evaluation.splits import time_split
from lib.experiments import task

HEADER = "userId,movieId,rating,timestamp"
ROWS = ["1,10,4.0,978300000", "2,10,3.5,980900000", "1,20,5.0,983600000"]
MOVIES = "movieId,title,genres\n10,Ten (1995),Drama\n20,Twenty (1996),Comedy|War\n"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "movies.csv").write_text(MOVIES)
    return folder


def write_log(folder, rows, header=HEADER):
    (folder / "ratings.csv").write_text("\n".join([header, *rows]) + "\n")


def fail(dataset, output, slot="month", **arguments):
    """The message of the error, after a look at what is left behind."""
    with pytest.raises(UserError) as error:
        preprocess(str(dataset), slot, **arguments)
    assert not output.exists() or list(output.iterdir()) == []
    message = str(error.value)
    assert "\n" not in message
    assert "Traceback" not in message
    return message


FAULTS = {
    "empty id": ([",10,4.0,978300000"], ["line 2", "userId", "nothing"]),
    "missing time": (ROWS + ["3,20,4.0,"], ["line 5", "timestamp", "nothing"]),
    "too few fields": (ROWS + ["3,20"], ["line 5", "timestamp", "nothing"]),
    "too many fields": (ROWS + ["3,20,1,9,9"], ["line 5", "5 fields", "4"]),
    "nan time": (ROWS + ["3,20,4.0,nan"], ["line 5", "timestamp", "'nan'"]),
    "word as time": (ROWS + ["3,20,4.0,now"], ["line 5", "timestamp", "'now'"]),
    "negative time": (["3,20,4.0,-5"] + ROWS, ["line 2", "timestamp", "'-5'"]),
    "some milliseconds": (
        ROWS + ["3,20,4.0,978300000000"],
        ["line 5", "978300000000", "milliseconds"],
    ),
    "far future": (ROWS + ["3,20,4.0,9783000000"], ["line 5", "9783000000", "2100"]),
    "no rating": (ROWS + ["3,20,,978300000"], ["line 5", "rating", "nothing"]),
    "nan rating": (ROWS + ["3,20,NaN,978300000"], ["line 5", "rating", "NaN"]),
    "rating too low": (ROWS + ["3,20,0.0,978300000"], ["line 5", "rating", "0.0"]),
    "rating too high": (ROWS + ["3,20,5.5,978300000"], ["line 5", "5.5", "0.5 to 5"]),
    "word as id": (ROWS + ["3,x20,5,978300000"], ["line 5", "movieId", "'x20'"]),
    "half id": (ROWS + ["3.5,20,5,978300000"], ["line 5", "userId", "'3.5'"]),
    "id above 2^63": (
        ROWS + ["9999999999999999999,20,5,978300000"],
        ["line 5", "userId", "9999999999999999999"],
    ),
    "no rows": ([], ["ratings.csv", "no rows"]),
    "only blank lines": (["", ""], ["ratings.csv", "no rows"]),
    "one slot": (ROWS[:1] * 3, ["one slot", "month of 2000-12-01", "shorter SLOT"]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault_in_a_row(name, folder, output):
    rows, expected = FAULTS[name]
    write_log(folder, rows)
    message = fail(folder, output)
    assert "ratings.csv" in message
    for part in expected:
        assert part in message


def test_fault_far_down_names_the_first_of_its_kind(folder, output):
    rows = [f"{i},10,4.0,{978300000 + 9000 * i}" for i in range(20_000)]
    rows[15_000] = "1,10,4.0,oops"
    rows[17_000] = "1,10,4.0,oops too"
    write_log(folder, rows)
    assert "line 15002, column timestamp: found 'oops'," in fail(folder, output)


@pytest.mark.parametrize(("separator", "name"), [(";", "';'"), ("\t", "a tab")])
def test_wrong_separator(separator, name, folder, output):
    rows = [row.replace(",", separator) for row in ROWS]
    write_log(folder, rows, HEADER.replace(",", separator))
    message = fail(folder, output)
    assert name in message and "comma" in message and "line 1" in message


def test_wrong_separator_without_header(folder, output):
    (folder / "u.data").write_text("1,10,4,978300000\n2,10,3,980900000\n")
    message = fail(folder / "u.data", output)
    assert "u.data, line 1" in message and "a tab" in message
    (folder / "ratings.dat").write_text("1:10:4:978300000\n")
    assert "'::'" in fail(folder / "ratings.dat", output)


@pytest.mark.parametrize("column", HEADER.split(","))
def test_missing_column(column, folder, output):
    write_log(folder, ROWS, HEADER.replace(column, "other"))
    message = fail(folder, output)
    assert f"column {column} is missing" in message and "other" in message


def test_missing_column_of_the_movies(folder, output):
    write_log(folder, ROWS)
    (folder / "movies.csv").write_text(MOVIES.replace("title", "name"))
    message = fail(folder, output)
    assert "movies.csv: column title is missing" in message


def test_word_as_movie_id(folder, output):
    write_log(folder, ROWS)
    (folder / "movies.csv").write_text(MOVIES + "x,Eks (1997),Drama\n")
    assert "movies.csv, line 4, column movieId: found 'x'" in fail(folder, output)


def test_movies_not_utf8(folder, output):
    write_log(folder, ROWS)
    (folder / "movies.csv").write_bytes(MOVIES.encode() + b"30,Caf\xe9 (1997),Drama\n")
    message = fail(folder, output)
    assert "movies.csv, line 4" in message and "0xe9" in message and "UTF-8" in message


def test_log_not_utf8(folder, output):
    write_log(folder, ROWS)
    log = folder / "ratings.csv"
    log.write_bytes(log.read_bytes() + b"3,20,4.0,\xe9\n")
    message = fail(folder, output)
    assert "ratings.csv, line 5" in message and "0xe9" in message


def test_log_in_utf16(folder, output):
    (folder / "ratings.csv").write_text("\n".join([HEADER, *ROWS]), "utf-16")
    assert "UTF-16" in fail(folder, output)


def test_empty_file(folder, output):
    (folder / "ratings.csv").write_text("")
    assert "ratings.csv: found an empty file, expected a table" in fail(folder, output)
    (folder / "ratings.csv").write_text("\n")
    assert "ratings.csv, line 1: found an empty line" in fail(folder, output)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="no /proc here")
def test_a_file_without_a_size_is_not_read(folder, output):
    """Some of /proc, such as kmsg, wait for more for ever."""
    (folder / "ratings.csv").symlink_to("/proc/self/maps")
    assert "ratings.csv: found an empty file" in fail(folder, output)


def test_missing_files(folder, output):
    assert "expected ratings.csv" in fail(folder, output)
    write_log(folder, ROWS)
    (folder / "movies.csv").unlink()
    assert "expected movies.csv" in fail(folder, output)
    assert "nothing is there" in fail(folder / "nowhere", output)


def test_unknown_kind_of_file(folder, output):
    path = folder / "log.xlsx"
    path.write_text("x")
    assert ".xlsx" in fail(path, output)


def test_broken_parquet(folder, output):
    path = folder / "log.parquet"
    path.write_bytes(b"PAR1 this is none")
    assert "log.parquet: cannot be read as Parquet" in fail(path, output)


def test_truncated_zip(folder, output):
    path = folder / "set.zip"
    path.write_bytes(b"PK\x03\x04 cut off")
    assert "set.zip" in fail(path, output)


@pytest.mark.parametrize("slot", ["fortnight", "0d", "-3d", "1.5d", "7", ""])
def test_unknown_slot(slot, folder, output):
    write_log(folder, ROWS)
    message = fail(folder, output, slot)
    assert f"SLOT={slot}: " in message and "month, quarter, year" in message


@pytest.mark.parametrize("count", [1, -4, "many", 2.5])
def test_unusable_max_slots(count, folder, output):
    write_log(folder, ROWS)
    assert f"MAX_SLOTS={count}: " in fail(folder, output, max_slots=count)


@pytest.mark.parametrize(
    "cluster",
    ["tcp://127.0.0.1:1", "garbage", "http://[::1", "tcp://x", "`x`:1"]
    + ["sc://127.0.0.1:1", "sc://", "sc://x:y", "sc://`x`:1/;a=b;;"],
)
def test_no_scheduler(cluster, folder, output, capfd):
    write_log(folder, ROWS)
    message = fail(folder, output, cluster=cluster)
    assert f"CLUSTER={cluster}" in message
    assert "Traceback" not in capfd.readouterr().err


def test_column_named_by_the_user_is_missing(folder, output):
    path = folder / "events.csv"
    path.write_text("who,what,when\na,b,978300000\n")
    message = fail(path, output, user_column="who", item_column="thing")
    told = "columns thing; timestamp or time or datetime are missing, found who, what, "
    assert told in message and "with ITEM_COLUMN=… TIME_COLUMN=…" in message
    assert "ITEM_COLUMN" in message


def test_one_column_for_two_things(folder, output):
    path = folder / "events.csv"
    path.write_text("who,what,when\na,b,978300000\n")
    columns = {"user_column": "who", "item_column": "who", "time_column": "when"}
    message = fail(path, output, **columns)
    assert "column who was named for two things" in message
    assert "USER_COLUMN=…" in message


def test_ratings_of_an_event_log_on_another_scale(folder, output):
    path = folder / "events.csv"
    path.write_text("user,item,rating,time\na,b,9,978300000\nb,b,2,988300000\n")
    message = fail(path, output)
    assert "line 2" in message and "from 2 to 9" in message
    assert preprocess(str(path), "month", rating_column="none")["rows"] == 2


def test_event_log_with_an_unreadable_date(folder, output):
    path = folder / "events.csv"
    path.write_text("user,item,date\na,b,2020-01-01\nb,b,sometime\n")
    assert "line 3, column date: found 'sometime'" in fail(path, output)


def test_line_is_counted_past_texts_of_several_lines(folder, output):
    path = folder / "events.csv"
    path.write_text('user,note,item,time\n1,"a\nb\nc",7,0\n\n2,d,8,\n')
    assert "line 6, column time: found nothing" in fail(path, output)


def test_failure_leaves_the_previous_run(folder, output):
    write_log(folder, ROWS)
    preprocess(str(folder), "month")
    run = output / "set-month"
    before = {p.name: p.read_bytes() for p in run.iterdir()}
    write_log(folder, ROWS + ["3,20,4.0,now"])
    with pytest.raises(UserError):
        preprocess(str(folder), "month")
    assert {p.name: p.read_bytes() for p in run.iterdir()} == before
    assert [p.name for p in output.iterdir()] == ["set-month"]


def test_work_of_a_killed_run_is_cleared_away(folder, output):
    write_log(folder, ROWS)
    left = output / ".set-month.part"
    left.mkdir(parents=True)
    (left / "requests.parquet").write_bytes(b"half a file")
    preprocess(str(folder), "month")
    assert [p.name for p in output.iterdir()] == ["set-month"]


def test_directory_in_the_place_of_the_log(folder, output):
    (folder / "ratings.csv").mkdir()
    assert "ratings.csv: cannot be read" in fail(folder, output)


def test_file_in_the_place_of_the_output(folder, output):
    write_log(folder, ROWS)
    output.parent.mkdir()
    output.write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        preprocess(str(folder), "month")


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_a_part_of_the_split_without_any_request(small_grid, part, monkeypatch):
    slots = time_split(len(small_grid.slots)).parts[part]
    counts = small_grid.counts.copy()
    counts[slots.start : slots.stop] = 0
    monkeypatch.setattr(task, "load_grid", lambda _: replace(small_grid, counts=counts))
    with pytest.raises(UserError, match=f"the {part} slots .2000-.* hold no request"):
        task.open_task(paths.PROCESSED)


# What is repaired


def repaired(folder, **arguments):
    meta = preprocess(str(folder), "month", **arguments)
    requests = pd.read_parquet(paths.PROCESSED / "set-month" / "requests.parquet")
    return meta, requests


def counts(meta):
    return {r["what"]: r["count"] for r in meta["repairs"]}


def test_repeated_rows_are_dropped_and_counted(folder):
    again = ["1,10,2.0,978300000"]  # same user, movie and second, another rating
    write_log(folder, ROWS + ROWS[:2] + again)
    meta, requests = repaired(folder)
    assert counts(meta) == {"rows with the user, movie and time of another": 3}
    assert requests["rating"].tolist() == [4.0, 3.5, 5.0]
    assert meta["rows"] == 3


def test_rating_again_later_is_a_request_of_its_own(folder):
    write_log(folder, ROWS + ["1,10,2.0,988300000"])
    meta, requests = repaired(folder)
    assert meta["repairs"] == [] and len(requests) == 4
    assert meta["notes"][0]["count"] == 1


def test_milliseconds_throughout_are_divided(folder):
    write_log(folder, [row + "123" for row in ROWS])
    meta, requests = repaired(folder)
    assert counts(meta) == {"timestamps in milliseconds": 3}
    assert requests["timestamp"].tolist() == [978300000, 980900000, 983600000]


def test_blank_lines_are_left_out(folder):
    write_log(folder, [ROWS[0], "", *ROWS[1:], ""])
    meta, requests = repaired(folder)
    assert counts(meta) == {"blank lines": 2} and len(requests) == 3


def test_row_after_a_blank_line_keeps_its_number(folder, output):
    write_log(folder, [ROWS[0], "", *ROWS[1:], "3,20,4.0,-1"])
    assert "line 6" in fail(folder, output)


def test_movie_without_a_row_is_kept(folder):
    write_log(folder, ROWS + ["3,99,4.0,978300000"])
    meta, _ = repaired(folder)
    assert counts(meta) == {"movies of the log that the movies file lacks": 1}
    movies = pd.read_parquet(paths.PROCESSED / "set-month" / "movies.parquet")
    assert movies["title"].tolist() == ["Ten (1995)", "Twenty (1996)", "Movie 99"]


def test_movie_named_twice(folder):
    write_log(folder, ROWS)
    (folder / "movies.csv").write_text(MOVIES + "10,Other (1999),War\n")
    meta, _ = repaired(folder)
    assert counts(meta) == {"movies named twice in the movies file": 1}
    movies = pd.read_parquet(paths.PROCESSED / "set-month" / "movies.parquet")
    assert movies["title"][0] == "Ten (1995)"


def test_movie_without_year_or_genre(folder):
    write_log(folder, ROWS)
    (folder / "movies.csv").write_text(
        "movieId,title,genres\n10,Ten,\n20,Two (2),War\n"
    )
    meta, _ = repaired(folder)
    assert meta["repairs"] == []
    assert {n["what"]: n["count"] for n in meta["notes"]} == {
        "movies without genres": 1,
        "movies without a year in the title": 2,
    }
    panel = pd.read_parquet(paths.PROCESSED / "set-month" / "panel.parquet")
    assert panel["release_year"].isna().all()
    assert panel["genres"][0] == "(no genres listed)"


@pytest.mark.parametrize("big", [2**31, 2**42 - 1, 2**62])
def test_ids_above_2_to_the_31(big, folder):
    write_log(
        folder, [f"{big + i},{big},4.0,{978300000 + i * 10**7}" for i in range(3)]
    )
    (folder / "movies.csv").write_text(f"movieId,title,genres\n{big},Big (1999),War\n")
    meta, requests = repaired(folder)
    assert requests["userId"].tolist() == [big, big + 1, big + 2]
    panel = pd.read_parquet(paths.PROCESSED / "set-month" / "panel.parquet")
    assert (panel["movieId"] == big).all() and (panel["release_year"] == 1999).all()


def test_numbers_written_with_a_point(folder):
    """pandas writes a column of whole numbers so once a single value is missing."""
    write_log(folder, ["1.0,10,4,978300000.0", "2.0,10,3,980900000.0"])
    meta, requests = repaired(folder)
    assert requests["userId"].tolist() == [1, 2]
    assert requests["timestamp"].tolist() == [978300000, 980900000]


def test_summary_lists_repairs_and_matches_the_file(folder):
    write_log(folder, ROWS + ROWS[:1])
    meta, _ = repaired(folder)
    stored = read_meta(paths.PROCESSED / "set-month")
    assert stored == meta
    text = summary(meta)
    for part in (
        "rows               3",
        "movies             2",
        "slots              4",
    ):
        assert part in text
    assert "1  rows with the user, movie and time of another: first one kept" in text
