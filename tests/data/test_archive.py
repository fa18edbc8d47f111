"""Zips that are not what they should be, and how they are extracted."""

import hashlib
import os
import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib.data import fetch as archives
from lib.errors import UserError
from lib.files import new_folder
from tests.data.zips import FILES, make_zip, one_line, visible

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "ml-latest-small.zip"


def write(path: Path, body: bytes) -> Path:
    path.write_bytes(body)
    return path


def refuses(archive: Path, folder: Path) -> str:
    """The one-line error of an extraction that must leave nothing behind."""
    before = visible(folder.parent)
    with pytest.raises(UserError) as caught:
        archives.extract(archive, folder)
    assert visible(folder.parent) == before
    assert not folder.exists()
    assert str(archive) in str(caught.value)
    return one_line(caught)


names = st.text("abcdefgh.-_ é", min_size=1, max_size=8).map(lambda s: f"d/x{s}y")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(names, st.binary(max_size=300), min_size=1, max_size=5))
def test_extract_gives_back_what_was_packed(files, tmp_path_factory):
    base = tmp_path_factory.mktemp("zip")
    folder = archives.extract(write(base / "a.zip", make_zip(files)), base / "out")
    assert folder == base / "out" / "d"
    assert {f"d/{p.name}": p.read_bytes() for p in folder.iterdir()} == files


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_never_raise_anything_but_a_user_error(tmp_path_factory, data):
    method = data.draw(st.sampled_from([0, 8, 12, 14]))  # stored to LZMA
    body = bytearray(make_zip(FILES, method))
    if data.draw(st.booleans()):
        body = body[: data.draw(st.integers(0, len(body) - 1))]
    else:
        at = data.draw(st.integers(0, len(body) - 1))
        body[at] ^= data.draw(st.integers(1, 255))
    base = tmp_path_factory.mktemp("zip")
    archive = write(base / "a.zip", bytes(body))
    try:
        archives.extract(archive, base / "out")
    except UserError as error:
        assert str(archive) in str(error) and "\n" not in str(error)
        assert visible(base) == ["a.zip"]
    # Names carry no checksum, contents do.
    if (base / "out").exists():
        contents = [p.read_bytes() for p in (base / "out").rglob("*") if p.is_file()]
        assert set(FILES.values()) <= set(contents)
    assert {p.name for p in base.iterdir()} <= {"a.zip", "out"}


def test_a_directory_that_hides_members_is_refused(tmp_path):
    body = bytearray(make_zip(FILES))
    comment_length = body.index(b"PK\1\2") + 32
    body[comment_length] = 61  # the second entry reads as a comment of the first
    assert "lists 1 of 2 members" in refuses(
        write(tmp_path / "a.zip", bytes(body)), tmp_path / "out"
    )


@pytest.mark.parametrize(
    "name",
    ["../evil", "a/../../evil", "/evil", "..\\evil", "C:\\evil", "\\\\host\\evil", "."],
)
def test_a_member_outside_the_folder_is_refused(tmp_path, name):
    archive = write(tmp_path / "a.zip", make_zip({"ok.csv": b"1", name: b"2"}))
    assert "outside" in refuses(archive, tmp_path / "in" / "out")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path, kind):
    info = zipfile.ZipInfo("ratings.csv")
    info.external_attr = (kind | 0o777) << 16
    archive = write(tmp_path / "a.zip", make_zip({info: b"/etc/passwd"}))
    assert "link or a device" in refuses(archive, tmp_path / "out")


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", "empty"),
        (b"\n<!DOCTYPE html><html>", "web page"),
        (make_zip(FILES)[:-40], "cut short"),
        (b"\x1f\x8b\x08 gzip", "begins with"),
        (make_zip({}), "no files"),
        (make_zip({"ml-x/": b""}), "no files"),
        (make_zip({"a.csv": b"1", "A.csv": b"2"}), "twice"),
        (make_zip({"a": b"1", "a/b": b"2"}), "damaged"),
    ],
)
def test_what_is_no_usable_zip_is_named(tmp_path, body, found):
    assert found in _reason(tmp_path, body)


def _reason(base: Path, body: bytes) -> str:
    archive = write(base / "a.zip", body)
    with pytest.raises(UserError) as caught:
        archives.extract(archive, base / "out")
    assert visible(base) == ["a.zip"]
    return one_line(caught)


