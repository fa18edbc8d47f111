"""Downloads from loopback servers, and zips that are not what they should be."""

import hashlib
import http.server
import io
import os
import shutil
import ssl
import stat
import subprocess
import threading
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib import archive as archives
from lib import download
from lib.atomic import RECORD, new_folder
from lib.errors import UserError

NO_SERVER = "http://127.0.0.1:9"  # the discard port: nothing listens
FILES = {"ml-x/ratings.csv": b"userId,movieId\n1,2\n" * 40, "ml-x/README.txt": b"hi"}


def make_zip(files: dict, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as target:
        for name, content in files.items():
            target.writestr(name, content)
    return buffer.getvalue()


def visible(folder: Path) -> list[str]:
    """Every file below a folder, hidden ones too, without the record."""
    return sorted(
        str(p.relative_to(folder))
        for p in folder.rglob("*")
        if p.is_file() and p.name != RECORD
    )


@contextmanager
def serve(answers: dict[str, list], context: ssl.SSLContext | None = None):
    """A loopback server; each path answers its list in turn, the last for ever.

    An answer is bytes, a status number, or ("cut", bytes): a body that stops early.
    """
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            queue = answers.get(self.path, [404])
            answer = queue[min(seen.count(self.path), len(queue) - 1)]
            seen.append(self.path)
            if isinstance(answer, int):
                self.send_error(answer)
                return
            cut, body = answer if isinstance(answer, tuple) else ("", answer)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    scheme = "https" if context else "http"
    try:
        yield f"{scheme}://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def known(monkeypatch):
    """A small zip that passes for ml-100k and, unchecked, for ml-latest-small."""
    body = make_zip(FILES)
    monkeypatch.setitem(download.MD5, "ml-100k", hashlib.md5(body).hexdigest())
    return body


def one_line(caught) -> str:
    message = str(caught.value)
    assert "\n" not in message
    return message


def fails(name: str, raw: Path, **options) -> str:
    """The one-line error of a fetch that must leave no file behind."""
    with pytest.raises(UserError) as caught:
        download.fetch(name, raw, **options)
    assert visible(raw) == []
    return one_line(caught)


def test_fetch_downloads_extracts_and_then_needs_no_network(known, tmp_path):
    with serve({"/ml-100k.zip": [known]}) as (url, seen):
        folder = download.fetch("ml-100k", tmp_path, grouplens=url)
    assert folder == tmp_path / "ml-100k" / "ml-x"
    assert (folder / "README.txt").read_bytes() == b"hi"
    assert seen == ["/ml-100k.zip"]
    again = download.fetch("ml-100k", tmp_path, grouplens=NO_SERVER, mirror=NO_SERVER)
    assert again == folder


def test_fetch_extracts_again_when_a_file_went_missing(known, tmp_path):
    with serve({"/ml-100k.zip": [known]}) as (url, seen):
        folder = download.fetch("ml-100k", tmp_path, grouplens=url)
        (folder / "README.txt").unlink()
        assert download.fetch("ml-100k", tmp_path, grouplens=url) == folder
    assert (folder / "README.txt").exists()
    assert len(seen) == 1  # from the kept archive


def test_fetch_uses_a_folder_put_there_by_hand(tmp_path):
    (tmp_path / "ml-25m").mkdir()
    (tmp_path / "ml-25m" / "ratings.csv").write_text("own")
    folder = download.fetch("ml-25m", tmp_path, grouplens=NO_SERVER)
    assert (folder / "ratings.csv").read_text() == "own"


@pytest.mark.parametrize("bad", [503, ("cut", b"x" * 5000), b"<html>log in</html>"])
def test_fetch_retries_the_same_address(known, tmp_path, bad):
    with serve({"/ml-100k.zip": [bad, known]}) as (url, seen):
        download.fetch("ml-100k", tmp_path, grouplens=url, mirror=NO_SERVER)
    assert len(seen) == 2


@pytest.mark.parametrize("bad", [404, ("cut", b"x" * 5000), b"<html>log in</html>"])
def test_fetch_falls_back_to_the_mirror(known, tmp_path, bad, caplog):
    with serve({"/a/ml-100k.zip": [bad], "/b/ml-100k.zip": [known]}) as (url, seen):
        folder = download.fetch(
            "ml-100k", tmp_path, grouplens=f"{url}/a", mirror=f"{url}/b", retries=1
        )
    assert visible(folder) == ["README.txt", "ratings.csv"]
    assert seen == ["/a/ml-100k.zip", "/a/ml-100k.zip", "/b/ml-100k.zip"]
    assert f"{url}/a/ml-100k.zip" in caplog.text


def test_addresses_are_read_when_called(known, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "GROUPLENS", NO_SERVER)
    with serve({"/ml-100k.zip": [known]}) as (url, seen):
        monkeypatch.setattr(download, "MIRROR", url)
        download.fetch("ml-100k", tmp_path, retries=0)
    assert seen == ["/ml-100k.zip"]


def test_wrong_checksum_everywhere_is_one_line_and_leaves_no_file(known, tmp_path):
    other = make_zip({"other.csv": b"1"})
    with serve({"/ml-100k.zip": [other]}) as (url, _):
        message = fails("ml-100k", tmp_path, grouplens=url, mirror=url, retries=0)
    assert hashlib.md5(known).hexdigest() in message
    assert hashlib.md5(other).hexdigest() in message


def test_a_bad_cached_archive_is_replaced(known, tmp_path):
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "ml-100k.zip").write_bytes(known[:100])
    with serve({"/ml-100k.zip": [known]}) as (url, seen):
        download.fetch("ml-100k", tmp_path, grouplens=url)
    assert len(seen) == 1


