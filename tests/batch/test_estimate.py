"""What a first report says of the time that it takes."""

import re

import pytest

from lib import paths
from lib.__main__ import ending
from lib.batch import Run
from lib.batch.estimate import guess
from lib.batch.runner import Board
from lib.errors import UserError
from tests.test_item_name import page_views


def test_the_guess_grows_with_the_grid(place):
    log = str(page_views(place / "views.csv"))
    names = {"ITEM_COLUMN": "page", "ITEM_NAME": "page"}
    day = guess(log, "day", names)
    assert "from about 60 slots × 40 pages" in day and "roughly 10 to 20 min" in day
    hours = guess(log, "hour", names)
    assert "1,440 slots × 40 pages" in hours
    assert "from about 5 slots" in guess(log, "day", names | {"MAX_SLOTS": 5})


@pytest.mark.parametrize("name", ["ml-25m", "nowhere.csv", "broken.csv", "strange.zip"])
def test_what_is_not_here_or_cannot_be_read_has_a_general_guess(name, place):
    (place / "broken.csv").write_text("userId,movieId,timestamp\n1,2,never\n")
    (place / "strange.zip").write_bytes(b"PK")
    path = place / name
    text = guess(str(path) if path.exists() else name, "week", {})
    assert re.fullmatch(r"roughly 10 to 20 min on 2 cores, and 4 to 8 more .*", text)


def test_the_sample_has_a_measured_time_and_a_wrong_slot_none():
    assert guess("sample", "week", {}) == "roughly 3 to 8 min on 2 cores"
    with pytest.raises(UserError, match="SLOT=fortnight"):
        guess("sample", "fortnight", {})


def test_the_guess_stands_where_nothing_was_measured(tmp_path):
    said = []
    names = ["01_a", "02_b"]
    files = {name: tmp_path / name for name in names}
    for seconds in ({"01_a": None, "02_b": None}, {"01_a": 3.0, "02_b": 70.0}):
        Board(files, seconds, said.append).announce("run", names, 1, lambda: "an hour")
    assert said[0].endswith("; a first report takes an hour")
    assert said[1].endswith("; they took 73 s of work the last time")


def test_a_report_ends_with_its_place_its_findings_and_what_is_next(monkeypatch):
    monkeypatch.setattr(paths, "REPORT", paths.ROOT / "report")
    lines = ending(Run("ml-100k", "7d"))
    assert len(lines) == 5 and all(len(line) <= 300 for line in lines)
    assert "ml-100k-7d/report.pdf" in lines[0] and "make forecast" in lines[-1]
    assert all(re.search(r"\d\.\d{4}", line) for line in lines[1:4])
