"""A series of two small notebooks, and how tests run it."""

import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PREPARE = 'DATASET = "sample"  # name or path\nSLOT = "week"\nRUN_NAME = ""\nLR = 0.1'
TRAIN = """EPOCHS = 3  # passes over the data
MODE = "good"
RUN_NAME = ""
MEET = []"""
RECORD = """
import csv, os, time
from pathlib import Path
run = Path(os.environ["POPULARITY_OUTPUT"]) / "report" / (RUN_NAME or "sample-week")
with open(os.environ["POPULARITY_PROGRESS"], "a") as progress:
    for epoch in range(1, EPOCHS + 1):
        print(f"02_train epoch {epoch}/{EPOCHS}", file=progress, flush=True)
        time.sleep(60 if MODE == "slow" else 0)
with (run / "results.csv").open("w", newline="") as file:
    rows = csv.writer(file)
    rows.writerow(["notebook", "model", "seed", "value"])
    rows.writerow(["02_train", "lstm", 0, EPOCHS / 7])
"""
FAIL = """
from lib.errors import UserError
if MODE == "user":
    raise UserError("log.csv: no column time; name it with TIME_COLUMN")
if MODE == "bad":
    raise ValueError("shapes (3, 4) and (5,)\\nsecond line")
"""
# Each of two runs waits for the other's file: one after the other would never end.
MEETING = """
for name in MEET:
    (run / "here").touch()
    for _ in range(300):
        if (run.parent / name / "here").exists():
            break
        time.sleep(0.1)
    else:
        raise TimeoutError(name)
"""


def write_notebooks(folder: Path) -> Path:
    """Two notebooks, the second of which needs the first."""
    folder.mkdir(exist_ok=True)
    for name, (title, parameters, *cells) in {
        "01_prepare": ("Prepare", PREPARE, "print(DATASET, SLOT)"),
        "02_train": ("Train", TRAIN, RECORD, FAIL, MEETING),
    }.items():
        notebook = new_notebook(
            cells=[
                new_markdown_cell(f"# {title}\n\nOne sentence."),
                new_code_cell(parameters, metadata={"tags": ["parameters"]}),
                *map(new_code_cell, cells),
            ]
        )
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder


def start(place: Path, *arguments: str) -> subprocess.Popen:
    """Start `python -m lib` with the notebooks of a place."""
    command = [sys.executable, "-m", "lib", *arguments]
    return subprocess.Popen(
        [*command, "--notebooks", str(place / "nb")],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(place: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit status, output and errors of a finished command."""
    process = start(place, *arguments)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def times(place: Path, name: str = "sample-week") -> dict[str, int]:
    """When each executed copy was written."""
    folder = place / "report" / name / "notebooks"
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.ipynb")}
