"""MovieLens data sets by name, and zips: downloaded once, checked, extracted safely."""

import errno
import hashlib
import logging
import lzma
import os
import re
import stat
import struct
import sys
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import pooch
import requests
from tqdm import tqdm

from lib import paths
from lib.errors import UserError
from lib.files import locked, new_folder, read_record, write_text
from lib.text import shown_text

# Both addresses serve the same bytes. The mirror is the recommenders project's.
GROUPLENS = "https://files.grouplens.org/datasets/movielens"
MIRROR = "https://huggingface.co/datasets/Recommenders/MovieLens/resolve/main"
MIRRORED = ("ml-100k", "ml-1m", "ml-10m", "ml-20m")

# MD5 of each zip; None where GroupLens updates the set or no sum is known
MD5 = {
    "ml-100k": "0e33842e24a9c977be4e0107933c0723",
    "ml-1m": "c4d9eecfca2ab87c1945afe126590906",
    "ml-10m": "ce571fd55effeba0271552578f2648bd",
    "ml-20m": "cd245b17a1ae2cc31bb14903e1204af3",
    "ml-25m": "6b51fb2759a8657d3bfcbfc42b592ada",
    "ml-32m": None,
    "ml-latest-small": None,
    "ml-latest": None,
}
NAMES = tuple(MD5)
SUMS = "SHA256SUMS"  # beside the zips: what each was when it was first downloaded

MAX_DOWNLOAD = 2 * 1024**3  # bytes of a zip; ml-latest, the largest, has 0.35 GB
MAX_BYTES = 8 * 1024**3  # unpacked; ml-32m needs about 0.9 GB
MAX_RATIO = 200  # unpacked to packed; MovieLens zips are near 5
SMALL_BYTES = 10 * 1024**2  # below this, any ratio is harmless
MAX_FILES = 10_000
AGAIN = "download or pack it again"
# What zipfile and its decoders raise on damaged bytes; RuntimeError is also an unknown
# compression method, ValueError also a name that is no text, IndexError an empty one
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
    IndexError,
)
# OSErrors that are the archive's fault: bad bz2 bytes, a seek before the beginning, a
# file that is a folder, too. All others are the fault of the place written to.
_OF_THE_ARCHIVE = (None, errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.EEXIST)

log = logging.getLogger(__name__)


def fetch(
    name: str,
    raw: Path | None = None,
    grouplens: str | None = None,
    mirror: str | None = None,
    retries: int = 2,
) -> Path:
    """Folder of a MovieLens data set, downloaded and extracted if not there yet.

    Args:
        name: one of NAMES.
        raw: cache folder, by default paths.RAW; holds `archives/<name>.zip` and the
            extracted `<name>/`. A folder `<name>` put there by hand is used as it is.
        grouplens: address of the folder with the zips, by default GROUPLENS.
        mirror: a second address with the same zips, by default MIRROR.
        retries: further attempts per address, with a growing pause.

    Returns:
        The folder that holds the data files.

    Raises:
        UserError: unknown name, no address reachable, a file that is not the known
            one, or a full or write-protected disk.
    """
    if name not in MD5:
        raise UserError(
            f"{shown_text(name, 60)}: no MovieLens data set of this name; expected "
            f"one of {', '.join(NAMES)}, or the path of a folder or file"
        )
    folder = (raw or paths.RAW) / name
    by_hand = folder.is_dir() and not read_record(folder) and any(folder.iterdir())
    if by_hand or _is_finished(folder):
        return _data_folder(folder)
    sources = [grouplens or GROUPLENS]
    if name in MIRRORED:
        sources.append(mirror or MIRROR)
    archive = _download(name, folder.parent / "archives", sources, retries)
    return extract(archive, folder)


def _download(name: str, cache: Path, sources: list[str], retries: int) -> Path:
    failures = []
    try:
        with locked(cache):
            for stale in cache.glob("tmp*"):  # pooch's, of a killed run
                stale.unlink()
            for base in sources:
                try:
                    archive = _from(base, name, cache, retries)
                except (requests.RequestException, ValueError) as error:
                    failures.append(f"{base}/{name}.zip ({_cause(error)})")
                    log.warning("%s: not had from %s", name, failures[-1])
                else:
                    _note_sum(archive)
                    return archive
    except OSError as error:
        raise UserError(
            f"{cache}: cannot be written ({error.strerror}); expected a folder with "
            "write permission and enough free space"
        ) from error
    alone = "" if name in MIRRORED else "; no mirror of it is known"
    raise UserError(
        f"{name}: could not be downloaded from {' nor from '.join(failures)}{alone}; "
        f"check the network, or download the zip by hand in a browser and pass its "
        f"path: DATASET=path/to/{name}.zip"
    )


