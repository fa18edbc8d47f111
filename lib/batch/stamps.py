"""What a finished notebook left behind, so that a second call need not repeat it.

A stamp holds a hash of everything that the notebook read (its source, parameters, the
parts of lib that it imports, the data set, the notebooks before it) and of what it
wrote. The notebook is up to date while both still hold.
"""

import ast
import csv
import functools
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from lib import paths
from lib.errors import UserError
from lib.files import write_text
from lib.parameters import cell_tags

NUMBERED = re.compile(r"(\d\d)_")
LIBRARY = Path(__file__).parents[1]
MOST_FILES = 10_000  # in the folder of a data set


def digest(*parts: object) -> str:
    """SHA-256 of values that JSON can hold."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str | None:
    """SHA-256 of a file's content, None where there is no file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):  # also a name that no file can have
        return None


def notebook_digest(notebook: dict) -> str:
    """Hash of the cells' code and text; stored outputs and ids do not count."""
    return digest(
        [[c["cell_type"], c["source"], cell_tags(c)] for c in notebook["cells"]]
    )


def library_digest(notebook: dict) -> str:
    """Hash of the parts of lib that a notebook imports, and of all that these import.

    So a change in `lib.report` repeats no training.
    """
    cells = [c["source"] for c in notebook["cells"] if c["cell_type"] == "code"]
    lines = "\n".join(cells).splitlines()
    code = "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))
    found, queue = set(), list(_imported(code, LIBRARY))
    while queue:
        path = queue.pop()
        if path not in found:
            found.add(path)
            queue += _imported_by(path)
    found |= {data for path in found for data in path.parent.glob("*.json")}
    return digest(
        [[str(p.relative_to(LIBRARY)), file_digest(p)] for p in sorted(found)]
    )


@functools.cache
def _imported_by(path: Path) -> list[Path]:
    return list(_imported(path.read_text("utf-8"), path.parent))


def _imported(code: str, folder: Path) -> Iterator[Path]:
    """Files of lib that some code imports, at the top or within a function."""
    try:
        tree = ast.parse(code)
    except SyntaxError:  # the notebook will say so when it runs
        return
    bound: dict[str, str] = {}  # name in the code → what it was imported from
    nodes = list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                bound[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            bound |= {alias.asname or alias.name: alias.name for alias in node.names}
    for name in bound.values():
        yield from _files(name)
    for node in nodes:
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in bound:
            # what a package offers is loaded only when it is asked for
            yield from _files(f"{bound[ast.unparse(node.value)]}.{node.attr}")
        elif isinstance(node, ast.Name) and node.id == "import_module":
            # by a name that is made while it runs; lib's own are in `_offered`
            yield from folder.glob("*.py") if folder != LIBRARY else ()


def _files(name: str) -> Iterator[Path]:
    """The module, or the object's module, and the packages that it lies in."""
    first, *parts = name.split(".")
    for length in range(len(parts) + 1 if first == LIBRARY.name else 0):
        place = LIBRARY.joinpath(*parts[:length])
        module, package = place.with_name(f"{place.name}.py"), place / "__init__.py"
        yield from (path for path in (module, package) if path.is_file())
        if package.is_file() and length < len(parts):
            offered = _offered(package).get(parts[length])
            yield from [place / f"{offered}.py"] if offered else ()


@functools.cache
def _offered(package: Path) -> dict[str, str]:
    """Names that a package loads when they are asked for (`lib.names_of`): modules."""
    calls = [
        node
        for node in ast.walk(ast.parse(package.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "names_of"
    ]
    return {
        str(name.value): str(module.arg)
        for call in calls
        for module in call.keywords
        for name in ast.walk(module.value)
        if isinstance(name, ast.Constant)
    }


def reporting_digest(folder: Path = LIBRARY / "report") -> str:
    """Hash of the code and the templates that make the report.

    What Python compiles into __pycache__, when it first imports them, does not count.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return digest([file_digest(path) for path in files if path.suffix != ".pyc"])


def dataset_digest(dataset: str) -> str:
    """Hash of names, sizes and times of a data set's files; of its name if fetched.

    Raises:
        UserError: the folder holds so many files that it cannot be one data set.
    """
    place = paths.resolve(dataset)
    if not place.exists():
        return digest(dataset)
    files = [place] if place.is_file() else list(islice(place.rglob("*"), MOST_FILES))
    if len(files) == MOST_FILES:
        raise UserError(
            f"{place}: more than {MOST_FILES:,} files lie here; expected the folder of "
            "one data set"
        )
    return digest(str(place), [describe(file) for file in sorted(files)])


def describe(path: Path) -> list:
    """Name, size in bytes and time of the last change of one file."""
    with suppress(OSError):  # a link to nothing, or a file that has just vanished
        status = path.stat()
        if path.is_file():
            return [str(path), status.st_size, status.st_mtime_ns]
    return [str(path)]


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
    try:
        with results.open(newline="", encoding="utf-8") as file:
            rows = [r for r in csv.DictReader(file) if r.get("notebook") == notebook]
    except (OSError, ValueError, csv.Error):
        return None
    return digest(rows) if rows else None


def drop_damaged_results(results: Path) -> None:
    """Delete a results.csv that cannot be read: its notebooks then run again."""
    try:
        with results.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
        whole = bool(rows) and all(
            row["notebook"] and None not in row and None not in row.values()
            for row in rows
        )
        for row in rows:
            float(row["value"])
    except FileNotFoundError:
        return
    except (KeyError, TypeError, ValueError, csv.Error):
        whole = False
    if not whole:
        results.unlink()


def read(path: Path) -> dict:
    """Read a stamp; an absent or damaged one counts as none."""
    try:
        stamp = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def holds(path: Path, described: Callable[[list[str]], dict]) -> bool:
    """Whether a stamp says what is there now.

    Args:
        path: the stamp.
        described: what is there now, given the names of the files that were written.
    """
    stamp = read(path)
    stamp.pop("seconds", None)
    files = stamp.get("files")
    return isinstance(files, dict) and stamp == described(list(files))


def seconds(path: Path) -> float | None:
    """How long it took when it last ran, None where that is not known."""
    took = read(path).get("seconds")
    return took if isinstance(took, int | float) and 0 <= took < 1e7 else None


def write(path: Path, described: dict, took: float) -> None:
    """Leave a stamp, whole or not at all."""
    stamp = described | {"seconds": round(took, 1)}
    write_text(path, json.dumps(stamp, indent=1, sort_keys=True))
