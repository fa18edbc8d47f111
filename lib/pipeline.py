"""The whole job for one data set: notebooks in order, then the report.

Each notebook runs in a process of its own and leaves a stamp (`lib.stamps`), so that
a stopped run goes on with the first unfinished notebook and a finished one is not
repeated.
"""

import contextlib
import fcntl
import importlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from lib import parameters as params
from lib import paths, stamps
from lib.errors import UserError

RUN_NAME = re.compile(r"[A-Za-z0-9][\w.+=-]*")


@dataclass(frozen=True)
class Run:
    """One run of a series of notebooks.

    Attributes:
        dataset: name or path, the notebooks' DATASET.
        slot: the notebooks' SLOT.
        settings: offered to every notebook that declares the name (columns, cluster …).
        parameters: values that at least one notebook must declare.
        name: name of the run's folders, None for `<dataset>-<slot>`.
        folder: where the notebooks are, None for the repository's.
        title: title of the report, None for one made from the data's record.
        only: names of the notebooks wanted, empty for all; those that they need
            run first.
    """

    dataset: str
    slot: str
    settings: dict[str, object] = field(default_factory=dict)
    parameters: dict[str, object] = field(default_factory=dict)
    name: str | None = None
    folder: Path | None = None
    title: str | None = None
    only: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Name of the run's folders."""
        return self.name or paths.run_name(self.dataset, self.slot)

    @property
    def home(self) -> Path:
        """Folder of the results and the report."""
        return paths.REPORT / self.key

    @property
    def state(self) -> Path:
        """Folder of the stamps, the lock and the logs."""
        return self.home / ".state"


def find_notebooks(folder: Path | None = None) -> dict[str, Path]:
    """Numbered notebooks of a folder by name, in their order.

    Raises:
        UserError: the folder has none.
    """
    folder = folder or paths.NOTEBOOKS
    found = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise UserError(f"{folder}: no notebooks such as 01_preprocess.ipynb here")
    return {path.stem: path for path in found}


def needed(name: str, notebook: dict, names: list[str]) -> list[str]:
    """Notebooks that must have run before: metadata's `requires`, else all lower."""
    lower = names[: names.index(name)]
    return [
        n for n in notebook.get("metadata", {}).get("requires", lower) if n in lower
    ]


def other_results(notebook: dict, run: str) -> list[Path]:
    """results.csv of runs named after this one, where metadata say `reads_runs`.

    Such a notebook puts many runs together, the points of a grid for instance; it is
    out of date when one of them changes.
    """
    if not notebook.get("metadata", {}).get("reads_runs", False):
        return []
    return sorted(paths.REPORT.glob(f"{run}-*/results.csv"))


def choose(wanted: tuple[str, ...], requires: dict[str, list[str]]) -> list[str]:
    """The wanted notebooks and all that they need, in order.

    Raises:
        UserError: there is no such notebook.
    """
    chosen = set()
    queue = list(wanted or requires)
    while queue:
        name = queue.pop()
        if name not in requires:
            raise UserError(
                f"{name}: no such notebook; there are {', '.join(requires)}"
            )
        if name not in chosen:
            chosen.add(name)
            queue += requires[name]
    return [name for name in requires if name in chosen]


