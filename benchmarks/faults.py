"""Disturb commands at random moments, and see what the next call makes of what is left.

Each moment is drawn from a seed: a signal, a full disk, one whose files answer EIO, a
folder that becomes read-only or a limit of memory meets a command. Then no process and
no half file may be left, and the same command must end well, with the files of an
undisturbed run and no other. What two undisturbed runs agree on is compared byte by
byte, of results.csv all but seconds.

    python -m benchmarks.faults data 1000
    python -m benchmarks.faults forecast 50 --first 1000
"""

import argparse
import ctypes
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq

from benchmarks.broken_disk import CALLS, BrokenDisk, can_break
from lib.paths import NOTEBOOKS, ROOT

SMALL = {"EPOCHS": "1", "SEEDS": "0"}
COMMANDS = {  # with what makes them small
    "data": {},
    "report": SMALL | {"SWEEP": "none"},
    "recommenders": {"QUICK": "1"},
    "forecast": SMALL,
}
THREADS = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "2", "JOBS": "2"}
SERIES = ("01_preprocess", "04_gru")  # of `report`
GRACE = 10  # seconds in which what a command has started may end after it
MAY_STAY = ("report/error.log",)  # what went wrong, until it goes wrong again
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}


@dataclass(frozen=True)
class Place:
    """Where commands run: a small log, notebooks, and an output that is made anew."""

    folder: Path
    command: str
    dataset: str
    variables: dict[str, str]
    notebooks: Path | None = None

    @property
    def output(self) -> Path:
        """POPULARITY_OUTPUT of the commands."""
        return self.folder / "out"

    def start(self, before: Callable[[], None] | None = None) -> subprocess.Popen:
        """Start the command; `before` is called in its process."""
        words = [sys.executable, "-m", "lib", self.command]
        words += ["--dataset", self.dataset]
        if self.notebooks:
            words += ["--notebooks", str(self.notebooks)]
        own = {"POPULARITY_OUTPUT": str(self.output), "PYTHONPATH": str(ROOT)}
        own |= {"TMPDIR": str(self.folder / "tmp")}
        return subprocess.Popen(
            words,
            cwd=self.folder,
            env=os.environ | THREADS | self.variables | own,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,  # a file could not grow where files may not
            text=True,
            errors="replace",
            preexec_fn=before,
            start_new_session=True,
        )

    def clear(self) -> None:
        """Make the output anew."""
        shutil.rmtree(self.output, ignore_errors=True)
        for name in ("out", "tmp"):
            (self.folder / name).mkdir(exist_ok=True)


def prepare(folder: Path, command: str, series: Path | None = None) -> Place:
    """Write a log of 1,200 requests and choose notebooks.

    Args:
        folder: an empty one.
        command: one of COMMANDS.
        series: notebooks of `report` that read no data, None for two of the project's.
    """
    rng = np.random.default_rng(0)
    columns = [rng.integers(1, top, 1200) for top in (31, 41, 6)]
    times = 978300000 + rng.integers(0, 210 * 86400, 1200)
    lines = np.column_stack([*columns, times])
    head = "userId,movieId,rating,timestamp"
    np.savetxt(folder / "log.csv", lines, "%d", ",", header=head, comments="")
    if series:
        return Place(folder, command, "sample", {}, series)
    if command == "report":
        series = folder / "nb"
        series.mkdir()
        for name in SERIES:
            shutil.copy(NOTEBOOKS / f"{name}.ipynb", series)
    log = str(folder / "log.csv")
    return Place(folder, command, log, COMMANDS[command], series)


def files(output: Path) -> dict[str, str]:
    """Path below the output → digest of the content, seconds of results left out."""
    found = {}
    for path in output.rglob("*"):
        name = path.relative_to(output).as_posix()
        if path.is_file() and name not in MAY_STAY:
            lines = path.read_bytes().splitlines(keepends=True)
            if name.endswith("results.csv"):
                lines = [line for line in lines if b"seconds" not in line]
            found[name] = hashlib.sha256(b"".join(lines)).hexdigest()
    return found


@dataclass(frozen=True)
class Calm:
    """An undisturbed run: its seconds, files, and those that are always the same."""

    seconds: float
    files: dict[str, str]
    same: set[str]
    largest: int
    total: int


