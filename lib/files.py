"""Files and folders that are there whole or not at all.

A folder is built under a hidden name beside its place and renamed when it is complete,
so that a killed run leaves nothing that could be taken for data.
"""

import filecmp
import glob
import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import filelock
import psutil

from lib.errors import UserError
from lib.text import shown_text

RECORD = ".record.json"  # in every folder made here: what it was made from
FACTS = "facts.json"  # of files that are made once: what is known of them, and sums


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """A place to write a file to, which becomes `path` when the block ends well.

    So a reader sees the old or the new file, never half of one; when the block fails,
    the old one stays. The place has the suffix of `path`, which some writers look at.
    What a killed process left of it goes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.stem)}.*.part{path.suffix}"):
        number = left.name.removesuffix(f".part{path.suffix}").rpartition(".")[2]
        if number.isdecimal() and not psutil.pid_exists(int(number)):
            left.unlink(missing_ok=True)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all, see `replacing`."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def checksum(path: Path) -> int:
    """CRC-32 of a file: any byte that changed is noticed, at 2 GB in a second."""
    value = 0
    with path.open("rb") as file:
        while piece := file.read(2**20):
            value = zlib.crc32(piece, value)
    return value


def first_damaged(folder: Path, sums: Mapping[str, int]) -> str:
    """The first file that is gone or has another checksum, "" where all are whole."""
    for name, value in sums.items():
        try:
            whole = checksum(folder / name) == value
        except OSError:
            whole = False
        if not whole:
            return name
    return ""


def write_sealed(path: Path, content: dict) -> None:
    """Write a JSON object with a checksum of its own, for `read_sealed`."""
    seal = {"crc32": _seal_of(content)}
    write_text(path, json.dumps(content | seal, indent=1) + "\n")


def read_sealed(path: Path) -> dict:
    """What `write_sealed` wrote, to the last digit.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged, or something else.
    """
    content = _json(path)
    if not isinstance(content, dict) or content.pop("crc32", 0) != _seal_of(content):
        raise ValueError(f"{path}: not as it was written")
    return content


def _json(path: Path) -> object:
    """What a JSON file holds; a ValueError also where it is nested without end."""
    try:
        return json.loads(path.read_text("utf-8"))
    except RecursionError as error:
        raise ValueError(f"{path}: nested too deeply") from error


def _seal_of(content: dict) -> int:
    return zlib.crc32(json.dumps(content).encode())


def seal(path: Path) -> None:
    """Write a file's checksum beside it, for `sealed`."""
    write_sealed(path.with_suffix(".json"), {path.name: checksum(path)})


def sealed(path: Path) -> Path:
    """A file that `seal` saw, if it is as it was then.

    Raises:
        UserError: it is not; it begins with the number of the notebook that wrote it.
    """
    try:
        whole = not first_damaged(path.parent, read_sealed(path.with_suffix(".json")))
    except (OSError, ValueError):
        whole = False
    if not whole:
        raise UserError(
            f"{path}: damaged, its checksum is not that of when it was written; run "
            f"notebook {path.name[:2]} again"
        )
    return path


def write_facts(folder: Path, facts: dict, names: Iterable[str]) -> None:
    """Seal files that are complete, with what is known of them in JSON's types."""
    sums = {name: checksum(folder / name) for name in names}
    write_sealed(folder / FACTS, {"facts": facts, "sums": sums})


