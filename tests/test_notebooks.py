"""The committed notebooks: their anatomy and their outputs."""

import ast
import json
import re

import nbformat
import pytest

from lib.parameters import coerce, declared, read_notebook
from lib.paths import NOTEBOOKS
from lib.schema import RESULT_COLUMNS

FILES = sorted(NOTEBOOKS.glob("**/[0-9]*.ipynb"))
POPULARITY = [path for path in FILES if path.parent == NOTEBOOKS]
EXPECTED = ["preprocess", "explore", "lstm", "gru", "conv1d_lstm", "compare_models"]


def name(path):
    return str(path.relative_to(NOTEBOOKS))


@pytest.fixture(params=FILES, ids=name)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def prose(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def test_the_series_is_complete():
    assert [p.stem for p in POPULARITY] == [
        f"{number:02d}_{slug}" for number, slug in enumerate(EXPECTED, start=1)
    ]


def test_a_network_needs_no_other_network():
    """So that a sweep of one notebook runs only that one and the preprocessing."""
    for path in POPULARITY[1:5]:
        metadata = nbformat.read(path, as_version=4).metadata
        assert metadata["requires"] == ["01_preprocess"], path.name


def test_it_opens_with_a_title_and_ends_with_next_and_references(notebook):
    headings = re.findall(r"^#+ .*", "\n".join(prose(notebook)), re.MULTILINE)
    assert [h for h in headings if h.startswith("# ")] == headings[:1]
    assert headings[1].startswith("## 0")
    assert headings[-3:] == ["## What we learned", "## Next", "## References"]
    sections = [int(n) for n in re.findall(r"^## (\d+)", "\n".join(headings), re.M)]
    assert sections == list(range(len(sections)))


def test_one_cell_holds_literal_parameters_with_comments(notebook):
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    for line in tagged[0].source.splitlines():
        statement = ast.parse(line).body[0]
        assert statement.targets[0].id.isupper()
        ast.literal_eval(statement.value)
        assert "  # " in line


@pytest.mark.parametrize("path", FILES, ids=name)
def test_what_the_documentation_types_is_taken(path):
    known = declared(read_notebook(path))
    typed = {
        "SLOT": ("91d", "hour"),
        "SEEDS": ("0,1,2", "0"),
        "SWEEP": ("none", "large"),
        "DATASET": ("ml-100k", "../data/ratings.csv"),
        "ORIGINS": ("0", "4"),
        "OPTIMIZER": ("sgd",),
        "EPOCHS": ("1",),
    }
    for parameter in typed.keys() & known.keys():
        for value in typed[parameter]:
            coerce(known[parameter], value)


def test_cells_are_short_and_announced(notebook):
    lengths = [len(c.source.splitlines()) for c in notebook.cells if c.source]
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert max(len(c.source.splitlines()) for c in code) <= 40
    assert sorted(lengths)[len(lengths) // 2] <= 10
    assert len(prose(notebook)) >= len(code) / 2


@pytest.mark.parametrize("path", POPULARITY[:5], ids=name)
def test_code_cells_fit_a_glance_and_name_our_modules_as_they_are(path):
    cells = nbformat.read(path, as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    lengths = sorted(len(source.splitlines()) for source in code)
    assert lengths[-1] <= 20 and lengths[len(lengths) // 2] <= 7
    assert not re.search(r"from lib\b.* import .* as ", "\n".join(code))


def test_the_networks_stand_in_their_notebooks():
    shown = {"03": "layers.LSTM(", "04": "layers.GRU(", "05": "layers.Conv1D("}
    for path in POPULARITY[2:5]:
        assert shown[path.name[:2]] in path.read_text(), path.name


@pytest.mark.parametrize("path", POPULARITY[:5], ids=name)
def test_words_are_plain(path):
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(cell.source for cell in cells)
    for word in ("foretell", "foretold", "renown", "anew", "nats saved", "noise floor"):
        assert word not in text
    assert not re.search("seed 1", text, re.IGNORECASE)


def test_every_cell_was_run_in_order_and_none_failed(notebook):
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1))
    kinds = {o.output_type for c in code for o in c.outputs}
    assert kinds <= {"display_data", "execute_result", "stream"}
    assert "display_data" in kinds


@pytest.mark.parametrize("path", FILES, ids=name)
def test_it_is_light_and_names_no_machine(path):
    text = path.read_text()
    assert len(text) < 1_000_000
    assert not re.search(r"/(home|root|Users|tmp|work)/", text)
    assert json.loads(text)["metadata"]["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize("path", POPULARITY, ids=name)
def test_it_reads_only_what_lower_numbers_write(path):
    linked = re.findall(r"\]\((\d\d)_\w+\.ipynb\)", path.read_text())
    number = int(path.name[:2])
    assert all(int(other) <= number + 1 for other in linked)
    assert RESULT_COLUMNS[0] == "notebook"