def test_an_encrypted_member_is_named(tmp_path):
    body = bytearray(make_zip({"secret.csv": b"1"}))
    body[6] |= 1  # the flag in the local header
    body[body.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
    message = refuses(write(tmp_path / "a.zip", bytes(body)), tmp_path / "out")
    assert "secret.csv" in message and "encrypted" in message


def test_a_wrong_member_checksum_is_named(tmp_path):
    body = make_zip(FILES, zipfile.ZIP_STORED).replace(b"hi", b"ho")
    message = refuses(write(tmp_path / "a.zip", body), tmp_path / "out")
    assert "README.txt" in message and "CRC" in message


def test_a_bomb_is_refused_before_anything_is_written(tmp_path):
    archive = write(tmp_path / "a.zip", make_zip({"zeros": bytes(30 * 2**20)}))
    assert "times" in refuses(archive, tmp_path / "out")


def test_too_much_and_too_many_are_refused(tmp_path, monkeypatch):
    archive = write(tmp_path / "a.zip", make_zip(FILES))
    monkeypatch.setattr(archives, "MAX_BYTES", 100)
    assert "MiB" in refuses(archive, tmp_path / "out")
    monkeypatch.setattr(archives, "MAX_FILES", 1)
    assert "at most 1" in refuses(archive, tmp_path / "out")


def test_missing_archive(tmp_path):
    assert "No such file" in refuses(tmp_path / "none.zip", tmp_path / "out")


def test_an_unchanged_archive_is_not_extracted_again(tmp_path):
    archive = write(tmp_path / "a.zip", make_zip(FILES))
    first = archives.extract(archive, tmp_path / "out")
    before = (first / "ratings.csv").stat()
    os.utime(archive)
    assert archives.extract(archive, tmp_path / "out") == first
    after = (first / "ratings.csv").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_changed_archive_replaces_the_old_extraction(tmp_path):
    archive = write(tmp_path / "a.zip", make_zip(FILES))
    archives.extract(archive, tmp_path / "out")
    write(archive, make_zip({"new.csv": b"1"}))
    archives.extract(archive, tmp_path / "out")
    assert visible(tmp_path) == ["a.zip", "out/new.csv"]


def test_a_damaged_new_archive_keeps_the_old_extraction(tmp_path):
    archive = write(tmp_path / "a.zip", make_zip(FILES))
    archives.extract(archive, tmp_path / "out")
    before = visible(tmp_path)
    write(archive, make_zip(FILES, zipfile.ZIP_STORED).replace(b"hi", b"ho"))
    with pytest.raises(UserError):
        archives.extract(archive, tmp_path / "out")
    assert visible(tmp_path) == before


def test_a_folder_not_made_here_is_never_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    archive = write(tmp_path / "a.zip", make_zip(FILES))
    with pytest.raises(UserError, match="not made here"):
        archives.extract(archive, tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


def test_what_macos_adds_does_not_count(tmp_path):
    litter = {"__MACOSX/ml-x/._ratings.csv": b"x", "ml-x/.DS_Store": b"x"}
    archive = write(tmp_path / "a.zip", make_zip({**FILES, **litter}))
    folder = archives.extract(archive, tmp_path / "out")
    assert folder.name == "ml-x"
    assert visible(folder) == ["README.txt", "ratings.csv"]


def test_what_a_killed_extraction_left_is_removed(tmp_path):
    (tmp_path / ".out.part" / "ml-x").mkdir(parents=True)
    (tmp_path / ".out.part" / "ml-x" / "half.csv").write_text("half")
    archive = write(tmp_path / "a.zip", make_zip(FILES))
    archives.extract(archive, tmp_path / "out")
    assert visible(tmp_path) == ["a.zip", "out/ml-x/README.txt", "out/ml-x/ratings.csv"]


def test_an_interrupted_extraction_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "out", {}) as part:
        (part / "half.csv").write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_a_user_error(tmp_path):
    (tmp_path / "file").write_text("")
    archive = write(tmp_path / "a.zip", make_zip(FILES))
    with pytest.raises(UserError, match="cannot be written"):
        archives.extract(archive, tmp_path / "file" / "out")


@pytest.mark.skipif(not REAL.exists(), reason="real data not there")
def test_the_real_zip(tmp_path):
    folder = archives.extract(REAL, tmp_path / "out")
    assert folder.name == "ml-latest-small"
    ratings = hashlib.sha256((folder / "ratings.csv").read_bytes()).hexdigest()
    assert ratings.startswith("aa289ca83157595d")
