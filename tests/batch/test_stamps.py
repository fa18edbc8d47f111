"""What a finished notebook left behind: files, hashes."""

import json
from pathlib import Path

from lib.batch import stamps


def test_stamp_is_written_whole(tmp_path):
    path = tmp_path / "state" / "01.json"
    stamps.write_stamp(path, {"inputs": "x"})
    assert stamps.read_stamp(path) == {"inputs": "x"}
    path.write_text(json.dumps({"inputs": "x"})[:5])
    assert stamps.read_stamp(path) == {}


def test_compiled_files_do_not_change_the_report(tmp_path):
    (tmp_path / "build.py").touch()
    before = stamps.reporting_digest(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "build.cpython-311.pyc").touch()
    assert stamps.reporting_digest(tmp_path) == before
    (tmp_path / "page.typ").touch()
    assert stamps.reporting_digest(tmp_path) != before


def test_a_numbered_file_belongs_to_the_notebook_of_that_number(place):
    folder = place / "data" / "processed" / "sample-week"
    (folder / "training").mkdir(parents=True)
    for name in ("panel.parquet", "03_a.npy", "04_b.npy", ".03_a.npy", "training/c"):
        (folder / name).touch()
    for number, own in {"03": "03_a.npy", "04": "04_b.npy"}.items():
        found = {Path(name).name for name in stamps.output_files("sample-week", number)}
        assert found == {"panel.parquet", own}
