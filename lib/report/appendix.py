"""The appendix: how a report was made, from records, so that nobody types a number."""

import csv
import os
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import nbformat
import pandas as pd
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell

from lib.parameters import declared
from lib.report.document import table_output

PACKAGES = (
    "keras tensorflow tensorflow-cpu jax torch numpy pandas polars narwhals dask "
    "scikit-learn lightgbm matplotlib papermill nbconvert typst pypandoc-binary"
)


def appendix(notebooks: list[Path], run_dir: Path, meta: dict) -> list[NotebookNode]:
    """Cells of the appendix.

    Args:
        notebooks: executed notebooks.
        run_dir: folder with the run's results.csv.
        meta: what preprocessing recorded about the data.
    """
    read = {path.stem: nbformat.read(path, as_version=4) for path in notebooks}
    cells = [
        _heading("# How this report was made", chapter="made"),
        _heading(
            "Every number in this report was written by the notebooks named in the "
            "captions, in one run with the data, software and parameters listed here."
        ),
    ]
    sections = [
        ("Data and repairs", data_rows(meta), "The data and what was repaired in them"),
        ("Software", version_rows(read), "Versions and device"),
        ("Seeds", seed_rows(read, run_dir), "Seeds"),
        ("Parameters", parameter_rows(read), "Parameters of every notebook"),
        ("Running times", time_rows(read), "Running times"),
    ]
    for title, rows, caption in sections:
        if len(rows) > 1:
            with pd.option_context("display.max_colwidth", None):
                html = pd.DataFrame(rows[1:], columns=rows[0]).to_html(index=False)
            output = table_output(html, f"{caption}.")
            table = new_code_cell(outputs=[output])
            table.metadata["report"] = {}
            cells += [_heading(f"## {title}"), table]
    return cells


def _heading(source: str, **report: str) -> NotebookNode:
    cell = new_markdown_cell(source)
    cell.metadata["report"] = report
    return cell


def data_rows(meta: dict) -> list[tuple]:
    """Source files, and each repair with its count and the action taken."""
    rows = [("what", "count", "action")]
    rows += [(Path(name).name, "", "read") for name in meta.get("sources", [])]
    repairs = meta.get("repairs", [])
    for item in [*repairs, *meta.get("notes", [])]:
        rows.append((item["what"], f"{item['count']:,}", item["action"]))
    if meta and not repairs:
        rows.append(("faults that need a repair", "0", "none"))
    return rows


def recorded_environment(notebooks: dict[str, NotebookNode]) -> dict[str, str]:
    """What notebooks displayed with `metadata={"environment": {…}}`."""
    found = {}
    for notebook in notebooks.values():
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                found |= output.get("metadata", {}).get("environment", {})
    return found


def version_rows(notebooks: dict[str, NotebookNode]) -> list[tuple]:
    """Python, packages, Keras backend and device."""
    rows = [("item", "version")]
    rows.append(("python", _python(notebooks)))
    for name in PACKAGES.split():
        try:
            rows.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            continue
    facts = {
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
        "device": f"CPU, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.machine()}",
        **recorded_environment(notebooks),
    }
    return rows + [(name, str(value)) for name, value in facts.items()]


def _python(notebooks: dict[str, NotebookNode]) -> str:
    for notebook in notebooks.values():
        version = notebook.metadata.get("language_info", {}).get("version")
        if version:
            return version
    return platform.python_version()


def used_parameters(notebook: NotebookNode) -> Iterator[tuple[str, object, str]]:
    """Name, value and meaning of each parameter with which a notebook ran."""
    given = notebook.metadata.get("papermill", {}).get("parameters", {})
    for parameter in declared(notebook).values():
        value = given.get(parameter.name, parameter.default)
        yield parameter.name, value, parameter.help


def parameter_rows(notebooks: dict[str, NotebookNode]) -> list[tuple]:
    """Every parameter of every notebook; one row where notebooks share it."""
    users: dict[tuple, list[str]] = {}
    for name, notebook in notebooks.items():
        for parameter, value, meaning in used_parameters(notebook):
            users.setdefault((parameter, _shown(value), meaning), []).append(name)
    rows = [("notebook", "parameter", "value", "meaning")]
    for row, names in users.items():
        numbers = ", ".join(name.partition("_")[0] for name in names)
        rows.append((numbers if len(names) > 1 else names[0], *row))
    return rows


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "–" if value in (None, "") else str(value)


def seed_rows(notebooks: dict[str, NotebookNode], run_dir: Path) -> list[tuple]:
    """Seeds among the parameters, and those in results.csv."""
    rows = [("source", "seeds")]
    for name, notebook in notebooks.items():
        for parameter, value, _ in used_parameters(notebook):
            if "SEED" in parameter:
                rows.append((f"{name}, {parameter}", _shown(value)))
    results = run_dir / "results.csv"
    if results.is_file():
        with results.open(newline="") as file:
            seeds = {row.get("seed") or "" for row in csv.DictReader(file)} - {""}
        if seeds:
            rows.append(("results.csv", ", ".join(sorted(seeds))))
    return rows


def time_rows(notebooks: dict[str, NotebookNode]) -> list[tuple]:
    """Start and duration of every notebook."""
    rows = [("notebook", "started (UTC)", "seconds")]
    for name, notebook in notebooks.items():
        record = notebook.metadata.get("papermill", {})
        if record.get("duration"):
            started = str(record["start_time"])[:16].replace("T", " ")
            rows.append((name, started, f"{record['duration']:.1f}"))
    return rows
