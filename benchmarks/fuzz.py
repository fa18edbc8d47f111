"""Mutate small files of every kind that is read, and see what comes out of the readers.

Only a `UserError` of one line may come out; no reading may take more than 5 seconds,
and none may leave a file. Each input is made from its kind and a seed, so that a
failure is repeated by its two names.

    python -m benchmarks.fuzz 100_000
"""

import io
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import polars as pl

from lib.data.checks import check, stage
from lib.data.fetch import extract
from lib.data.layouts import find_log
from lib.data.metadata import NEEDED, read_links, read_metadata
from lib.data.movies import read_movies
from lib.data.users import read_users
from lib.errors import UserError

SECONDS = 5
ROWS = [(1, 10, 4, 978300000), (2, 10, 3.5, 980900000), (2, 20, 5, 983600000)] * 3
# What an enemy would put between, or in the place of, the bytes of a file
WORDS = [b"", b"\0", b"\r", b"\n", b'"', b",", b"::", b"\t", b"|", b"\xff", b"\xe2\x80"]
WORDS += [b"inf", b"nan", b"-1", b"1e400", b"9" * 30, b"[" * 9_000, b"\x1b[2J", b"PK"]
WORDS += [
    "\u202e".encode(),
    "٣".encode(),
    b"\xef\xbb\xbf",
    b"'" * 3,
    b"\\",
    b"{}",
    b" ",
]


def _lines(separator: str) -> bytes:
    return "".join(separator.join(map(str, r)) + "\n" for r in ROWS).encode()


def _parquet() -> bytes:
    names = ["user", "item", "rating", "time"]
    buffer = io.BytesIO()
    pl.DataFrame(ROWS, schema=names, orient="row", strict=False).write_parquet(buffer)
    return buffer.getvalue()


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        member = zipfile.ZipInfo("set/ratings.csv")  # without the time of today
        file.writestr(member, HEADER + _lines(","), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _metadata() -> bytes:
    genres = '"[{""id"": 1, ""name"": ""War""}]"'
    values = {"id": "7", "genres": genres, "release_date": "1999-05-04"}
    row = ",".join(values.get(name, "1") for name in NEEDED)
    return (",".join(NEEDED) + "\n" + (row + "\n") * 3).encode()


HEADER = b"userId,movieId,rating,timestamp\n"
FILES = {
    "ratings.csv": HEADER + _lines(","),
    "events.csv": b"user,item,rating,time\n" + _lines(",").replace(b"10", b"word"),
    "ratings.dat": _lines("::"),
    "u.data": _lines("\t"),
    "log.parquet": _parquet(),
    "set.zip": _zip(),
    "movies.csv": b'movieId,title,genres\n1,"A, the (1999)",War\n2,B (2000),Crime\n',
    "movies.dat": "1::Café (1999)::War\n2::B (2000)::Crime|War\n".encode("latin-1"),
    "u.item": b"1|A (1999)|01-Jan-1999||http://x|" + b"|".join([b"0"] * 19) + b"\n",
    "users.csv": b"userId,age,gender,occupation,zip\n1,25,F,artist,01234\n",
    "u.user": b"1|25|F|artist|01234\n2|40|M|writer|56789\n",
    "movies_metadata.csv": _metadata(),
    "links.csv": b"movieId,imdbId,tmdbId\n1,0001,7\n2,0002,8.0\n3,0003,\n",
}
KINDS = list(FILES)


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """One to four changes: bytes flipped, cut out, doubled, or a word put in."""
    for _ in range(rng.integers(1, 5)):
        at, end = np.sort(rng.integers(0, len(content) + 1, 2))
        end = min(end, at + rng.integers(0, 40))
        word = WORDS[rng.integers(len(WORDS))]
        kind = rng.integers(5)
        if kind == 0 and at < len(content):
            word, end = bytes([content[at] ^ (1 << rng.integers(8))]), at + 1
        elif kind == 1:
            word = content[at:end] * 2
        elif kind == 2:
            end = len(content)
        content = content[:at] + word + content[end:]
    return content


def read(path: Path, work: Path) -> None:
    """Read a file in the way that preprocessing reads its kind."""
    name = path.name
    if name == "set.zip":
        path = extract(path, work / "unpacked") / "ratings.csv"
        if not path.is_file():
            return
    if name.startswith("movies_m"):
        read_metadata(path)
    elif name == "links.csv":
        read_links(path)
    elif name.startswith(("movies", "u.item")):
        read_movies(path.parent, "set")
    elif name.startswith(("users", "u.user")):
        read_users(path.parent, "set")
    else:
        log = find_log(path, f"set/{name}", {})
        stage(log, work / "log")
        check(log, work / "log")


def survives(kind: str, seed: int, folder: Path) -> str:
    """Read one mutated file; "" where all is well, else what is wrong."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    with tempfile.TemporaryDirectory(dir=folder) as name:
        inside, work = Path(name) / "set", Path(name) / "work"
        inside.mkdir()
        work.mkdir()
        path = inside / kind
        path.write_bytes(mutated(FILES[kind], rng))
        start, fault = time.perf_counter(), ""
        try:
            read(path, work)
        except UserError as error:
            if len(str(error)) > 300 or not str(error).isprintable():
                fault = f"message: {str(error)!r}"
        except BaseException as error:  # a panic of Polars is no Exception
            if isinstance(error, KeyboardInterrupt):
                raise
            fault = f"{type(error).__name__}: {error}"
        seconds = time.perf_counter() - start
        if seconds > SECONDS:
            fault = fault or f"{seconds:.0f} s"
        left = [p.name for p in inside.iterdir() if p != path]
        fault = fault or (f"left {left}" if left else "")
    return fault and f"{kind}, seed {seed}: {fault[:300]}"


def main() -> None:
    """Read so many mutated files; print the faults and how many went well."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        for k in range(count):
            fault = survives(KINDS[k % len(KINDS)], k // len(KINDS), Path(folder))
            if fault:
                faults += 1
                print(fault, flush=True)
    print(f"{count - faults:,} of {count:,}")
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
