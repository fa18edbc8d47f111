"""Absolute paths of the project, found from this file.

Everything the project writes lies below OUTPUT, the repository unless the environment
variable POPULARITY_OUTPUT names another folder (the tests do, so that they never touch
the results of a real run).
"""

import os
import re
from pathlib import Path

from lib.errors import UserError
from lib.files import read_sealed
from lib.text import shown_path, shown_text

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
# of a loop of links `resolve` raises, before anything could say so in a line
OUTPUT = Path(os.path.realpath(os.environ.get("POPULARITY_OUTPUT") or ROOT))
RAW = OUTPUT / "data" / "raw"
PROCESSED = OUTPUT / "data" / "processed"
FIGURES = OUTPUT / "figures"
REPORT = OUTPUT / "report"
LONGEST = 120  # characters of a folder's name; with what is added, systems take 255


def recorded(run: str) -> dict:
    """What preprocessing recorded about a run's data in meta.json.

    Empty where it has not run yet or the file is damaged: notebook 01 writes it, and
    `lib.data.preprocessing.read_meta` says so where the data are needed.
    """
    try:
        return read_sealed(PROCESSED / run / "meta.json")
    except (OSError, ValueError):
        return {}


def resolve(dataset: str, start: str | Path = ROOT) -> Path:
    """Path of a data set given as a path; relative ones start at the repository.

    A notebook's working directory differs between JupyterLab and a batch run, the
    repository does not.

    Raises:
        UserError: no file can have such a name, or its folder cannot be read.
    """
    shown = shown_path(dataset.rstrip("/") or dataset)
    try:
        path = (Path(start).expanduser() / Path(dataset).expanduser()).resolve()
        path.exists()  # raises where the name is too long
        str(path).encode()  # Polars and JSON take no other names
    except UnicodeEncodeError as error:
        raise UserError(
            f"DATASET={shown}: found a name that is not UTF-8, which cannot be read "
            "here; rename it, or set PYTHONUTF8=1 if its letters are only foreign to "
            "this shell"
        ) from error
    except (OSError, RuntimeError, ValueError) as error:  # a loop, NUL, 5,000 letters
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            f"DATASET={shown}: cannot be opened ({shown_text(reason, 60)}); expected "
            "'sample', a path or the name of a MovieLens set"
        ) from error
    return path


def dataset_name(dataset: str) -> str:
    """Name of a data set: the last component of a path, else the name itself."""
    return resolve(dataset).name


def run_name(dataset: str, slot: str) -> str:
    """Name of the folders that belong to one data set cut into one kind of slot."""
    return f"{folder_name(dataset_name(dataset))}-{folder_name(slot.lower())}"


def folder_name(text: str) -> str:
    """A text as the name of a folder that every system, and a shell, takes as it is."""
    return re.sub(r"[^\w.+=-]", "_", text)[:LONGEST].lstrip("._+=-") or "unnamed"


def shown(path: Path) -> str:
    """A path as people type it: relative where it lies below the working directory."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