def test_no_network_names_both_addresses_and_what_to_do(tmp_path):
    message = fails(
        "ml-1m", tmp_path, grouplens=f"{NO_SERVER}/a", mirror=f"{NO_SERVER}/b"
    )
    assert f"{NO_SERVER}/a/ml-1m.zip (no connection)" in message
    assert f"{NO_SERVER}/b/ml-1m.zip (no connection)" in message
    assert "DATASET=path/to/ml-1m.zip" in message


@pytest.mark.parametrize("name", ["ml-25m", "ml-32m", "ml-latest-small", "ml-latest"])
def test_sets_without_a_mirror_ask_for_a_download_by_hand(tmp_path, name):
    with serve({f"/{name}.zip": [make_zip(FILES)]}) as (mirror, seen):
        message = fails(name, tmp_path, grouplens=NO_SERVER, mirror=mirror)
    assert seen == []
    assert "no mirror" in message and "by hand in a browser" in message


def test_without_a_checksum_the_log_says_so_and_the_zip_is_verified(tmp_path, caplog):
    body = make_zip(FILES, zipfile.ZIP_STORED)
    damaged = body.replace(b"hi", b"ho")
    with serve({"/ml-latest-small.zip": [damaged, body]}) as (url, seen):
        folder = download.fetch("ml-latest-small", tmp_path, grouplens=url)
    assert (folder / "README.txt").read_bytes() == b"hi"
    assert len(seen) == 2
    assert "no known checksum" in caplog.text


def test_without_a_checksum_a_damaged_zip_is_refused(tmp_path):
    body = make_zip(FILES)[:-30]
    with serve({"/ml-32m.zip": [body]}) as (url, _):
        message = fails("ml-32m", tmp_path, grouplens=url, retries=0)
    assert "not a whole zip file" in message


def test_unknown_name(tmp_path):
    assert "ml-latest-small" in fails("ml-100", tmp_path)


def test_what_a_killed_download_left_is_removed(known, tmp_path):
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives" / "tmpabc123").write_bytes(known[:50])
    with serve({"/ml-100k.zip": [known]}) as (url, _):
        download.fetch("ml-100k", tmp_path, grouplens=url)
    assert visible(tmp_path / "archives") == ["ml-100k.zip"]


