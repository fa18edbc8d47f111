"""Large arrays that a run makes once and every notebook opens from disk.

They lie in a folder of .npy files that is there whole or not at all, named by a digest
of what they were made from, and are mapped into memory: only what is read is loaded,
and processes share it. Whoever opens them compares their checksums.
"""

import hashlib
import math
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lib import paths
from lib.errors import UserError
from lib.files import locked, read_facts, write_facts

IN_MEMORY = 50_000_000  # bytes of an array that is held in memory
New = Callable[[dict[str, tuple[tuple[int, ...], type]]], dict[str, np.ndarray]]


def identity(array: np.ndarray) -> bytes:
    """A digest of an array's content; the place of one that lies on disk, whole rows
    from the first on, since such a place is named by a digest."""
    if isinstance(array, np.memmap) and array.filename is not None:
        path = Path(array.filename)
        return f"{path.parent.name}/{path.name}{array.shape}".encode()
    content = np.ascontiguousarray(array)
    digest = hashlib.sha256(content.data)
    return f"{content.shape}{content.dtype}".encode() + digest.digest()


def made_once(
    folder: Path | None, name: str, digest: str, make: Callable[[New], dict]
) -> tuple[dict, dict[str, np.ndarray]]:
    """Arrays from disk, or made now and kept for the next who asks.

    Args:
        folder: of the run; None makes them in memory.
        name: what they are; older ones of this name are removed.
        digest: of all that they are made from.
        make: gets a function from name → (shape, dtype) to the new arrays, fills these
            and returns facts in JSON's types.

    Returns:
        The facts and name → array; those on disk can only be read.

    Raises:
        UserError: the disk has no room for them.
    """
    if folder is None:
        arrays: dict[str, np.ndarray] = {}

        def in_memory(wanted):
            arrays.update({k: np.zeros(*v) for k, v in wanted.items()})
            return arrays

        return make(in_memory), arrays
    place = folder / f"{name}-{digest[:12]}"
    with locked(folder / f".{name}"):
        if (facts := read_facts(place)) is None:
            part = folder / f".{name}" / "part"
            shutil.rmtree(part, ignore_errors=True)  # left by a killed run
            part.mkdir()
            try:
                facts = make(lambda wanted: _on_disk(part, name, wanted))
                write_facts(part, facts, sorted(p.name for p in part.glob("*.npy")))
                for old in folder.glob(f"{name}-" + "?" * 12):
                    shutil.rmtree(old)
                part.rename(place)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        files = sorted(place.glob("*.npy"))
        return facts, {path.stem: np.load(path, mmap_mode="r") for path in files}


def _on_disk(folder: Path, name: str, wanted: dict) -> dict[str, np.ndarray]:
    """New files of zeros, if the disk has room for all of them."""
    need = sum(math.prod(s) * np.dtype(kind).itemsize for s, kind in wanted.values())
    free = shutil.disk_usage(folder).free
    if need > 0.95 * free:
        raise UserError(
            f"{name}: {need / 1e9:,.1f} GB are needed on disk, {free / 1e9:,.1f} are "
            "free; choose a coarser SLOT or fewer MAX_SLOTS, make room, or set "
            "POPULARITY_OUTPUT to a larger disk"
        )
    made = {}
    for key, (shape, dtype) in wanted.items():
        path = folder / f"{key}.npy"
        made[key] = np.lib.format.open_memmap(path, "w+", dtype, shape)
        if hasattr(os, "posix_fallocate"):  # before others take the room
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return made


def scratch(shape: tuple[int, ...]) -> np.ndarray:
    """A new float64 array of zeros; a large one lies in a file without a name.

    The file vanishes with the array. The system holds in memory what is in use.
    """
    if 8 * math.prod(shape) <= IN_MEMORY:
        return np.zeros(shape)
    paths.PROCESSED.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=paths.PROCESSED) as file:
        return np.memmap(file, np.float64, "w+", shape=shape)
