"""Tasks in order and side by side, by doit, and lines that tell how far they are."""

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from doit import control
from doit.api import run_tasks as run_with_doit
from doit.cmd_base import ModuleTaskLoader
from doit.reporter import ZeroReporter
from rich.console import Group
from rich.live import Live
from rich.text import Text

EVERY = 10  # seconds between two signs of life where nothing can be rewritten
EQUALS = "\x1f"  # stands for "=" within doit, which allows none in a task's name


class _InOrder(dict):
    """A set that keeps its order."""

    add = dict.setdefault


class _Node(control.ExecNode):
    """What doit knows of a task; its own set of those that wait has no order."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.waiting_me = _InOrder()


control.ExecNode = _Node  # ty: ignore[invalid-assignment]


class Board(ZeroReporter):
    """Tells what runs: one live line per task on a terminal, else a line now and then.

    Args:
        files: of each task, to which it appends lines while it runs.
        seconds: that each task took when it last ran, None where not known.
        echo: called with each line that stays.
        go_on: a task that fails is told of at once and stops no other.
    """

    def __init__(
        self,
        files: dict[str, Path],
        seconds: dict[str, float | None],
        echo: Callable[[str], None],
        go_on: bool = False,
    ):
        super().__init__(sys.stdout, {})
        self.files, self.seconds, self.echo = files, seconds, echo
        self.go_on = go_on
        self.names = list(files)
        self.began: dict[str, float] = {}  # of the tasks that run now
        self.errors: dict[str, Exception] = {}
        self.ended = threading.Event()
        shown = sys.stdout.isatty() and echo is not silent
        self.live = Live(get_renderable=self._lines) if shown else None
        self.pulse = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self):
        self.live.start() if self.live else self.pulse.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        if self.live:
            self.live.stop()

    def announce(
        self, run: str, waiting: list[str], jobs: int, guess: Callable[[], str] | None
    ) -> None:
        """Say what will happen, and how long it took the last time, else a guess."""
        known = [self.seconds[name] for name in waiting]
        tell = f"{run}: {len(waiting)} of {len(self.names)} steps to run, {jobs} at a "
        tell += "time" if jobs > 1 else "time, one after the other"
        if took := sum(s for s in known if s) * (None not in known):
            tell += f"; they took {duration(took)} of work the last time"
        elif guess and len(waiting) == len(self.names):
            tell += f"; a first report takes {guess()}"
        self.echo(tell)

    def execute_task(self, task) -> None:
        """Called by doit, in the task's thread, when it begins."""
        name = task.name.replace(EQUALS, "=")
        self.files[name].unlink(missing_ok=True)
        self.began[name] = time.monotonic()
        if not self.live:
            self.echo(f"{self._label(name)} …")

    def add_success(self, task) -> None:
        """Called by doit when a task has ended well."""
        name = task.name.replace(EQUALS, "=")
        seconds = time.monotonic() - self.began.pop(name)
        self.echo(f"{self._label(name)}: {task.result or f'{seconds:.1f} s'}")

    def add_failure(self, task, fail) -> None:
        """Called by doit when a task has failed; those that run are waited for."""
        name = task.name.replace(EQUALS, "=")
        self.began.pop(name, None)
        error = self.errors.setdefault(name, RuntimeError(fail.get_msg()))
        if self.go_on:
            self.echo(f"{self._label(name)}: {error}")
        elif self.began:
            self.echo(f"{name} failed; waiting for {', '.join(self.began)}")

    def _label(self, name: str) -> str:
        return f"[{self.names.index(name) + 1}/{len(self.names)}] {name}"

    def _lines(self) -> Group:
        running = sorted(self.began.items())
        return Group(
            *(
                Text(self._line(*task), overflow="ellipsis", no_wrap=True)
                for task in running
            )
        )

    def _line(self, name: str, began: float) -> str:
        """How far a task is, with the time left where the last run tells it."""
        ran = time.monotonic() - began
        parts = [f"{self._label(name)}: {duration(ran)}"]
        if (before := self.seconds[name]) and before > ran:
            parts.append(f"about {duration(before - ran)} left")
        try:
            lines = self.files[name].read_text("utf-8").split("\n")
            parts += [line.strip() for line in lines[:-1][-1:]]
        except (OSError, ValueError):
            pass  # nothing has been told yet, or half a character
        return " · ".join(parts)

    def _beat(self) -> None:
        while not self.ended.wait(EVERY):
            for task in list(self.began.items()):
                self.echo(self._line(*task))


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def silent(line: str) -> None:
    """Say nothing."""


def run_tasks(tasks: list[dict], board: Board, jobs: int) -> dict[str, Exception]:
    """Do tasks that are not up to date, each after those it depends on.

    Of those that can begin, the first of the list does.

    Args:
        tasks: as doit takes them, each with a `basename` and one action, which may
            return a line to be told.
        board: told when each begins and ends.
        jobs: tasks at a time.

    Returns:
        Task → what its action raised.

    Raises:
        KeyboardInterrupt: at once; what runs ends with this process.
    """
    for task in tasks:
        task["actions"] = [_kept(task["basename"], *task["actions"], board.errors)]
        task["basename"] = task["basename"].replace("=", EQUALS)
        after = task.get("task_dep", [])
        task["task_dep"] = [name.replace("=", EQUALS) for name in after]

    def task_all():
        yield from tasks

    config = {"reporter": board, "num_process": jobs, "par_type": "thread"}
    # Its own record is of no use here, see lib.batch.run: it vanishes at the end.
    config |= {"backend": "sqlite3", "dep_file": ":memory:", "continue": board.go_on}
    config |= {"verbosity": 0}
    loader = ModuleTaskLoader({"task_all": task_all, "DOIT_CONFIG": config})
    run_with_doit(loader, {task["basename"]: {} for task in tasks})
    return board.errors


def _kept(name: str, action: Callable, errors: dict) -> Callable[[], str | None]:
    """An action whose error is kept: doit keeps no more than its text."""

    def act() -> str | None:
        try:
            return action()
        except Exception as error:
            errors[name] = error
            raise

    return act