def _from(base: str, name: str, cache: Path, retries: int) -> Path:
    """Download from one address; pooch renames the file only once it is checked."""
    md5 = MD5[name]
    manager = pooch.create(
        path=cache,
        base_url=f"{base}/",
        registry={f"{name}.zip": md5 and f"md5:{md5}"},
        retry_if_failed=retries,
    )

    def download(url: str, output_file: str, pooch_: pooch.Pooch) -> None:
        with _Progress() as progress:
            get = pooch.HTTPDownloader(progressbar=progress, chunk_size=2**16)
            get(url, output_file, pooch_)
        if md5 is None:
            _check_members_sums(output_file)

    if md5 is None:
        log.warning("%s: no known checksum; only the zip's own are verified", name)
    return Path(manager.fetch(f"{name}.zip", downloader=download))


class _Progress(tqdm):
    """A bar, drawn on a terminal only, that stops a download without an end."""

    def __init__(self):
        quiet = not sys.stderr.isatty()  # a bar in a log file is hundreds of lines
        super().__init__(unit="B", unit_scale=True, leave=False, disable=quiet)
        self.received = 0

    def __bool__(self):
        return True

    def update(self, n=1):
        self.received += n
        if self.received > MAX_DOWNLOAD:
            raise ValueError(f"more than {MAX_DOWNLOAD / 1024**2:,.0f} MiB")
        return super().update(n)

    def reset(self, total=None):
        self.received = 0
        super().reset(total)


def _check_members_sums(path: str) -> None:
    """Accept only a zip whose members match their own checksums."""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except DAMAGED as error:
        raise ValueError(f"not a whole zip file: {error}") from error
    if bad:
        raise ValueError(f"not a whole zip file: {shown_text(bad, 60)} is damaged")


def _note_sum(archive: Path) -> None:
    """Keep the SHA-256 of the first download of each set; tell when it changes."""
    sums = archive.with_name(SUMS)
    found = _sha256(archive)
    lines = sums.read_text("utf-8").splitlines() if sums.is_file() else []
    known = {line[66:]: line[:64] for line in lines}
    before = known.setdefault(archive.name, found)
    if before != found:
        log.warning(
            "%s: its SHA-256 is %s, that of the first download was %s: the set has "
            "changed since; delete its line in %s to take the new one as known",
            *(archive.name, found, before, sums),
        )
    text = "".join(f"{value}  {name}\n" for name, value in sorted(known.items()))
    if len(known) > len(lines):
        write_text(sums, text)


def _cause(error: Exception) -> str:
    """The cause of a failed download in a few words."""
    if isinstance(error, requests.exceptions.SSLError):
        expired = "expired" in str(error)
        return "TLS certificate " + ("expired" if expired else "not accepted")
    if isinstance(error, requests.exceptions.Timeout):
        return "timed out"
    if isinstance(error, requests.exceptions.HTTPError):
        return f"HTTP status {getattr(error.response, 'status_code', 'unknown')}"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "no connection"
    sums = re.search(r"expected md5:(\w+) but got (\w+)", str(error))
    if sums:
        return f"MD5 {sums[2]}, expected {sums[1]}"
    return shown_text(error, 100)


def extract(archive: Path, folder: Path) -> Path:
    """Unpack a zip into `folder`, all of it or nothing.

    A finished extraction is used again while the archive's bytes stay the same.

    Args:
        archive: a zip file.
        folder: where its files go; replaced if it is an older extraction.

    Returns:
        The folder that holds the data files: `folder`, or the innermost of the single
        folders in it (`ml-10M100K` in ml-10m.zip).

    Raises:
        UserError: the archive is missing, no zip, damaged, encrypted, too large, or
            names a place outside `folder`; or `folder` cannot be written.
    """
    record = {"archive": archive.name, "sha256": _sha256(archive)}
    old = read_record(folder)
    if old and old.get("sha256") == record["sha256"] and _is_finished(folder):
        return _data_folder(folder)
    try:
        with zipfile.ZipFile(archive) as source:
            members = _checked_members(archive, source)
            record["files"] = {m.filename: m.file_size for m in members}
            with new_folder(folder, record) as part:
                try:
                    source.extractall(part, members)
                except OSError as error:
                    if error.errno not in _OF_THE_ARCHIVE:
                        raise
                    raise zipfile.BadZipFile(error.strerror or str(error)) from error
    except DAMAGED as error:
        found = _found_instead(archive) or error or type(error).__name__
        raise UserError(
            f"{archive}: no whole zip file, it is damaged: {shown_text(found, 100)}; "
            f"{AGAIN}"
        ) from error
    return _data_folder(folder)


