"""The README's commands for notebooks, as the field types them, in the environment."""

import os
import re
import shlex
import subprocess
import sys
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
