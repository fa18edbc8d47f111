"""Zips made for tests of downloads and of extraction."""

import io
import zipfile
from pathlib import Path

from lib.files import RECORD

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


def one_line(caught) -> str:
    message = str(caught.value)
    assert "\n" not in message
    return message
