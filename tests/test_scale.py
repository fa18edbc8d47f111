"""Two million requests of 20,000 movies: from log to forecast in little memory."""

import subprocess
import sys

import pytest

from benchmarks.scale import MONTHS, write_log
from lib.data.preprocessing import preprocess
from lib.paths import ROOT

LIMIT = 3_000_000_000  # bytes; the libraries alone take half

# The limit counts what a process holds for itself, not the files that it maps.
FORECAST = """
import resource, sys
from pathlib import Path
from benchmarks.scale import open_data, train
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[2]),) * 2)
open_data(Path(sys.argv[1]), "month")
train(Path(sys.argv[1]), "month", epochs=1)
"""


@pytest.mark.slow
def test_a_large_log_is_forecast_in_little_memory(tmp_path, place, monkeypatch):
    folder = tmp_path / "log"
    folder.mkdir()
    write_log(folder, 2_000_000, 20_000, 20_000)
    lines = tmp_path / "lines"
    monkeypatch.setenv("POPULARITY_PROGRESS", str(lines))
    preprocess(str(folder), "month")
    command = [sys.executable, "-c", FORECAST, str(folder), str(LIMIT)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    told = [line.split() for line in done.stdout.splitlines() if "nats per" in line]
    start, network = (float(words[1]) for words in told)
    assert 0 < network < start < 10  # nats per request; the network has learnt
    assert "epoch 1/1 · loss" in lines.read_text()  # progress was told
    (run,) = (place / "data" / "processed").glob("log-month")
    for kind in ("grid-*", f"features-{MONTHS}-*", "baselines-*", "training"):
        assert len(list(run.glob(kind))) == 1
