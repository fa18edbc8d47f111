"""Notebooks that are none, or whose parameters cannot be read: one line, no hang."""

import json
import os

import pytest

from lib.batch.run import Run, run_all
from lib.errors import UserError
from lib.parameters import read_notebook


def one_cell(source, tags=("parameters",), **about):
    cell = {"cell_type": "code", "source": source, "metadata": {"tags": tags}}
    return json.dumps({"cells": [cell], "metadata": about, "nbformat": 4})


NO_NOTEBOOKS = {
    "deep": "[" * 100_000,
    "no kind": '{"cells": [{"source": "x"}]}',
    "metadata of a cell": '{"cells": [{"cell_type": "code", "source": "", '
    '"metadata": []}]}',
    "metadata": '{"cells": [], "metadata": []}',
    "tags": one_cell("X = 1", None),
    "source": one_cell({"X": 1}),
    "source of numbers": one_cell([1, 2]),
    "requires": one_cell("X = 1", requires=5),
    "reads": one_cell("X = 1", reads=[5]),
    "another format": one_cell("X = 1").replace('"nbformat": 4', '"nbformat": 99'),
}
NO_PARAMETERS = {
    "syntax": "X = = 1",
    "computed": "import os\nX = os.getcwd()",
    "NUL": "X = 1\0",
    "nested": "X = " + "(" * 5000 + "1" + ")" * 5000,
    "digits": "X = " + "9" * 5000,
    "no end": "X = '''abc",
    "indented": "X = 1\n  Y = 2",
}


@pytest.mark.parametrize("kind", NO_NOTEBOOKS)
def test_what_is_no_notebook_is_told_in_one_line(kind, tmp_path):
    path = tmp_path / "01_x.ipynb"
    path.write_text(NO_NOTEBOOKS[kind])
    with pytest.raises(UserError, match="01_x.ipynb: this is not a notebook"):
        read_notebook(path)


@pytest.mark.parametrize("kind", NO_PARAMETERS)
def test_parameters_that_are_no_literals_are_told_in_one_line(kind, tmp_path):
    path = tmp_path / "01_x.ipynb"
    path.write_text(one_cell(NO_PARAMETERS[kind]))
    with pytest.raises(UserError, match="parameters cannot be read") as caught:
        read_notebook(path)
    assert len(str(caught.value)) <= 300


def test_a_pipe_is_no_notebook(tmp_path):
    os.mkfifo(tmp_path / "01_x.ipynb")
    with pytest.raises(UserError, match="not a notebook"):
        read_notebook(tmp_path / "01_x.ipynb")


@pytest.mark.parametrize("pattern", ["/etc/*", ""])
def test_a_notebook_names_what_it_reads_from_the_project_on(pattern, tmp_path, place):
    (tmp_path / "01_x.ipynb").write_text(one_cell("X = 1", reads=[pattern]))
    with pytest.raises(UserError, match="metadata.reads"):
        run_all(Run("sample", "week", folder=tmp_path))
