"""Memory that is free here: the machine's, or the container's where that is less."""

from collections.abc import Iterator
from pathlib import Path

import psutil


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
