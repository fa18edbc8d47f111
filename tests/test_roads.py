"""The README's commands for notebooks, as the field types them, in the environment."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from lib.paths import ROOT

BLOCK = re.search(
    r"## Notebooks\n.*?```sh\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.S
)
COMMANDS = [line.partition("#")[0].strip() for line in BLOCK[1].splitlines()]
# The same command on a notebook that runs in seconds
SMALLER = {
    "notebooks/03_lstm.ipynb": "notebooks/01_preprocess.ipynb",
    "-p EPOCHS 2": "-p SLOT month",
    "notebooks/ ": "notebooks/01_preprocess.ipynb ",
}


def test_the_readme_names_four_roads():
    assert [command.split()[0] for command in COMMANDS] == [
        *("papermill", "jupyter", "jupyter", "pytest")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_each_road_leads_somewhere(command, tmp_path):
    for name, small in SMALLER.items():
        command = f"{command} ".replace(name, small).strip()
    command = command.replace("out.ipynb", str(tmp_path / "out.ipynb"))
    if "nbconvert" in command:
        command += f" --output-dir {shlex.quote(str(tmp_path))}"
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "POPULARITY_OUTPUT": str(tmp_path)}
    environment["PATH"] = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        shlex.split(command),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if command.startswith("papermill"):
        assert (tmp_path / "data" / "processed" / "sample-month").is_dir()
        assert "sample-month/results.csv" in (tmp_path / "out.ipynb").read_text()
    for suffix in {"html", "report-pdf"} & set(command.split()):
        kind = suffix.removeprefix("report-")
        assert (tmp_path / f"01_preprocess.{kind}").stat().st_size > 10_000


CONFIG = ROOT / "lib" / "report" / "jupyter_nbconvert_config.json"


def convert(folder: Path, programs: Path) -> subprocess.CompletedProcess:
    """Call nbconvert's own PDF exporter with the package's settings."""
    notebook = folder / "empty.ipynb"
    notebook.write_text(
        '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
    )
    words = [sys.executable, "-m", "nbconvert", "--to", "pdf", str(notebook)]
    given = {"PATH": str(programs), "JUPYTER_CONFIG_PATH": str(CONFIG.parent)}
    return subprocess.run(
        words, env=os.environ | given, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("there", [(), ("pandoc",)])
def test_pdf_without_latex_names_the_exporter_that_needs_none(there, tmp_path):
    for name in there:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    done = convert(tmp_path, tmp_path)
    assert done.returncode == 1
    told = [line for line in done.stderr.splitlines() if "[NbConvertApp]" not in line]
    assert len(told) == 1 and "report-pdf" in told[0] and "xelatex" in told[0]
    assert ("no pandoc" in told[0]) == (not there)


def test_pdf_with_latex_goes_its_own_way(tmp_path):
    for name in ("pandoc", "xelatex"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 7\n")
        (tmp_path / name).chmod(0o755)
    done = convert(tmp_path, tmp_path)
    assert done.returncode != 0 and "report-pdf" not in done.stderr


def test_the_package_puts_the_setting_where_jupyter_looks(tmp_path):
    config = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    files = config["tool"]["setuptools"]["data-files"]
    assert files == {"etc/jupyter": [str(CONFIG.relative_to(ROOT))]}
    [named] = json.loads(CONFIG.read_text("utf-8"))["PDFExporter"]["preprocessors"]
    assert named == "lib.report.latex.LatexPreprocessor"
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "lib", tmp_path / "lib")
    build = "from setuptools.build_meta import build_editable; build_editable('.')"
    subprocess.run(
        [sys.executable, "-c", build], cwd=tmp_path, check=True, capture_output=True
    )
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert any(name.endswith(f".data/data/etc/jupyter/{CONFIG.name}") for name in names)
