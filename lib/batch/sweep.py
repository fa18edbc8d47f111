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

import itertools
import multiprocessing
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import yaml

from lib import paths
from lib.batch.pipeline import Run, check_run, find_notebooks, run_all
from lib.errors import UserError
from lib.paths import shown

TOP = {"defaults", "runs"}
OWN = {"notebooks", "grid"}


def read_runs(
    path: Path, folder: Path | None = None, given: dict[str, str] | None = None
) -> list[Run]:
    """Read and check a file of runs.

    Args:
        path: the YAML file.
        folder: where the notebooks are, None for the repository's.
        given: DATASET, SLOT and parameters for entries that do not say; a data set
            given so becomes part of the runs' names.

    Returns:
        The runs, grids expanded, in the order of the file.

    Raises:
        UserError: names the entry that is wrong, and what was expected.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "this is not YAML text"
        raise UserError(f"{path}{where}: {problem}; expected YAML") from None
    entries = _mapping(content, str(path)).get("runs")
    _only(content, TOP, str(path))
    defaults = _mapping(content.get("defaults") or {}, f"{path}, defaults")
    runs = []
    for name, entry in _mapping(entries, f"{path}, runs").items():
        where = f"{path}, run {name}"
        own = {**_upper(defaults), **_upper(_mapping(entry, where))}
        merged = {**(given or {}), **own}
        if given and "DATASET" not in own:
            name = f"{name}-{paths.run_name(merged['DATASET'], merged['SLOT'])}"
        runs += _expand(str(name), merged, folder, where)
    for run in runs:
        try:
            check_run(run)
        except UserError as error:
            raise UserError(f"{path}, run {run.key}: {error}") from None
    names = [run.key for run in runs]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{path}: two runs have the name {name}; rename one")
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


def _upper(entry: dict) -> dict:
    """Parameter names in the notebooks' upper case; the sweep's own stay."""
    return {k if k in OWN else str(k).upper(): v for k, v in entry.items()}


def _expand(name: str, entry: dict, folder: Path | None, where: str) -> Iterator[Run]:
    only = entry.pop("notebooks", [])
    if not isinstance(only, list):
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
    for values in itertools.product(*grid.values()):
        point = dict(zip((str(k).upper() for k in grid), values, strict=True))
        merged = {**entry, **point}
        suffix = "".join(f"-{key}={_word(value)}" for key, value in point.items())
        dataset, slot = merged.pop("DATASET", "sample"), merged.pop("SLOT", "week")
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
    cores = os.cpu_count() or 1
    jobs = min(jobs or cores, len(runs))
    threads = max(1, cores // jobs)
    began, failed = time.perf_counter(), []
    with _pool(jobs, cluster) as submit:
        futures = {submit(run_one, run, threads): run.key for run in runs}
        for number, future in enumerate(_finished(futures, cluster), start=1):
            name = futures[future]
            try:
                good, line = future.result()
            except BrokenProcessPool:
                good, line = False, "its process was stopped"
            if not good:
                failed.append(name)
            echo(f"[{number}/{len(runs)}] {name}: {line}")
    seconds = time.perf_counter() - began
    echo(f"{len(runs) - len(failed)} of {len(runs)} runs are done, {seconds:.0f} s")
    if failed:
        echo(f"failed: {', '.join(failed)}")
    return failed


def run_one(run: Run, threads: int) -> tuple[bool, str]:
    """Run one entry; whether it ended well, and a line about it."""
    began = time.perf_counter()
    try:
        busy = run_all(
            run, echo=lambda line: None, epochs=False, jobs=1, threads=threads
        )
    except UserError as error:
        return False, str(error)
    except Exception as error:
        log = run.state / "error.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(traceback.format_exc())
        return False, f"{type(error).__name__}: {error} (log: {shown(log)})"
    if not busy:
        return True, "up to date"
    return True, f"done in {time.perf_counter() - began:.1f} s"


class _pool:
    """Submits work to processes here, or to a Dask cluster."""

    def __init__(self, jobs: int, cluster: str | None):
        self.jobs, self.cluster = jobs, cluster

    def __enter__(self) -> Callable[..., Future]:
        if self.cluster:
            self.pool = _client(self.cluster)
            return lambda *work: self.pool.submit(*work, pure=False, retries=0)
        # A fresh process for each worker: a forked one would share this one's threads.
        context = multiprocessing.get_context("spawn")
        self.pool = ProcessPoolExecutor(
            self.jobs, mp_context=context, initializer=end_with_parent
        )
        return self.pool.submit

    def __exit__(self, kind, *_):
        if self.cluster:
            self.pool.close()
        else:
            self.pool.shutdown(wait=True, cancel_futures=kind is not None)


def _client(address: str):
    from distributed import Client

    try:
        return Client(address, timeout=10)
    except (OSError, ValueError) as error:
        raise UserError(
            f"CLUSTER={address}: no Dask scheduler answers here ({error}); expected an "
            "address such as tcp://host:8786"
        ) from None


def _finished(futures: dict, cluster: str | None) -> Iterator[Future]:
    if cluster:
        from distributed import as_completed as completed

        return iter(completed(futures))
    return as_completed(futures)


def end_with_parent() -> None:
    """End a worker when the sweep's own process is gone, even by `kill -9`.

    A worker that lived on would keep its run locked for the next call.
    """
    parent = multiprocessing.parent_process()

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
