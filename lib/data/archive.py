"""Zip files from elsewhere, extracted safely."""

import errno
import hashlib
import lzma
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from lib.errors import UserError
from lib.files import new_folder, read_record

MAX_BYTES = 8 * 1024**3  # unpacked; ml-32m, the largest set, needs about 0.9 GB
MAX_RATIO = 200  # unpacked to packed; MovieLens zips are near 5
SMALL_BYTES = 10 * 1024**2  # below this, any ratio is harmless
MAX_FILES = 10_000
AGAIN = "download or pack it again"
# What zipfile and its decoders raise on damaged bytes
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    RuntimeError,  # includes NotImplementedError: an unknown compression method
    ValueError,  # includes UnicodeDecodeError: a damaged name
    OverflowError,
)
# Errors of the place written to, not of the archive
DISK = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EIO,
    errno.ENAMETOOLONG,
)


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
    if old and old.get("sha256") == record["sha256"] and is_finished(folder):
        return data_folder(folder)
    _check_is_zip(archive)
    try:
        with zipfile.ZipFile(archive) as source:
            _check_complete(archive, source)
            members = [m for m in source.infolist() if not _is_litter(m.filename)]
            _check_members(archive, members)
            record["files"] = {m.filename: m.file_size for m in members}
            with new_folder(folder, record) as part:
                _unpack(archive, source, members, part)
    except DAMAGED as error:
        raise _damaged(archive, error) from error
    return data_folder(folder)


def _unpack(
    archive: Path,
    source: zipfile.ZipFile,
    members: list[zipfile.ZipInfo],
    folder: Path,
) -> None:
    try:
        source.extractall(folder, members)
    except OSError as error:
        if error.errno in DISK:
            raise
        # A seek before the file's beginning, bad bz2 bytes, a file that is a folder too
        raise _damaged(archive, error) from error


def is_finished(folder: Path) -> bool:
    """Whether `folder` is an extraction with every file still there, in full size."""
    files = (read_record(folder) or {}).get("files")
    if not isinstance(files, dict) or not files:
        return False
    return all(_has_size(folder / name, size) for name, size in files.items())


def data_folder(folder: Path) -> Path:
    """The folder with the data: follows folders that hold one folder and nothing else.

    Hidden files do not count.
    """
    visible = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if len(visible) == 1 and visible[0].is_dir():
        return data_folder(visible[0])
    return folder


def _has_size(path: Path, size: int) -> bool:
    return path.is_dir() or (path.is_file() and path.stat().st_size == size)


def _sha256(archive: Path) -> str:
    try:
        with archive.open("rb") as source:
            return hashlib.file_digest(source, "sha256").hexdigest()
    except OSError as error:
        raise UserError(
            f"{archive}: cannot be read ({error.strerror}); expected a zip file; check "
            "the path"
        ) from error


def _check_is_zip(archive: Path) -> None:
    if zipfile.is_zipfile(archive):
        return
    with archive.open("rb") as source:
        head = source.read(64)
    if not head:
        found = "the file is empty"
    elif head.startswith(b"PK"):
        found = "it begins like a zip but its end is missing: it was cut short"
    elif head.lstrip().startswith(b"<"):
        found = "it is a web page or XML"
    else:
        found = f"it begins with {head[:8]!r}"
    raise UserError(f"{archive}: no complete zip file: {found}; {AGAIN}")


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
        raise UserError(
            f"{archive}: damaged zip file: its directory lists {found} of {expected} "
            f"members; {AGAIN}"
        )


def _is_litter(name: str) -> bool:
    """Whether a member is what macOS adds to every zip it packs."""
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or parts[-1:] == (".DS_Store",)


def _check_members(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    names = [m.filename for m in members]
    if not any(not m.is_dir() for m in members):
        raise UserError(f"{archive}: holds no files; expected data files; {AGAIN}")
    if len(names) > MAX_FILES:
        raise UserError(
            f"{archive}: holds {len(names):,} files, expected at most {MAX_FILES:,}; "
            "pack only the data files"
        )
    if len({name.casefold() for name in names}) < len(names):
        raise UserError(f"{archive}: holds a file name twice; pack each file once")
    for member in members:
        _check_member(archive, member)
    _check_size(archive, sum(m.file_size for m in members))


def _check_member(archive: Path, member: zipfile.ZipInfo) -> None:
    # Other systems part names with backslashes and begin them with a drive letter.
    name = PurePosixPath(member.filename.replace("\\", "/"))
    kind = stat.S_IFMT(member.external_attr >> 16)
    drive = any(part[1:2] == ":" for part in name.parts[:1])
    if name.is_absolute() or drive or ".." in name.parts or not name.parts:
        found = "points outside the folder it is extracted to"
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        found = "is a link or a device, not a file"
    elif member.flag_bits & 0x1:
        found = "is encrypted"
    else:
        return
    raise UserError(
        f"{archive}: member {member.filename!r} {found}; expected plain files; "
        "do not trust the archive, or pack it again"
    )


def _check_size(archive: Path, unpacked: int) -> None:
    ratio = unpacked / os.path.getsize(archive)
    if unpacked <= MAX_BYTES and (ratio <= MAX_RATIO or unpacked <= SMALL_BYTES):
        return
    raise UserError(
        f"{archive}: would unpack to {unpacked / 1024**2:,.0f} MiB, {ratio:,.0f} times "
        f"its size; expected at most {MAX_BYTES / 1024**2:,.0f} MiB and {MAX_RATIO} "
        "times; extract it yourself and pass the folder if you trust it"
    )


def _damaged(archive: Path, error: Exception) -> UserError:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    reason = " ".join(text.split())
    return UserError(f"{archive}: damaged zip file: {reason}; {AGAIN}")