def undisturbed(place: Place) -> Calm:
    """Run the command twice where nothing happens to it."""
    seconds, found = [], []
    for _ in range(2):
        place.clear()
        began = time.monotonic()
        process = place.start()
        said = process.communicate()[1]
        if process.returncode:
            raise RuntimeError(said)
        seconds.append(time.monotonic() - began)
        found.append(files(place.output))
    sizes = [p.stat().st_size for p in place.output.rglob("*") if p.is_file()]
    same = {name for name, value in found[0].items() if found[1].get(name) == value}
    same = {name for name in same if not name.endswith(".progress")}  # what was told
    return Calm(min(seconds), found[1], same, max(sizes), sum(sizes))


# What each fault gives: the command that met it, and when or how it did.
Met = tuple[subprocess.Popen, str]


def with_signal(place: Place, calm: Calm, rng: np.random.Generator, number: int) -> Met:
    """Send a signal; one that stops a process is followed by one that lets it go on."""
    process, after = place.start(), rng.uniform(0, calm.seconds)
    time.sleep(after)
    process.send_signal(number)
    if number == signal.SIGSTOP:
        time.sleep(rng.uniform(0, 1))
        process.send_signal(signal.SIGCONT)
    return process, f"after {after:.2f} s"


def with_limit(place: Place, calm: Calm, rng: np.random.Generator, kind: int) -> Met:
    """Limit the size of files or the memory of all processes."""
    small, large = {
        resource.RLIMIT_FSIZE: (1, calm.largest),
        resource.RLIMIT_AS: (2**27, 2**33),
    }[kind]
    limit = int(np.exp(rng.uniform(np.log(small), np.log(large))))
    process = place.start(lambda: resource.setrlimit(kind, (limit, limit)))
    return process, f"{limit:,} bytes"


def on_full_disk(place: Place, calm: Calm, rng: np.random.Generator) -> Met:
    """Write to a disk of a random size; `mended` makes it larger."""
    blocks = int(rng.uniform(1, 1 + calm.total / 4096))
    options = ["-t", "tmpfs", "-o", f"size={blocks * 4096}", "none"]
    subprocess.run(["mount", *options, str(place.output)], check=True)
    return place.start(), f"{blocks * 4096:,} bytes"


def on_read_only(place: Place, calm: Calm, rng: np.random.Generator) -> Met:
    """Take the right to write away while the command runs, also from root."""
    process = place.start(lambda: ctypes.CDLL(None).prctl(24, 1))  # CAP_DAC_OVERRIDE
    after = rng.uniform(0, calm.seconds)
    time.sleep(after)
    for folder in _folders(place.output):
        folder.chmod(0o555)
    return process, f"after {after:.2f} s"


def on_broken_disk(place: Place, calm: Calm, rng: np.random.Generator) -> Met:
    """Let one kind of call for files of the output fail, once or from then on."""
    what, after = str(rng.choice(list(CALLS))), rng.uniform(0, calm.seconds)
    times = 1 if rng.integers(2) else None
    disk = BrokenDisk(place.output, what, after, times)
    process = place.start(disk.install)
    disk.watch()
    return process, f"{what}, {'once' if times else 'always'} after {after:.2f} s"


FAULTS = {name: partial(with_signal, number=s) for name, s in SIGNALS.items()}
FAULTS |= {
    "stop": partial(with_signal, number=signal.SIGSTOP),
    "file limit": partial(with_limit, kind=resource.RLIMIT_FSIZE),
    "input/output error": on_broken_disk,
    "full disk": on_full_disk,
    "read-only": on_read_only,
    "memory": partial(with_limit, kind=resource.RLIMIT_AS),
}
if os.geteuid():
    del FAULTS["full disk"]  # only root may mount one
if not can_break():
    del FAULTS["input/output error"]


def mended(place: Place) -> None:
    """What takes back that the disk is full or read-only."""
    if os.path.ismount(place.output):
        full = place.folder / "full"
        shutil.copytree(place.output, full, symlinks=True)
        subprocess.run(["umount", str(place.output)], check=True)
        place.output.rmdir()
        full.rename(place.output)
    for folder in _folders(place.output):
        folder.chmod(0o755)


