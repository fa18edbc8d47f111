"""Runs that are killed, stopped, or meet a full disk: the next call makes all good."""

import errno
import os
import subprocess
import sys

import polars as pl
import pytest
from matplotlib.figure import Figure

from benchmarks.broken_disk import BrokenDisk, can_break
from benchmarks.faults import disturb, halves, prepare
from lib import paths
from lib.data.text_tables import polars_errors
from lib.figures.style import save_figure
from tests.batch.small_series import write_notebooks


# Signals to a report are tried in tests/batch/test_pipeline.py
@pytest.mark.parametrize(
    ("command", "moments", "first"), [("data", 25, 0), ("report", 5, 3)]
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


@pytest.mark.skipif(not can_break(), reason="no listener for calls on this system")
@pytest.mark.parametrize(
    ("what", "code"),
    [
        ("folders", "os.mkdir(at + '/new')"),
        ("opening", "open(at + '/new', 'w')"),
        ("writing", "os.write(os.open(at + '/a', os.O_RDWR), b'x')"),
        ("removing", "os.remove(at + '/a')"),
    ],
)
@pytest.mark.parametrize("times", [1, None])
def test_a_broken_disk_answers_eio_and_no_other_does(what, code, times, tmp_path):
    for name in ("good", "broken"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").touch()
    lines = ["import os", "found = []", "for at in ('good', 'broken', 'broken'):"]
    lines += [" try:", f"  {code}", "  found.append(0)"]
    lines += [" except OSError as error:", "  found.append(error.errno)"]
    disk = BrokenDisk(tmp_path / "broken", what, 0, times)
    process = subprocess.Popen(
        [sys.executable, "-c", "\n".join([*lines, "print(found)"])],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=disk.install,
    )
    disk.watch()
    found = process.communicate(timeout=60)[0].strip()
    assert found == f"[0, {errno.EIO}, {0 if times else errno.EIO}]"


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS])
def test_what_polars_says_of_a_disk_is_told_as_of_one(number):
    said = f"parquet: underlying IO error: {os.strerror(number)} (os error {number})"
    with pytest.raises(OSError) as caught, polars_errors():
        raise pl.exceptions.ComputeError(said)
    assert caught.value.errno == number


def test_a_figure_is_whole_or_not_there(tmp_path, monkeypatch):
    def half(figure, place, **options):
        place.write_text("<svg>")
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(paths, "FIGURES", tmp_path)
    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.raises(OSError, match="Input/output error"):
        save_figure(Figure(), "01_x", "A figure.", "run")
    assert list((tmp_path / "run").iterdir()) == []
