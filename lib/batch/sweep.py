"""Many runs from one YAML file, in parallel, each resumable by itself.

defaults:                # parameters of every run
  EPOCHS: 10
runs:
  sample-week:           # name of the run and of its folders
    dataset: sample
    slot: week
  sizes:                 # one run for each combination, sizes-UNITS=16 …
    dataset: sample
    slot: week
    notebooks: [03_lstm]
    grid:
      UNITS: [16, 32]
"""

import contextlib
import functools
import itertools
import math
import os
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from lib import paths
from lib.batch.run import Run, check_run, find_notebooks, run_all
from lib.batch.runner import Board, run_tasks, silent
from lib.data.engines import connected
from lib.errors import UserError
from lib.paths import shown
from lib.schema import SAMPLE

TOP = {"defaults", "runs"}
OWN = {"notebooks", "grid", "dataset", "slot"}
MOST_BYTES, MOST_RUNS, DEEPEST = 200_000, 10_000, 12  # of a file of runs
MOST_AT_ONCE = 500  # runs that wait for a cluster
TEXT = (":str", ":int", ":float", ":merge")  # tags of keys, a run may be called 7


class Loader(yaml.SafeLoader):
    """YAML without the parts that would be surprising here.

    Keys said twice (also in another case), keys that are no text, such as `no`,
    anchors, which can make ten lines a billion, and depth without end are refused.
    """

    depth = 0

    def compose_node(self, parent, index):
        """Count how deep it goes; PyYAML reads what lies within from here."""
        if self.check_event(yaml.AliasEvent) or self.depth > DEEPEST:
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(
                problem=f"found an alias or more than {DEEPEST} levels; write it out",
                problem_mark=mark,
            )
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node, deep=False):
        """Refuse a key that stands there twice, or becomes True, None or a date."""
        seen = set()
        for key, _ in node.value:
            name, fault = str(key.value).lower(), ""
            if name in seen:
                fault = "is said twice here"
            elif not key.tag.endswith(TEXT):
                fault = "is read as no text; write it in quotes"
            if fault:
                raise yaml.MarkedYAMLError(
                    problem=f"{key.value} {fault}", problem_mark=key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> object:
    """The content of a YAML file.

    Raises:
        UserError: names the file, the line and the fault.
    """
    try:
        if not path.is_file():
            there = "no regular file" if path.exists() else "no such file"
            raise UserError(f"{path}: {there}; expected a YAML file of runs")
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path}: larger than {MOST_BYTES:,} bytes; split it up")
        return yaml.load(path.read_text(encoding="utf-8"), Loader)  # a SafeLoader
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}); expected a YAML file of runs"
        ) from None
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "this is not YAML text"
        raise UserError(f"{path}{where}: {problem}; expected YAML") from None


def read_runs(
    path: Path, folder: Path | None = None, given: dict[str, str] | None = None
) -> list[Run]:
    """Read and check a file of runs.

    Args:
        path: the YAML file.
        folder: where the notebooks are, None for the repository's.
        given: dataset, slot and parameters for entries that do not say; a data set
            given so becomes part of the runs' names.

    Returns:
        The runs, grids expanded, in the order of the file.

    Raises:
        UserError: names the entry that is wrong, and what was expected.
    """
    content = _mapping(read_yaml(path), str(path))
    _only(content, TOP, str(path))
    defaults = _mapping(content.get("defaults") or {}, f"{path}, defaults")
    runs = []
    for name, entry in _mapping(content.get("runs"), f"{path}, runs").items():
        where = f"{path}, run {name}"
        own = _upper(defaults, where) | _upper(_mapping(entry, where), where)
        merged = (given or {}) | own
        if given and "dataset" not in own:
            name = f"{name}-{paths.run_name(merged['dataset'], merged['slot'])}"
        runs += _expand(str(name), merged, folder, where)
        if len(runs) > MOST_RUNS:
            raise UserError(f"{path}: more than {MOST_RUNS:,} runs; split it up")
    names = {}
    for run in runs:
        try:
            check_run(run)
        except UserError as error:
            raise UserError(f"{path}, run {run.key[:60]}: {error}") from None
        # some systems do not tell A from a
        if (same := names.setdefault(run.key.lower(), run)) is not run:
            raise UserError(
                f"{path}: two runs have the name {run.key} ({same.key}); rename one"
            )
    return runs


def _mapping(value: object, where: str) -> dict:
    if not isinstance(value, dict) or (not value and not where.endswith("defaults")):
        found = type(value).__name__
        raise UserError(f"{where}: found {found}, expected `name: value` lines")
    return value


def _only(mapping: dict, allowed: set[str], where: str) -> None:
    for key in mapping:
        if key not in allowed:
            names = ", ".join(sorted(allowed))
            raise UserError(f"{where}: unknown entry {key}; expected {names}")


