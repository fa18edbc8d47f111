"""MovieLens data sets by name: downloaded once, checked, extracted to data/raw."""

import logging
import re
import sys
import zipfile
from pathlib import Path

import pooch
import requests

from lib import paths
from lib.data.archive import DAMAGED, data_folder, extract, is_finished
from lib.errors import UserError
from lib.files import locked, read_record

__all__ = ["GROUPLENS", "MIRROR", "NAMES", "extract", "fetch"]

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
            f"{name}: no MovieLens data set of this name; expected one of "
            f"{', '.join(NAMES)}, or the path of a folder or file"
        )
    folder = (raw or paths.RAW) / name
    if is_finished(folder) or _put_there_by_hand(folder):
        return data_folder(folder)
    sources = [grouplens or GROUPLENS]
    if name in MIRRORED:
        sources.append(mirror or MIRROR)
    archive = _download(name, folder.parent / "archives", sources, retries)
    return extract(archive, folder)


def _put_there_by_hand(folder: Path) -> bool:
    return folder.is_dir() and not read_record(folder) and any(folder.iterdir())


def _download(name: str, cache: Path, sources: list[str], retries: int) -> Path:
    failures = []
    try:
        with locked(cache):
            for stale in cache.glob("tmp*"):  # pooch's, of a killed run
                stale.unlink()
            for base in sources:
                try:
                    return _from(base, name, cache, retries)
                except (requests.RequestException, ValueError) as error:
                    failures.append(f"{base}/{name}.zip ({_cause(error)})")
                    log.warning("%s: not had from %s", name, failures[-1])
    except OSError as error:
        raise UserError(
            f"{cache}: cannot be written ({error.strerror}); expected a folder with "
            "write permission and enough free space"
        ) from error
    raise _unreachable(name, failures)


def _from(base: str, name: str, cache: Path, retries: int) -> Path:
    """Download from one address; pooch renames the file only once it is checked."""
    md5 = MD5[name]
    manager = pooch.create(
        path=cache,
        base_url=f"{base}/",
        registry={f"{name}.zip": md5 and f"md5:{md5}"},
        retry_if_failed=retries,
    )
    # A bar drawn into a log file or a notebook is hundreds of lines.
    bar = sys.stderr.isatty()
    downloader = pooch.HTTPDownloader(progressbar=bar, chunk_size=2**16)
    if md5 is None:
        log.warning("%s: no known checksum; only the zip's own are verified", name)
        downloader = _zip_checked(downloader)
    return Path(manager.fetch(f"{name}.zip", downloader=downloader))


def _zip_checked(downloader: pooch.HTTPDownloader):
    """A downloader that accepts only a zip whose members match their own checksums."""

    def download(url: str, output_file: str, manager: pooch.Pooch) -> None:
        downloader(url, output_file, manager)
        try:
            with zipfile.ZipFile(output_file) as archive:
                bad = archive.testzip()
        except DAMAGED as error:
            raise ValueError(f"not a whole zip file: {error}") from error
        if bad:
            raise ValueError(f"not a whole zip file: {bad} is damaged")

    return download


def _cause(error: Exception) -> str:
    """The cause of a failed download in a few words."""
    if isinstance(error, requests.exceptions.SSLError):
        expired = "expired" in str(error)
        return "TLS certificate " + ("expired" if expired else "not accepted")
    if isinstance(error, requests.exceptions.Timeout):
        return "timed out"
    if isinstance(error, requests.exceptions.HTTPError):
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, requests.exceptions.ConnectionError):
        return "no connection"
    sums = re.search(r"expected md5:(\w+) but got (\w+)", str(error))
    if sums:
        return f"expected MD5 {sums[1]}, found {sums[2]}; the file was deleted"
    return " ".join(str(error).split())


def _unreachable(name: str, failures: list[str]) -> UserError:
    alone = "" if name in MIRRORED else "; no mirror of it is known"
    return UserError(
        f"{name}: could not be downloaded from {' nor from '.join(failures)}{alone}; "
        f"expected {name}.zip; check the network, or download the zip by hand in a "
        f"browser and pass its path: DATASET=path/to/{name}.zip"
    )
