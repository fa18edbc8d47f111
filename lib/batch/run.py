"""One run of a series of notebooks: what it needs, and whether that is there.

doit puts the steps in order and side by side (`dodo.py` shows the graph). Its own
record of what is up to date is written when all has ended and knows files alone; a run
that is killed must go on from its last notebook, and a notebook owns rows of a file, so
each step leaves a stamp of its own (`lib.batch.stamps`).
"""

import contextlib
import importlib
import os
import re
import runpy
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import filelock

from lib import parameters as params
from lib import paths
from lib.batch import stamps
from lib.batch.runner import Board, run_tasks
from lib.errors import UserError
from lib.files import refuse_strange
from lib.memory import Room, of_a_notebook
from lib.paths import shown

RUN_NAME = re.compile(rf"[A-Za-z0-9][\w.+=-]{{0,{2 * paths.LONGEST - 60}}}")
ROOM = Room()
NAMES = ("DATASET", "SLOT", "RUN_NAME")  # said once for a run, not as parameters


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
        own = self.name is not None
        return self.name if own else paths.run_name(self.dataset, self.slot)

    @property
    def home(self) -> Path:
        """Folder of the results and the report."""
        return paths.REPORT / self.key

    @property
    def state(self) -> Path:
        """Folder of the stamps, the lock and the logs."""
        return self.home / ".state"

    def guess(self) -> str:
        """How long the usual notebooks take, see `lib.batch.estimate.guess`."""
        return load("lib.batch.estimate").guess(self.dataset, self.slot, self.settings)

    @property
    def results(self) -> Path:
        """The numbers of all notebooks."""
        return self.home / "results.csv"


def find_notebooks(folder: Path | None = None) -> dict[str, Path]:
    """Numbered notebooks of a folder by name, in their order.

    Raises:
        UserError: the folder has none.
    """
    folder = folder or paths.NOTEBOOKS
    found = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise UserError(
            f"{folder}: no notebooks here, expected 01_preprocess.ipynb or the like; "
            "give their folder"
        )
    return {path.stem: path for path in found}


def needed(name: str, notebook: dict, names: list[str]) -> list[str]:
    """Notebooks that must have run before: metadata's `requires`, else all lower."""
    lower = names[: names.index(name)]
    wanted = notebook.get("metadata", {}).get("requires", lower)
    return [other for other in wanted if other in lower]


def files_read(notebook: dict, run: str) -> list[Path]:
    """Files besides the data that a notebook reads: metadata's `reads`, patterns.

    `{run}` in a pattern stands for the run. So a notebook that puts many runs together,
    or shows what another command stored, is out of date when one of them changes.
    """
    patterns = notebook.get("metadata", {}).get("reads", [])
    places = {paths.ROOT, paths.OUTPUT}
    found: set[Path] = set()
    for pattern in patterns:
        try:
            for at in places:
                found |= set(at.glob(pattern.replace("{run}", run)))
        except (ValueError, NotImplementedError) as error:
            raise UserError(
                f"metadata.reads of a notebook: {pattern!r} is no pattern ({error}); "
                "expected one that starts in the project, such as report/*/results.csv"
            ) from error
    return sorted(path for path in found if path.is_file())


