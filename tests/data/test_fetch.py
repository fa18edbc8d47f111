"""Downloads from loopback servers."""

import hashlib
import http.server
import shutil
import ssl
import subprocess
import threading
import zipfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from lib.data import fetch as download
from lib.errors import UserError
from tests.data.zips import FILES, make_zip, one_line, visible

NO_SERVER = "http://127.0.0.1:9"  # the discard port: nothing listens


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
    assert visible(tmp_path / "archives") == ["SHA256SUMS", "ml-100k.zip"]


def test_the_first_sum_is_kept_and_a_change_is_told(tmp_path, caplog):
    first, later = make_zip(FILES), make_zip({"ml-x/ratings.csv": b"newer"})
    sums = tmp_path / "archives" / "SHA256SUMS"
    for body in (first, later):
        shutil.rmtree(tmp_path / "ml-latest", ignore_errors=True)
        (tmp_path / "archives" / "ml-latest.zip").unlink(missing_ok=True)
        assert "has changed" not in caplog.text
        with serve({"/ml-latest.zip": [body]}) as (url, _):
            download.fetch("ml-latest", tmp_path, grouplens=url)
        assert (
            sums.read_text() == f"{hashlib.sha256(first).hexdigest()}  ml-latest.zip\n"
        )
    assert hashlib.sha256(later).hexdigest() in caplog.text
    assert "has changed" in caplog.text


def test_a_download_without_an_end_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "MAX_DOWNLOAD", 2**20)
    with serve({"/ml-latest.zip": [bytes(2**21)]}) as (url, _):
        message = fails("ml-latest", tmp_path, grouplens=url, retries=0)
    assert "more than 1 MiB" in message


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
