"""What a finished notebook left behind: files, hashes."""

from pathlib import Path

import pytest

from lib import paths
from lib.batch import stamps
from lib.parameters import read_notebook


def test_a_damaged_stamp_holds_nothing(tmp_path):
    path = tmp_path / "state" / "01.json"
    described = {"inputs": "x", "files": {"a.npy": "1"}}

    def holds() -> bool:
        return stamps.holds(
            path, lambda names: {"inputs": "x", "files": {"a.npy": "1"}}
        )

    stamps.write(path, described, 3.2)
    assert holds() and stamps.seconds(path) == 3.2
    whole = path.read_text()
    for text in ("", whole[:9], "[1]", "null", '{"files": 1}', '{"files": []}'):
        path.write_text(text)
        assert not holds() and stamps.seconds(path) is None
    for place in range(len(whole)):
        flipped = chr(ord(whole[place]) ^ 4)
        path.write_text(whole[:place] + flipped + whole[place + 1 :])
        holds()  # no error, whatever it says now
    path.unlink()
    path.mkdir()
    assert not holds()


NOTEBOOK = """
{imports}
%matplotlib inline
"""


def book(imports: str) -> dict:
    return {
        "cells": [{"cell_type": "code", "source": NOTEBOOK.format(imports=imports)}]
    }


def test_only_the_imported_parts_of_the_library_count(tmp_path, monkeypatch):
    library = tmp_path / "lib"
    for name, text in {
        "__init__": "",
        "a/__init__": "",
        "a/one": "from lib.b import two",
        "b/__init__": "__getattr__ = names_of(__name__, real=('two',), other=('x',))",
        "b/real": "",
        "b/other": "",
        "c/__init__": "",
        "c/three": "def late():\n    from lib import d",
        "d/__init__": "import_module(f'lib.d.{1}')",
        "d/e": "",
    }.items():
        (library / name).parent.mkdir(parents=True, exist_ok=True)
        (library / f"{name}.py").write_text(text)
    monkeypatch.setattr(stamps, "LIBRARY", library)

    def changed(imports: str) -> set[str]:
        """Files whose change is noticed."""
        found = set()
        for path in library.rglob("*.py"):
            text, before = path.read_text(), stamps.library_digest(book(imports))
            path.write_text(text + "\n# more")
            stamps._imported_by.cache_clear()
            stamps._offered.cache_clear()
            if stamps.library_digest(book(imports)) != before:
                found.add(path.relative_to(library).with_suffix("").as_posix())
            path.write_text(text)
        return found

    one = {"__init__", "a/__init__", "a/one", "b/__init__", "b/real"}
    assert changed("from lib.a import one") == one
    assert changed("import lib.b") == {"__init__", "b/__init__"}
    asked = {"__init__", "b/__init__", "b/other"}
    assert changed("from lib import b\nb.x()") == asked
    assert changed("import lib.b as short\nshort.x()") == asked
    assert changed("import lib.b\nlib.b.x()") == asked
    three = changed("from lib.c.three import late")
    assert three == {"__init__", "c/__init__", "c/three", "d/__init__", "d/e"}
    assert changed("import json") == set()


@pytest.mark.parametrize("name", ["01_preprocess", "03_lstm", "06_compare_models"])
def test_a_change_in_the_report_repeats_no_training(name, monkeypatch):
    notebook = read_notebook(paths.NOTEBOOKS / f"{name}.ipynb")
    read = []
    monkeypatch.setattr(stamps, "file_digest", lambda path: read.append(path))
    stamps.library_digest(notebook)
    folders = {path.relative_to(stamps.LIBRARY).parts[0] for path in read}
    assert folders >= {"data", "figures", "notebook.py"}
    known = {str(path.relative_to(stamps.LIBRARY)) for path in read}
    if name != "01_preprocess":
        assert known >= {"experiments/task.py", "evaluation/metrics.py"}
    assert not folders & {"report", "batch", "recommenders", "__main__.py"}


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("notebook,model,value\n01,lstm,0.5\n", True),
        ("notebook,model,value\n01,lstm,0.5\n01,ls", False),
        ("notebook,model,value\n01,lstm,\n", False),
        ("notebook,model,value\n01,lstm,0.5,7\n", False),
        ("notebook,model,valve\n01,lstm,0.5\n", False),
        ("notebook,model,value\n,lstm,0.5\n", False),
        ("", False),
        ("\0\0\0", False),
    ],
)
def test_results_that_cannot_be_read_are_made_again(tmp_path, text, kept):
    path = tmp_path / "results.csv"
    stamps.drop_damaged_results(path)
    path.write_text(text)
    stamps.drop_damaged_results(path)
    assert path.exists() == kept


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
