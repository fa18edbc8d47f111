"""The whole job for one data set: its notebooks, then the report.

Each notebook runs in a process of its own as soon as those that it needs have ended,
some side by side, and leaves a stamp (`stamps`), so that a stopped run goes on with
the unfinished notebooks and a finished one is not repeated.
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
from lib import paths
from lib.batch import stamps
from lib.batch.schedule import in_order
from lib.errors import UserError
from lib.paths import shown

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


def files_read(notebook: dict, run: str) -> list[Path]:
    """Files besides the data that a notebook reads: metadata's `reads`, patterns.

    `{run}` in a pattern stands for the run. So a notebook that puts many runs together,
    or shows what another command stored, is out of date when one of them changes.
    """
    patterns = notebook.get("metadata", {}).get("reads", [])
    places = {paths.ROOT, paths.OUTPUT}
    found = {f for p in patterns for at in places for f in at.glob(p.format(run=run))}
    return sorted(found)


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
            where = shown(path.parents[1])
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
    jobs: int | None = None,
    threads: int | None = None,
) -> bool:
    """Run what is not up to date, then build the report of a full run.

    Args:
        run: what to run.
        echo: called with each progress line.
        epochs: pass on the notebooks' own progress lines, too.
        jobs: notebooks at a time, None for one per core.
        threads: limit for each notebook's numerical libraries, None for all cores.

    Returns:
        Whether anything had to be done.

    Raises:
        UserError: a notebook failed, or a setting is wrong.
    """
    steps = plan(run)
    names = list(steps)

    def work(name: str) -> bool:
        if steps[name].is_current():
            return False
        began = time.perf_counter()
        steps[name].execute(echo if epochs else _silent, threads)
        seconds = time.perf_counter() - began
        echo(f"[{names.index(name) + 1}/{len(names)}] {name}: {seconds:.1f} s")
        return True

    with lock(run.state / "lock"):
        requires = {name: step.requires for name, step in steps.items()}
        busy = any(in_order(requires, work, jobs, echo).values())
        if names == list(find_notebooks(run.folder)):
            busy |= make_report(run, names, echo)
    return busy


def plan(run: Run) -> dict[str, "Step"]:
    """The notebooks that a run needs by name, in the order of their numbers.

    Raises:
        UserError: a setting is wrong.
    """
    values = check_run(run)
    sources = find_notebooks(run.folder)
    notebooks = {name: params.read_notebook(path) for name, path in sources.items()}
    names = list(notebooks)
    requires = {name: needed(name, notebooks[name], names) for name in names}
    base = [
        stamps.library_digest(next(iter(sources.values())).parent.name),
        stamps.dataset_digest(run.dataset),
        os.environ.get("KERAS_BACKEND", "tensorflow"),
    ]
    steps = {}
    for name in choose(run.only, requires):
        mine = params.declared(notebooks[name])
        given = {key: value for key, value in values.items() if key in mine}
        source = stamps.notebook_digest(notebooks[name])
        upstream = [steps[other].inputs for other in requires[name]]
        others = files_read(notebooks[name], run.key)
        upstream += [[path.name, stamps.file_digest(path)] for path in others]
        inputs = stamps.digest(base, source, given, upstream)
        steps[name] = Step(run, sources[name], given, inputs, requires[name])
    return steps


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
    """One notebook of a run.

    Attributes:
        run: the run.
        source: the notebook.
        given: parameters that it declares.
        inputs: hash of everything that it reads.
        requires: names of the notebooks that must have ended before.
    """

    run: Run
    source: Path
    given: dict
    inputs: str
    requires: list[str]

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

    def _output_files(self) -> dict[str, list]:
        return stamps.output_files(self.run.key, self.source.stem.split("_")[0])

    def execute(self, echo: Callable[[str], None], threads: int | None) -> None:
        """Run the notebook and leave its stamp."""
        execute = load("lib.batch.execute").execute
        self.stamp.unlink(missing_ok=True)
        before = self._output_files()
        progress = self.run.state / f"{self.source.stem}.progress"
        execute(
            self.source,
            self.executed,
            self.given,
            progress=progress,
            echo=echo,
            threads=threads,
        )
        after = self._output_files()
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
    reporting = load("lib.report")
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
    echo(f"{shown(made[0])} and .html: {seconds:.1f} s")
    return True