def check_run(run: Run) -> dict[str, object]:
    """Values for all parameters of a run, in the types of the notebooks' defaults.

    Raises:
        UserError: an unknown name, a value of a wrong type or size, or a bad run name.
    """
    if not RUN_NAME.fullmatch(run.key):
        raise UserError(
            f"{run.key[:80]!r}: the name of a run becomes a folder; use letters, "
            "digits and any of . _ + = -, beginning with a letter or digit"
        )
    for name in NAMES:
        if name in run.parameters:
            raise UserError(
                f"{name} is not a parameter of single notebooks; give it to the run "
                f"itself: make report {name}=…"
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
def lock(state: Path) -> Generator[None]:
    """Hold a run's folders; the system frees them when the process ends, however.

    Raises:
        UserError: another process holds them.
    """
    state.mkdir(parents=True, exist_ok=True)
    owner = state / "owner"
    try:
        with filelock.FileLock(state / "lock", timeout=0):
            owner.write_text(str(os.getpid()))
            yield
    except filelock.Timeout:
        number = owner.read_text()[:20] if owner.is_file() else "?"
        raise UserError(
            f"{shown(state.parent)}: process {number} is writing here; wait until it "
            "has ended, or stop it"
        ) from None


def run_all(
    run: Run,
    *,
    echo: Callable[[str], None] = print,
    jobs: int | None = None,
    threads: int | None = None,
) -> bool:
    """Run what is not up to date, then build the report of a full run.

    Args:
        run: what to run.
        echo: called with each line that tells how far it is.
        jobs: notebooks at a time, None for one per core.
        threads: limit for each notebook's numerical libraries, None for all cores.

    Returns:
        Whether anything had to be done.

    Raises:
        UserError: a notebook failed, or a setting is wrong.
    """
    steps = plan(run, threads)
    jobs = jobs or os.cpu_count() or 1
    refuse_strange(run.home, paths.PROCESSED / run.key, paths.FIGURES / run.key)
    with lock(run.state):
        stamps.drop_damaged_results(run.results)
        waiting = [step for step in steps if not step.is_current()]
        if not waiting:
            return False
        seconds = {step.name: stamps.seconds(step.stamp) for step in steps}
        numbers = {step.name: run.state / f"{step.name}.progress" for step in steps}
        with Board(numbers, seconds, echo) as board:
            first = None if run.folder or run.only else run.guess
            board.announce(run.key, [step.name for step in waiting], jobs, first)
            # the tasks of the file that stands at the top of the project
            graph = runpy.run_path(str(paths.ROOT / "dodo.py"))["graph"]
            for error in run_tasks(list(graph(steps)), board, jobs).values():
                raise error  # the first; those that had begun have ended
    return True


def plan(run: Run, threads: int | None = None) -> list["Step | Report"]:
    """The steps of a run in the order of their numbers, a full run's report last.

    Raises:
        UserError: a setting is wrong.
    """
    values = check_run(run)
    sources = find_notebooks(run.folder)
    notebooks = {name: params.read_notebook(path) for name, path in sources.items()}
    names = list(notebooks)
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    base = [stamps.dataset_digest(run.dataset), backend]
    inputs, steps = {}, []
    for name, notebook in notebooks.items():
        requires = needed(name, notebook, names)
        mine = params.declared(notebook)
        given = {key: value for key, value in values.items() if key in mine}
        others = files_read(notebook, run.key)
        inputs[name] = stamps.digest(
            base,
            stamps.notebook_digest(notebook),
            stamps.library_digest(notebook),
            given,
            [inputs[other] for other in requires],
            [[path.name, stamps.file_digest(path)] for path in others],
        )
        steps.append(Step(run, sources[name], given, inputs[name], requires, threads))
    wanted = _with_needs(run.only, {step.name: step.requires for step in steps})
    if len(wanted) < len(steps):
        return [step for step in steps if step.name in wanted]
    return [*steps, Report(run, names)]


def _with_needs(only: tuple[str, ...], requires: dict[str, list[str]]) -> set[str]:
    """The wanted notebooks, all without a wish, and those that they need.

    Raises:
        UserError: there is no such notebook.
    """
    chosen, queue = set(), list(only or requires)
    while queue:
        name = queue.pop()
        if name not in requires:
            names = ", ".join(requires)
            raise UserError(f"{name}: no such notebook; there are {names}")
        if name not in chosen:
            chosen.add(name)
            queue += requires[name]
    return chosen


def load(module: str) -> ModuleType:
    """Import a module when it is needed, on a stack of its own.

    nbformat takes a second to import, which a call with nothing to do should not pay.
    Deep in a stack it can take ten: CPython 3.11 maps and unmaps memory at each call
    that crosses the end of a piece of stack, of which that import makes 300,000.
    """
    with ThreadPoolExecutor(1) as shallow:
        return shallow.submit(importlib.import_module, module).result()


@dataclass
class Step:
    """One notebook of a run.

    Attributes:
        given: parameters that are injected.
        inputs: hash of everything that the notebook reads.
        requires: notebooks that come before it.
        threads: limit for its numerical libraries, None for all cores.
    """

    run: Run
    source: Path
    given: dict[str, object]
    inputs: str
    requires: list[str]
    threads: int | None = None

    @property
    def name(self) -> str:
        """The notebook without suffix, such as 03_lstm."""
        return self.source.stem

    @property
    def executed(self) -> Path:
        """The executed copy."""
        return self.run.home / "notebooks" / self.source.name

    @property
    def stamp(self) -> Path:
        """What describes a finished execution."""
        return self.run.state / f"{self.name}.json"

    def is_current(self) -> bool:
        """Whether all that it read and wrote is still as it was."""
        return stamps.holds(self.stamp, self._described)

    def _described(self, files: list[str]) -> dict:
        return {
            "inputs": self.inputs,
            "executed": stamps.file_digest(self.executed),
            "results": stamps.result_rows(self.run.results, self.name),
            "files": {name: stamps.file_digest(paths.OUTPUT / name) for name in files},
        }

    def execute(self) -> None:
        """Run the notebook and leave its stamp."""
        execute = load("lib.batch.execute").execute
        self.stamp.unlink(missing_ok=True)
        number = self.name.split("_")[0]
        before = stamps.output_files(self.run.key, number)
        progress = self.run.state / f"{self.name}.progress"
        need = of_a_notebook(paths.recorded(self.run.key).get("movies", 0))
        with ROOM.taken(need, lambda line: progress.write_text(f"{line}\n", "utf-8")):
            began = time.perf_counter()
            which = (self.source, self.executed, self.given)
            execute(*which, progress=progress, threads=self.threads)
        after = stamps.output_files(self.run.key, number)
        written = [name for name in after if after[name] != before.get(name)]
        took = time.perf_counter() - began
        stamps.write(self.stamp, self._described(written), took)


@dataclass
class Report:
    """The last step of a full run: report.pdf and report.html."""

    run: Run
    requires: list[str]
    name: str = "report"

    @property
    def stamp(self) -> Path:
        """What describes a finished report."""
        return self.run.state / "report.json"

    @property
    def made(self) -> list[str]:
        """The two files, relative to the output folder."""
        names = (self.run.home / f"report.{kind}" for kind in ("pdf", "html"))
        return [os.path.relpath(name, paths.OUTPUT) for name in names]

    @property
    def executed(self) -> list[Path]:
        """The executed notebooks, which it prints."""
        return [self.run.home / "notebooks" / f"{n}.ipynb" for n in self.requires]

    def is_current(self) -> bool:
        """Whether it was made from these notebooks by this code."""
        return stamps.holds(self.stamp, self._described)

    def _described(self, files: list[str]) -> dict:
        inputs = [
            paths.recorded(self.run.key),
            self.run.title,
            stamps.reporting_digest(),
            [stamps.file_digest(path) for path in self.executed],
            # its first page: the next slots, and who wrote it
            stamps.file_digest(self.run.home / "forecast.csv"),
            stamps.file_digest(paths.ROOT / "CITATION.cff"),
        ]
        made = {name: stamps.file_digest(paths.OUTPUT / name) for name in self.made}
        return {"inputs": stamps.digest(inputs), "files": made}

    def execute(self) -> None:
        """Build both files."""
        reporting = load("lib.report")
        meta, began = paths.recorded(self.run.key), time.perf_counter()
        reporting.build_report(
            self.run.home,
            notebooks=self.executed,
            meta=meta,
            title=self.run.title or reporting.report_title(meta, self.run.key),
            figures=paths.FIGURES / self.run.key,
            processed=paths.PROCESSED / self.run.key,
        )
        took = time.perf_counter() - began
        stamps.write(self.stamp, self._described(self.made), took)
