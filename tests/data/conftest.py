"""An output folder of its own for every test of the data."""

from pathlib import Path

import pytest

from lib import paths


@pytest.fixture(autouse=True)
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where preprocessing writes; returns data/processed."""
    monkeypatch.setattr(paths, "PROCESSED", tmp_path / "out" / "processed")
    monkeypatch.setattr(paths, "RAW", tmp_path / "out" / "raw")
    return paths.PROCESSED