def _upper(entry: dict, where: str) -> dict:
    """Parameter names in the notebooks' upper case; the sweep's own stay."""
    for key in entry:
        if str(key) != str(key).lower() and str(key).lower() in OWN:
            raise UserError(f"{where}: found {key}; write {str(key).lower()}")
    return {k if k in OWN else str(k).upper(): v for k, v in entry.items()}


def _expand(name: str, entry: dict, folder: Path | None, where: str) -> Iterator[Run]:
    only = entry.pop("notebooks", [])
    if not isinstance(only, list) or not all(isinstance(item, str) for item in only):
        raise UserError(f"{where}, notebooks: expected a list such as [03_lstm]")
    known = find_notebooks(folder)
    for notebook in only:
        if notebook not in known:
            names = ", ".join(known)
            raise UserError(f"{where}: no notebook {notebook}; there are {names}")
    grid = entry.pop("grid", {}) or {}
    if not isinstance(grid, dict) or not all(
        isinstance(v, list) and v for v in grid.values()
    ):
        raise UserError(f"{where}, grid: expected lines such as UNITS: [16, 32]")
    number = math.prod(map(len, grid.values()))
    if number > MOST_RUNS:
        most = f"expected {MOST_RUNS:,} at most"
        raise UserError(f"{where}, grid: {number:,} runs; {most}")
    grid = _upper(grid, where)
    for values in itertools.product(*grid.values()):
        point = dict(zip(grid, values, strict=True))
        suffix = "".join(
            f"-{key.upper()}={_word(value)}" for key, value in point.items()
        )
        merged = entry | point
        dataset, slot = merged.pop("dataset", SAMPLE), merged.pop("slot", "week")
        if (
            not name
            or isinstance(dataset, list | dict)
            or isinstance(slot, list | dict)
        ):
            raise UserError(f"{where}: expected a name, and one dataset and slot")
        yield Run(
            str(dataset),
            str(slot),
            parameters=merged,
            name=name + suffix,
            folder=folder,
            only=tuple(only),
        )


def _word(value: object) -> str:
    """A value as part of a folder's name."""
    items = value if isinstance(value, list) else [value]
    return "+".join(str(item).replace("/", "_").replace(" ", "_") for item in items)


def run_sweep(
    runs: list[Run],
    *,
    jobs: int | None = None,
    cluster: str | None = None,
    echo: Callable[[str], None] = print,
) -> list[str]:
    """Run all entries; a failing one does not stop the others.

    Args:
        runs: from `read_runs`.
        jobs: runs at a time on this machine, None for one per core.
        cluster: address of a Dask scheduler whose workers see the same files; runs go
            there instead.
        echo: called with one line per finished run.

    Returns:
        Names of the runs that failed.
    """
    began, cores = time.perf_counter(), os.cpu_count() or 1
    jobs = min(jobs or cores, len(runs))
    threads = max(1, cores // jobs)
    places = {run.key: run.state / "progress" for run in runs}
    with contextlib.ExitStack() as stack:
        start = run_one
        if cluster:
            client, jobs = stack.enter_context(connected(cluster)), len(runs)
            start = functools.partial(_on_cluster, client)
        tasks = [
            {
                "basename": run.key,
                "actions": [functools.partial(start, run, threads)],
                "io": {"capture": False},
            }
            for run in runs
        ]
        echo(f"{len(runs)} runs, {jobs} at a time")
        nothing_known = dict.fromkeys(places)
        board = stack.enter_context(Board(places, nothing_known, echo, go_on=True))
        failed = list(run_tasks(tasks, board, min(jobs, MOST_AT_ONCE)))
    seconds = time.perf_counter() - began
    echo(f"{len(runs) - len(failed)} of {len(runs)} runs are done, {seconds:.0f} s")
    if failed:
        echo(f"failed: {', '.join(failed)}")
    return failed


def run_one(run: Run, threads: int) -> str:
    """Run one entry and return a line about it.

    Raises:
        UserError: it failed; an error that nobody expected is in the run's error.log.
    """
    began = time.perf_counter()
    try:
        busy = run_all(run, echo=silent, jobs=1, threads=threads)
    except UserError:
        raise
    except Exception as error:
        log = run.state / "error.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(traceback.format_exc())
        what = f"{type(error).__name__}: {error}"
        raise UserError(f"{what} (log: {shown(log)})") from error
    return f"done in {time.perf_counter() - began:.1f} s" if busy else "up to date"


def _on_cluster(client, run: Run, threads: int) -> str:
    """`run_one`, done by a worker."""
    return client.submit(run_one, run, threads, pure=False).result()