@pytest.mark.skipif(not shutil.which("openssl"), reason="makes its certificate with it")
def test_an_untrusted_certificate_is_refused_and_the_mirror_asked(known, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=127.0.0.1"
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1"]
        + ["-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    answers = {"/ml-100k.zip": [known]}
    with serve(answers, context) as (primary, seen), serve(answers) as (mirror, used):
        message = fails(
            "ml-100k", tmp_path / "raw", grouplens=primary, mirror=NO_SERVER
        )
        download.fetch("ml-100k", tmp_path / "raw", primary, mirror)
    assert "TLS certificate not accepted" in message
    assert seen == [] and used == ["/ml-100k.zip"]


def write(path: Path, body: bytes) -> Path:
    path.write_bytes(body)
    return path


def refuses(archive: Path, folder: Path) -> str:
    """The one-line error of an extraction that must leave nothing behind."""
    before = visible(folder.parent)
    with pytest.raises(UserError) as caught:
        download.extract(archive, folder)
    assert visible(folder.parent) == before
    assert not folder.exists()
    assert str(archive) in str(caught.value)
    return one_line(caught)


names = st.text("abcdefgh.-_ é", min_size=1, max_size=8).map(lambda s: f"d/x{s}y")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.dictionaries(names, st.binary(max_size=300), min_size=1, max_size=5))
def test_extract_gives_back_what_was_packed(files, tmp_path_factory):
    base = tmp_path_factory.mktemp("zip")
    folder = download.extract(write(base / "a.zip", make_zip(files)), base / "out")
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
        download.extract(archive, base / "out")
    except UserError as error:
        assert str(archive) in str(error) and "\n" not in str(error)
        assert visible(base) == ["a.zip"]
    # Names carry no checksum, contents do.
    if (base / "out").exists():
        contents = [p.read_bytes() for p in (base / "out").rglob("*") if p.is_file()]
        assert set(FILES.values()) <= set(contents)
    assert {p.name for p in base.iterdir()} <= {"a.zip", "out"}


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
        download.extract(archive, base / "out")
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
    first = download.extract(archive, tmp_path / "out")
    before = (first / "ratings.csv").stat()
    os.utime(archive)
    assert download.extract(archive, tmp_path / "out") == first
    after = (first / "ratings.csv").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_changed_archive_replaces_the_old_extraction(tmp_path):
    archive = write(tmp_path / "a.zip", make_zip(FILES))
    download.extract(archive, tmp_path / "out")
    write(archive, make_zip({"new.csv": b"1"}))
    download.extract(archive, tmp_path / "out")
    assert visible(tmp_path) == ["a.zip", "out/new.csv"]


def test_a_damaged_new_archive_keeps_the_old_extraction(tmp_path):
    archive = write(tmp_path / "a.zip", make_zip(FILES))
    download.extract(archive, tmp_path / "out")
    before = visible(tmp_path)
    write(archive, make_zip(FILES, zipfile.ZIP_STORED).replace(b"hi", b"ho"))
    with pytest.raises(UserError):
        download.extract(archive, tmp_path / "out")
    assert visible(tmp_path) == before


def test_a_folder_not_made_here_is_never_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    archive = write(tmp_path / "a.zip", make_zip(FILES))
    with pytest.raises(UserError, match="not made here"):
        download.extract(archive, tmp_path / "out")
    assert (tmp_path / "out" / "thesis.txt").read_text() == "mine"


def test_what_macos_adds_does_not_count(tmp_path):
    litter = {"__MACOSX/ml-x/._ratings.csv": b"x", "ml-x/.DS_Store": b"x"}
    archive = write(tmp_path / "a.zip", make_zip({**FILES, **litter}))
    folder = download.extract(archive, tmp_path / "out")
    assert folder.name == "ml-x"
    assert visible(folder) == ["README.txt", "ratings.csv"]


def test_what_a_killed_extraction_left_is_removed(tmp_path):
    (tmp_path / ".out.part" / "ml-x").mkdir(parents=True)
    (tmp_path / ".out.part" / "ml-x" / "half.csv").write_text("half")
    archive = write(tmp_path / "a.zip", make_zip(FILES))
    download.extract(archive, tmp_path / "out")
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
        download.extract(archive, tmp_path / "file" / "out")


REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "ml-latest-small.zip"


@pytest.mark.skipif(not REAL.exists(), reason="real data not there")
def test_the_real_zip(tmp_path):
    folder = download.extract(REAL, tmp_path / "out")
    assert folder.name == "ml-latest-small"
    ratings = hashlib.sha256((folder / "ratings.csv").read_bytes()).hexdigest()
    assert ratings.startswith("aa289ca83157595d")