def _folders(output: Path) -> list[Path]:
    return [output, *(path for path in output.rglob("*") if path.is_dir())]


def left_running(place: Place) -> list[str]:
    """Processes that still work for the output, after a while."""
    until = time.monotonic() + GRACE
    while True:
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("POPULARITY_OUTPUT") == str(place.output):
                    found.append(" ".join(process.cmdline())[:80])
        if not found or time.monotonic() > until:
            return found
        time.sleep(0.1)


def halves(output: Path) -> Iterator[str]:
    """Files under their own name that are not whole; a hidden one is no result."""
    for path in output.rglob("*"):
        name = path.relative_to(output)
        hidden = any(part.startswith(".") for part in name.parts)
        if path.is_file() and not hidden and ".running" not in path.suffixes:
            try:
                good = _whole(path)
            except Exception:
                good = False
            if not good:
                yield str(name)


def _whole(path: Path) -> bool:
    """Whether a file can be read to its end."""
    kind, content = path.suffix, path.read_bytes()
    ends = {".pdf": b"%%EOF", ".html": b"</html>", ".svg": b"</svg>"}
    if kind == ".parquet":
        return pq.read_table(path) is not None
    if kind in (".json", ".ipynb"):
        return isinstance(json.loads(content), dict)
    if kind == ".npy":
        return np.load(path, mmap_mode="r") is not None
    if kind in (".keras", ".npz", ".zip"):
        return zipfile.ZipFile(path).testzip() is None
    if kind == ".csv":
        return content.endswith(b"\n")
    if kind == ".png":
        return content[-8:-4] == b"IEND"
    return content.rstrip().endswith(ends.get(kind, b""))


def fault_of(place: Place, calm: Calm, fault: str, seed: int) -> str:
    """Disturb one run and repeat it; "" where all is well, else what is wrong."""
    rng = np.random.default_rng([seed, list(FAULTS).index(fault)])
    place.clear()
    patience = 60 + 20 * calm.seconds
    process, how = FAULTS[fault](place, calm, rng)
    found = []
    try:
        said = process.communicate(timeout=patience)[1]
        if fault != "memory" and ("Traceback" in said or "unexpected" in said):
            found.append(f"said {said.strip()[-200:]!r}")
        if fault == "stop" and process.returncode:
            found.append(f"status {process.returncode} after it was let go on")
    except subprocess.TimeoutExpired:
        found.append(f"no end after {patience:.0f} s")
    finally:
        found += [f"left running: {words}" for words in left_running(place)]
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        mended(place)
    found += [f"half a file: {name}" for name in halves(place.output)]
    found += _repeated(place, calm, patience)
    return "; ".join([how, *found]) if found else ""


def _repeated(place: Place, calm: Calm, patience: float) -> Iterator[str]:
    """What is wrong with the same command, called again."""
    process = place.start()
    try:
        said = process.communicate(timeout=patience)[1]
        if process.returncode:
            yield f"then status {process.returncode}: {said.strip()[-200:]!r}"
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        yield "then no end"
    now = files(place.output)
    other = [name for name in calm.same & now.keys() if now[name] != calm.files[name]]
    for what, names in {
        "missing": calm.files.keys() - now,
        "left": now.keys() - calm.files,
        "other": other,
    }.items():
        if names:
            yield f"then {len(names)} {what}: {', '.join(sorted(names)[:3])}"


def disturb(place: Place, moments: int, first: int = 0) -> Iterator[str]:
    """Go through all faults in turn; one line for each moment that is not survived."""
    calm = undisturbed(place)
    for moment in range(first, first + moments):
        fault = list(FAULTS)[moment % len(FAULTS)]
        if wrong := fault_of(place, calm, fault, moment):
            yield f"{place.command}, {fault}, moment {moment}: {wrong}"


def main() -> None:
    """Print the moments that are not survived, and how many are."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("moments", type=int)
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    given = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        place = prepare(Path(folder), given.command)
        for line in disturb(place, given.moments, given.first):
            failed += 1
            print(line, flush=True)
    print(f"{given.moments - failed:,} of {given.moments:,}")
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
