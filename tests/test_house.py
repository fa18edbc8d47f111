"""The order of the house: imports go one way, along the data, and never in a circle."""

import ast
import importlib

import pytest

from lib.paths import ROOT

# A folder may import from those before it; "" is lib's own root.
ORDER = ["", "data", "evaluation", "forecast", "figures", "experiments"]
ORDER += ["recommenders", "report", "batch"]
# Folders that stand beside each other: neither knows the other.
APART = {("recommenders", "forecast"), ("recommenders", "experiments")}
# What a command or a notebook calls first may reach down into every folder.
ENTRANCES = {"lib.__main__", "lib.notebook"}


def modules() -> dict[str, ast.Module]:
    """Every module of the package by its dotted name, parsed."""
    found = {}
    for path in sorted((ROOT / "lib").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = ast.parse(path.read_text("utf-8"))
    return found


MODULES = modules()


def imports(name: str) -> set[str]:
    """Modules of the package that a module imports, anywhere in its code."""
    found = set()
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lib"):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else node.module)
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.split(".")[0] == "lib"}
    return found


def folder(name: str) -> str:
    """The folder of lib that a module lies in."""
    first = name.split(".")[1] if "." in name else ""
    return first if first in ORDER else ""


@pytest.mark.parametrize("name", sorted(set(MODULES) - ENTRANCES))
def test_imports_go_one_way(name):
    own = folder(name)
    for other in imports(name):
        there = folder(other)
        assert ORDER.index(there) <= ORDER.index(own), f"{name} imports {other}"
        assert (own, there) not in APART, f"{name} imports {other}"


def test_no_circle():
    waiting = {name: imports(name) & set(MODULES) - {name} for name in MODULES}
    while free := {name for name, needs in waiting.items() if not needs}:
        waiting = {n: needs - free for n, needs in waiting.items() if n not in free}
    assert not waiting, f"these import each other: {sorted(waiting)}"


def test_evaluation_and_figures_know_no_model():
    for name in MODULES:
        if folder(name) in ("evaluation", "figures", "data"):
            text = ast.unparse(MODULES[name])
            assert "import keras" not in text and "import tensorflow" not in text


@pytest.mark.parametrize("name", ORDER[1:])
def test_a_face_offers_a_dozen_names_that_are_no_modules(name):
    face = importlib.import_module(f"lib.{name}")
    offered = getattr(face, "__all__", [])
    assert len(offered) <= 12
    assert not {f"lib.{name}.{one}" for one in offered} & set(MODULES)
    assert all(getattr(face, one) is not None for one in offered)


def test_the_root_stays_small():
    files = [p for p in (ROOT / "lib").glob("*.py") if not p.name.startswith("__")]
    assert len(files) <= 12