def read_facts(folder: Path) -> dict | None:
    """What `write_facts` wrote; None where it did not, or where a file is damaged.

    The latter is told in a line, since the reader makes all of them again.
    """
    try:
        found = read_sealed(folder / FACTS)
        damaged = first_damaged(folder, found["sums"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError):
        damaged = FACTS
    if damaged:
        print(f"{folder / damaged}: damaged, it is made again")
        return None
    return found["facts"]


def read_network(path: Path):
    """A saved Keras network. Code that somebody put into the file is not run.

    Raises:
        UserError: the file is damaged, or a layer of it is code.
    """
    import keras

    try:
        return keras.models.load_model(path, safe_mode=True)
    except Exception as error:  # of the zip, of JSON, of h5py, of Keras itself
        brief = shown_text(str(error).strip().partition("\n")[0], 80)
        raise UserError(
            f"{path}: not read ({brief}); expected a network that was trained here and "
            "holds no code; delete it, it is made again"
        ) from error


def refuse_strange(*folders: Path) -> None:
    """Make sure that folders of a run hold nothing but files and folders of their own.

    Raises:
        UserError: one is, or holds, a link, a pipe (reading it would never end) or a
            device.
    """
    for folder in folders:
        for path in (folder, *folder.rglob("*")):
            found = ""
            if path.is_symlink():
                found = "a link, which would be written through"
            elif path.exists() and not (path.is_file() or path.is_dir()):
                found = "a pipe or a device, which no run leaves"
            if found:
                raise UserError(
                    f"{path}: found {found}; expected a file or folder of the run "
                    "itself; remove it"
                )


@contextmanager
def locked(folder: Path, work: str = "") -> Generator[None]:
    """Let one process at a time work in `folder`, which is created if needed.

    Works of different names do not wait for each other, so that one may hold another.
    The lock lies in the machine's folder for temporary files, named after `folder`,
    since a lock file stays when it is given up and nothing should stay beside data.

    Raises:
        UserError: that folder belongs to another user.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(f"{folder.resolve()}\0{work}".encode()).hexdigest()[:32]
    owner = getattr(os, "getuid", int)()
    locks = Path(tempfile.gettempdir()) / f"movie-popularity-locks-{owner}"
    locks.mkdir(mode=0o700, exist_ok=True)
    if locks.is_symlink() or locks.stat().st_uid != owner:
        raise UserError(  # whoever owns it could let us wait for good
            f"{locks}: found a folder of somebody else, expected your own; remove it, "
            "or set TMPDIR to a folder of yours"
        )
    with filelock.FileLock(locks / name):
        yield


def read_record(folder: Path) -> dict | None:
    """What `folder` was made from, or None where it was not made by new_folder."""
    try:
        record = _json(folder / RECORD)
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


@contextmanager
def new_folder(folder: Path, record: dict) -> Generator[Path]:
    """Yield an empty folder to fill; it becomes `folder` when the block ends well.

    An older `folder` made here is replaced, or kept untouched where its files are the
    same. When the block fails, the old one stays and the new one disappears.

    Args:
        folder: the place of the finished folder.
        record: what it is made from, readable with read_record.

    Raises:
        UserError: the folder cannot be written, or something else lies in its place.
    """
    empty = folder.is_dir() and not any(folder.iterdir())
    if folder.exists() and read_record(folder) is None and not empty:
        raise UserError(
            f"{folder}: this place is taken by files that were not made here; expected "
            "a free place; move them away or rename them"
        )
    part = folder.with_name(f".{folder.name}.part")
    old = folder.with_name(f".{folder.name}.old")
    try:
        with locked(folder.parent):
            _remove(part, old)  # left by a killed run
            part.mkdir()
            try:
                yield part
                text = json.dumps(record, indent=1, sort_keys=True)
                (part / RECORD).write_text(text, "utf-8")
                if not _same_files(part, folder):
                    if folder.exists():
                        folder.rename(old)
                    part.rename(folder)
            finally:
                _remove(part, old)
    except OSError as error:
        raise UserError(
            f"{folder}: cannot be written ({error.strerror}); expected a folder with "
            "write permission and enough free space"
        ) from error


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _files(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()
    }


def _same_files(new: Path, old: Path) -> bool:
    names = _files(new)
    if names != _files(old):
        return False
    equal, *_ = filecmp.cmpfiles(new, old, names, shallow=False)
    return len(equal) == len(names)


@contextmanager
def work_folder(run: Path, names: Sequence[str], last: str) -> Generator[Path]:
    """A folder whose files move to ``run`` when the block ends well, else vanish.

    Args:
        run: where the files belong.
        names: the files that may be there; those not written vanish from `run`, too.
        last: the file that stands for a complete set.

    Raises:
        UserError: the folder cannot be written, or `refuse_strange` refuses it.
    """
    work = run.with_name(f".{run.name}.part")
    refuse_strange(run)
    try:
        with locked(run.parent):  # two runs of a sweep may need the same data
            _remove(work)  # left by a run that was killed
            work.mkdir()
            try:
                yield work
                _move(work, run, names, last)
            finally:
                _remove(work)
    except OSError as error:
        reason = error.strerror or str(error).partition("\n")[0]
        raise UserError(
            f"{run}: cannot be written ({reason}); expected a folder with write "
            "permission and free space; make room or set POPULARITY_OUTPUT to another"
        ) from error


def _move(work: Path, run: Path, names: Sequence[str], last: str) -> None:
    """Move the finished files to their place.

    `last` stands for a complete set: unless it says the same as before, it goes first
    and comes back last.
    """
    run.mkdir(exist_ok=True)
    old = run / last
    if not old.exists() or old.read_bytes() != (work / last).read_bytes():
        old.unlink(missing_ok=True)
    for name in names:
        if (work / name).exists():
            os.replace(work / name, run / name)
        else:
            (run / name).unlink(missing_ok=True)
    os.replace(work / last, old)
