"""Memory that is free here: the machine's, or the container's where that is less."""

import os
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from lib.errors import UserError

LEAST = 1_500_000_000  # bytes of address space; libraries map 0.8 GB before any data
A_NOTEBOOK, A_MOVIE = 10**9, 45_000  # bytes that one holds, see benchmarks/scale.py
THREADS = ("POLARS_MAX_THREADS", "POLARS_ASYNC_THREAD_COUNT")
# Processes that run side by side share a GPU; the first must not take all its memory.
SHARED_GPU = {
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}
MOST_THREADS = max(256, os.cpu_count() or 1)


def check_limit() -> None:
    """Refuse a limit of address space that the libraries' threads do not fit into.

    A thread of Polars that cannot start may leave the others waiting for it for good.

    Raises:
        UserError: names the limit and the remedy.
    """
    try:
        import resource
    except ImportError:  # Windows knows no such limit
        return
    for flag, kind in {"v": resource.RLIMIT_AS, "d": resource.RLIMIT_DATA}.items():
        limit = resource.getrlimit(kind)[0]
        if 0 <= limit < LEAST:
            raise UserError(
                f"memory: this shell allows {limit / 1e9:.2f} GB (ulimit -{flag}), "
                f"expected at least {LEAST / 1e9:.1f}; raise it or set "
                f"`ulimit -{flag} unlimited`"
            )


def check_threads() -> None:
    """Refuse numbers of threads that Polars never ends to start, or cannot read.

    Raises:
        UserError: names the variable and the remedy.
    """
    for name in THREADS:
        text = os.environ.get(name, "").strip()
        if not text:
            os.environ.pop(name, None)  # Polars would warn of an empty one
        elif not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_THREADS:
            raise UserError(
                f"{name}={text}: expected a whole number from 1 to {MOST_THREADS}; "
                "leave it out for one thread per core"
            )
        else:
            os.environ[name] = str(int(text))


def free_memory(groups: Path = Path("/sys/fs/cgroup"), own: str | None = None) -> int:
    """Bytes that this process may still take.

    Control groups (version 2, or 1) limit a container, and each group those inside of
    it. Pages of files that were not used of late are given back, so they count as free.

    Args:
        groups: where the system shows its control groups.
        own: path of this process' group below it; None asks the system.
    """
    free = [psutil.virtual_memory().available]
    for folder, most, used in _groups(groups, _own_group() if own is None else own):
        try:
            limit = int((folder / most).read_text())
            rows = (folder / "memory.stat").read_text().splitlines()
            idle = int(dict(row.split() for row in rows)["inactive_file"])
            free.append(limit - int((folder / used).read_text()) + idle)
        except (OSError, ValueError, KeyError):
            continue  # no group here, or one without a limit
    return max(min(free), 0)


def of_a_notebook(movies: int) -> int:
    """Bytes that a notebook's process, or a worker of it, is expected to hold."""
    return A_NOTEBOOK + A_MOVIE * movies


class Room:
    """Memory for tasks that run side by side: one begins when its part is left.

    What tasks need is counted, not what they hold: that comes little by little.
    """

    def __init__(self):
        self.free, self.needs, self.changed = 0, [], threading.Condition()

    @contextmanager
    def taken(self, need: int, tell: Callable[[str], object]) -> Generator[None]:
        """Wait until `need` bytes are left, or until no other task runs.

        Args:
            need: bytes that the task is expected to hold at most, roughly.
            tell: gets a line when it has to wait.

        Raises:
            UserError: not even half of it is free where no other task runs.
        """
        with self.changed:
            while self.needs and sum(self.needs) + need > self.free:
                tell(f"waits for about {need / 1e9:.1f} GB of memory")
                self.changed.wait()
            if not self.needs:
                self.free = free_memory()
                if need > 2 * self.free:
                    raise UserError(
                        f"about {need / 1e9:.1f} GB of memory are needed, "
                        f"{self.free / 1e9:.1f} are free; close other programs, or "
                        "take a part of the log with MAX_SLOTS"
                    )
            self.needs.append(need)
        try:
            yield
        finally:
            with self.changed:
                self.needs.remove(need)
                self.changed.notify_all()


def _own_group() -> str:
    """Path of this process' group of version 2, the outermost where there is none."""
    try:
        rows = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return ""
    return next((row[3:] for row in rows if row.startswith("0::")), "")


def _groups(root: Path, own: str) -> Iterator[tuple[Path, str, str]]:
    """Folders of groups, with the names of the files that tell limit and use."""
    inner = root / own.strip("/")
    for folder in (inner, *inner.parents):
        if folder.is_relative_to(root):
            yield folder, "memory.max", "memory.current"
    yield root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