def check_run(run: Run) -> dict[str, object]:
    """Values for all parameters of a run, in the types of the notebooks' defaults.

    Raises:
        UserError: an unknown name, a value of a wrong type, or a bad run name.
    """
    if not RUN_NAME.fullmatch(run.key):
        raise UserError(
            f"{run.key!r}: the name of a run becomes a folder; use letters, digits and "
            "any of . _ + = -"
        )
    known = {}
    for path in find_notebooks(run.folder).values():
        known |= params.declared(params.read_notebook(path))
    params.check_known(list(run.parameters), set(known))
    named = {"DATASET": run.dataset, "SLOT": run.slot, "RUN_NAME": run.name}
    offered = {**run.settings, **named, **run.parameters}
    return {
        name: params.coerce(known[name], value)
        for name, value in offered.items()
        if name in known and value not in (None, "")
    }


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold a run's folders; the system frees them when the process ends, however.

    Raises:
        UserError: another process holds them.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            where = stamps.shown(path.parents[1])
            raise UserError(
                f"{where}: process {file.read().strip()} is writing here; wait until "
                "it has ended, or stop it"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def run_all(
    run: Run,
    *,
    echo: Callable[[str], None] = print,
    epochs: bool = True,
    threads: int | None = None,
) -> bool:
    """Run what is not up to date, then build the report of a full run.

    Args:
        run: what to run.
        echo: called with each progress line.
        epochs: pass on the notebooks' own progress lines, too.
        threads: limit for each notebook's numerical libraries, None for all cores.

    Returns:
        Whether anything had to be done.

    Raises:
        UserError: a notebook failed, or a setting is wrong.
    """
    values = check_run(run)
    sources = find_notebooks(run.folder)
    notebooks = {name: params.read_notebook(path) for name, path in sources.items()}
    names = list(notebooks)
    requires = {name: needed(name, notebooks[name], names) for name in names}
    chosen = choose(run.only, requires)
    base = [
        stamps.library_digest(next(iter(sources.values())).parent.name),
        stamps.dataset_digest(run.dataset),
    ]
    inputs, busy = {}, False
    with lock(run.state / "lock"):
        for number, name in enumerate(chosen, start=1):
            mine = params.declared(notebooks[name])
            given = {key: value for key, value in values.items() if key in mine}
            source = stamps.notebook_digest(notebooks[name])
            upstream = [inputs[other] for other in requires[name]]
            others = other_results(notebooks[name], run.key)
            upstream += [stamps.file_digest(path) for path in others]
            inputs[name] = stamps.digest(base, source, given, upstream)
            step = Step(run, sources[name], given, inputs[name])
            if not step.is_current():
                began = time.perf_counter()
                step.execute(echo if epochs else _silent, threads)
                seconds = time.perf_counter() - began
                echo(f"[{number}/{len(chosen)}] {name}: {seconds:.1f} s")
                busy = True
        if chosen == names:
            busy |= make_report(run, chosen, echo)
    return busy


def _silent(line: str) -> None:
    pass


def load(module: str) -> ModuleType:
    """Import a module when it is needed, on a stack of its own.

    nbformat takes a second to import, which a call with nothing to do should not pay.
    Deep in a stack it can take ten: CPython 3.11 maps and unmaps memory at each call
    that crosses the end of a piece of stack, of which that import makes 300,000.
    """
    with ThreadPoolExecutor(1) as shallow:
        return shallow.submit(importlib.import_module, module).result()


@dataclass(frozen=True)
class Step:
    """One notebook of a run."""

    run: Run
    source: Path
    given: dict
    inputs: str

    @property
    def executed(self) -> Path:
        """The executed copy."""
        return self.run.home / "notebooks" / self.source.name

    @property
    def stamp(self) -> Path:
        """The stamp of a finished execution."""
        return self.run.state / f"{self.source.stem}.json"

    @property
    def results(self) -> Path:
        """The numbers of the whole run."""
        return self.run.home / "results.csv"

    def is_current(self) -> bool:
        """Whether the stamp still holds."""
        stamp = stamps.read_stamp(self.stamp)
        return stamps.is_current(stamp, self.inputs, self.executed, self.results)

    def execute(self, echo: Callable[[str], None], threads: int | None) -> None:
        """Run the notebook and leave its stamp."""
        execute = load("lib.execution").execute
        self.stamp.unlink(missing_ok=True)
        before = stamps.output_files(self.run.key)
        progress = self.run.state / "progress.log"
        execute(
            self.source,
            self.executed,
            self.given,
            progress=progress,
            echo=echo,
            threads=threads,
        )
        after = stamps.output_files(self.run.key)
        written = [name for name in after if after[name] != before.get(name)]
        stamp = stamps.make_stamp(self.inputs, self.executed, self.results, written)
        stamps.write_stamp(self.stamp, stamp)


def read_meta(run: str) -> dict:
    """What preprocessing recorded about the data; empty where it recorded nothing."""
    path = paths.PROCESSED / run / "meta.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def make_report(run: Run, names: list[str], echo: Callable[[str], None]) -> bool:
    """Build report.pdf and report.html unless they are current.

    Returns:
        Whether they had to be built.
    """
    executed = [run.home / "notebooks" / f"{name}.ipynb" for name in names]
    meta = read_meta(run.key)
    inputs = stamps.digest(
        meta,
        run.title,
        stamps.reporting_digest(),
        [stamps.file_digest(path) for path in executed],
    )
    made = [run.home / "report.pdf", run.home / "report.html"]
    stamp = run.state / "report.json"
    outputs = [stamps.file_digest(path) for path in made]
    if stamps.read_stamp(stamp) == {"inputs": inputs, "outputs": outputs}:
        return False
    reporting = load("lib.reporting")
    began = time.perf_counter()
    reporting.build_report(
        run.home,
        notebooks=executed,
        meta=meta,
        title=run.title or reporting.report_title(meta, run.key),
        figures=paths.FIGURES / run.key,
    )
    outputs = [stamps.file_digest(path) for path in made]
    stamps.write_stamp(stamp, {"inputs": inputs, "outputs": outputs})
    seconds = time.perf_counter() - began
    echo(f"{stamps.shown(made[0])} and .html: {seconds:.1f} s")
    return True