def _is_finished(folder: Path) -> bool:
    """Whether `folder` is an extraction with every file still there, in full size."""
    files = (read_record(folder) or {}).get("files")
    if not isinstance(files, dict) or not files:
        return False
    places = {folder / name: size for name, size in files.items()}
    return all(
        path.is_dir() or path.is_file() and path.stat().st_size == size
        for path, size in places.items()
    )


def _data_folder(folder: Path) -> Path:
    """Follows folders that hold one folder and, but for hidden files, nothing else."""
    visible = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if len(visible) == 1 and visible[0].is_dir():
        return _data_folder(visible[0])
    return folder


def _sha256(archive: Path) -> str:
    try:
        with archive.open("rb") as source:
            return hashlib.file_digest(source, "sha256").hexdigest()
    except OSError as error:
        raise UserError(
            f"{archive}: cannot be read ({error.strerror}); expected a zip file; check "
            "the path"
        ) from error


def _found_instead(archive: Path) -> str:
    """What a file that is no zip looks like, "" if it is one."""
    if zipfile.is_zipfile(archive):
        return ""
    with archive.open("rb") as file:
        head = file.read(64)
    if not head:
        return "the file is empty"
    if head.startswith(b"PK"):
        return "it begins like a zip but was cut short"
    web = head.lstrip().startswith(b"<")
    return "it is a web page or XML" if web else f"it begins with {head[:8]!r}"


def _checked_members(archive: Path, source: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """What is to be extracted, without what macOS adds to every zip it packs."""
    _check_complete(archive, source)
    members = [
        m
        for m in source.infolist()
        if not {"__MACOSX", ".DS_Store"} & set(PurePosixPath(m.filename).parts)
    ]
    names = {m.filename.casefold() for m in members}
    unpacked = sum(m.file_size for m in members)
    ratio = unpacked / archive.stat().st_size
    if all(m.is_dir() for m in members):
        fault = f"holds no files; expected data files; {AGAIN}"
    elif len(members) > MAX_FILES:
        fault = f"holds {len(members):,} files, expected at most {MAX_FILES:,}; pack "
        fault += "only the data files"
    elif len(names) < len(members):
        fault = "holds a file name twice; pack each file once"
    elif unpacked > MAX_BYTES or ratio > MAX_RATIO and unpacked > SMALL_BYTES:
        fault = f"would unpack to {unpacked / 1024**2:,.0f} MiB, {ratio:,.0f} times its"
        fault += f" size; expected at most {MAX_BYTES / 1024**2:,.0f} MiB and "
        fault += f"{MAX_RATIO} times; extract it yourself and pass the folder"
    else:
        faults = ((m, _fault(m)) for m in members)
        member, fault = next((mf for mf in faults if mf[1]), (None, ""))
        if member:
            fault = (
                f"member {shown_text(member.filename, 60)!r} {fault}; expected plain "
            )
            fault += "files; do not trust the archive, or pack it again"
    if fault:
        raise UserError(f"{archive}: {fault}")
    return members


def _check_complete(archive: Path, source: zipfile.ZipFile) -> None:
    """Refuse a directory that lists fewer members than the archive's end says.

    A damaged length in the directory hides the members after it, and `zipfile` does not
    count them. The end of 22 bytes comes before the archive's comment.
    """
    with archive.open("rb") as file:
        file.seek(-22 - len(source.comment), os.SEEK_END)
        signature, expected = struct.unpack("<4s6xH10x", file.read(22))
    found = len(source.infolist())
    # 0xFFFF refers to a longer end, of an archive with more files than are taken here.
    if signature == b"PK\5\6" and expected not in (found, 0xFFFF):
        raise zipfile.BadZipFile(f"its directory lists {found} of {expected} members")


def _fault(member: zipfile.ZipInfo) -> str:
    """Why a member is not extracted, "" where nothing is wrong with it."""
    # Other systems part names with backslashes and begin them with a drive letter.
    name = PurePosixPath(member.filename.replace("\\", "/"))
    kind = stat.S_IFMT(member.external_attr >> 16)
    drive = any(part[1:2] == ":" for part in name.parts[:1])
    if name.is_absolute() or drive or ".." in name.parts or not name.parts:
        return "points outside the folder it is extracted to"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device, not a file"
    return "is encrypted" if member.flag_bits & 0x1 else ""
