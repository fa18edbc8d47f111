"""Runs that are killed, stopped, or meet a full disk: the next call makes all good."""

import pytest

from benchmarks.faults import disturb, halves, prepare
from tests.batch.small_series import write_notebooks


# Signals to a report are tried in tests/batch/test_pipeline.py
@pytest.mark.parametrize(
    ("command", "moments", "first"), [("data", 26, 0), ("report", 4, 3)]
)
def test_the_same_command_makes_all_good(command, moments, first, tmp_path):
    series = write_notebooks(tmp_path / "nb") if command == "report" else None
    place = prepare(tmp_path, command, series)
    assert list(disturb(place, moments, first)) == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b"x,y\n1,"),
        ("a.json", b'{"a": '),
        ("a.parquet", b"PAR1"),
        ("a.npy", b"\x93NUMPY"),
        ("a.keras", b"PK\3\4"),
        ("a.png", b"\x89PNG"),
        ("a.svg", b"<svg>"),
        ("a.html", b"<html>"),
        ("a.pdf", b"%PDF-1.7"),
    ],
)
def test_half_a_file_is_noticed(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    (tmp_path / f".{name}").write_bytes(content)
    assert list(halves(tmp_path)) == [name]
