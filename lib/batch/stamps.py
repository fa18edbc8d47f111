"""What a finished notebook left behind, so that a second call need not repeat it.

A stamp holds a hash of everything that the notebook read (its source, parameters, the
library, the data set, the notebooks before it) and a description of what it wrote.
The notebook is up to date while both still hold.
"""

import csv
import hashlib
import json
import os
import re
from pathlib import Path

from lib import paths
from lib.parameters import cell_tags

NUMBERED = re.compile(r"(\d\d)_")
LIBRARY = Path(__file__).parents[1]
# These run notebooks or print them; no number depends on them.
NOT_IN_RESULTS = {"pipeline", "sweep", "stamps", "execution", "parameters", "__main__"}
NOT_IN_RESULTS |= {"readme", "command_line", "schedule"}
SERIES = {"recommenders"}  # packages of one series of notebooks each


def digest(*parts: object) -> str:
    """SHA-256 of values that JSON can hold."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str | None:
    """SHA-256 of a file's content, None where there is no file."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def notebook_digest(notebook: dict) -> str:
    """Hash of the cells' code and text; stored outputs and ids do not count."""
    return digest(
        [[c["cell_type"], c["source"], cell_tags(c)] for c in notebook["cells"]]
    )


def library_digest(series: str = "", folder: Path = LIBRARY) -> str:
    """Hash of the code that notebooks call.

    Args:
        series: name of a package of the library that belongs to one series of
            notebooks, such as "recommenders"; only that series calls it.
        folder: the library.
    """
    others = {"report", *SERIES} - {series}
    files = [
        path
        for path in sorted(folder.rglob("*.py"))
        if path.stem not in NOT_IN_RESULTS
        and not others & set(path.relative_to(folder).parts)
    ]
    names = [str(path.relative_to(folder)) for path in files]
    return digest(names, [file_digest(path) for path in files])


def reporting_digest(folder: Path = LIBRARY / "report") -> str:
    """Hash of the code and the templates that make the report.

    What Python compiles into __pycache__, when it first imports them, does not count.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return digest([file_digest(path) for path in files if path.suffix != ".pyc"])


def dataset_digest(dataset: str) -> str:
    """Hash of names, sizes and times of a data set's files; of its name if fetched."""
    place = paths.resolve(dataset)
    if not place.exists():
        return digest(dataset)
    files = [place] if place.is_file() else sorted(place.rglob("*"))
    return digest(str(place), [describe(file) for file in files if file.is_file()])


def describe(path: Path) -> list:
    """Name, size in bytes and time of the last change of one file."""
    status = path.stat()
    return [str(path), status.st_size, status.st_mtime_ns]


def output_files(run: str, number: str) -> dict[str, list]:
    """Figures and processed data of a run, by path, with size and time.

    Notebooks that run side by side begin the names of what they write with their own
    number, as in 03_loss.png.

    Args:
        run: name of the run.
        number: of a notebook; files that bear another's are left out.
    """
    found = {}
    for folder in (paths.PROCESSED / run, paths.FIGURES / run):
        for path in sorted(folder.rglob("*")):
            parts = path.relative_to(folder).parts
            owner = NUMBERED.match(path.name)
            # training/ holds checkpoints that later notebooks may extend
            if "training" in parts or any(part.startswith(".") for part in parts):
                continue
            if path.is_file() and (owner is None or owner[1] == number):
                found[os.path.relpath(path, paths.OUTPUT)] = describe(path)[1:]
    return found


def result_rows(results: Path, notebook: str) -> str | None:
    """Hash of one notebook's rows in results.csv, None where it wrote none."""
    if not results.is_file():
        return None
    with results.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("notebook") == notebook]
    return digest(rows) if rows else None


def read_stamp(path: Path) -> dict:
    """Read a stamp; an absent or damaged one counts as none."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def write_stamp(path: Path, stamp: dict) -> None:
    """Write a stamp whole or not at all, whenever the process is stopped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps(stamp, indent=1, sort_keys=True))
    os.replace(draft, path)


def make_stamp(inputs: str, executed: Path, results: Path, files: list[str]) -> dict:
    """Describe a notebook that has just ended.

    Args:
        inputs: hash of everything that it read.
        executed: the executed copy.
        results: results.csv of the run.
        files: figures and data files it wrote, relative to the output folder.
    """
    return {
        "inputs": inputs,
        "executed": file_digest(executed),
        "results": result_rows(results, executed.stem),
        "files": {name: (paths.OUTPUT / name).stat().st_size for name in files},
    }


def is_current(stamp: dict, inputs: str, executed: Path, results: Path) -> bool:
    """Whether a notebook's inputs and outputs are still those of its stamp."""
    return (
        stamp.get("inputs") == inputs
        and stamp.get("executed") == file_digest(executed)
        and stamp.get("results") == result_rows(results, executed.stem)
        and all(
            (paths.OUTPUT / name).is_file()
            and (paths.OUTPUT / name).stat().st_size == size
            for name, size in stamp.get("files", {}).items()
        )
    )
