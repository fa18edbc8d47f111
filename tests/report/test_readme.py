"""The README: its numbers are those of the stored runs, its commands exist."""

import re

from lib.paths import ROOT
from lib.report.readme import RUNS, with_results

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_results_are_those_of_the_stored_runs():
    assert README == with_results(README), "run make readme"
    assert all((ROOT / "report" / run / "results.csv").exists() for run in RUNS)


def test_every_make_target_exists():
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    used = set(re.findall(r"(?:`|^)make ([a-z]+)", README, re.MULTILINE))
    assert used and used <= targets
    phony = " ".join(re.findall(r"^\.PHONY: (.*)", makefile, re.MULTILINE))
    assert set(phony.split()) == targets


def test_what_the_tree_names_is_there():
    tree = re.search(r"## Where things are\s+```(.*?)```", README, re.S)[1]
    for name in re.findall(r"\b[a-z_]+\.(?:py|toml|lock|yml)\b", tree):
        found = [ROOT / name, *ROOT.glob(f"lib/**/{name}")]
        assert any(path.exists() for path in found), name


def test_pictures_are_stored():
    for path in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (ROOT / path).exists(), path
