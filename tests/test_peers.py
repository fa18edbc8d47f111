"""The peers' protocol, with made-up peers: the real ones have their own environment."""

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions

import numpy as np
import pytest

from benchmarks.peers.protocol import Peer, run_peer
from lib.evaluation.metrics import shares
from lib.evaluation.splits import time_split
from lib.forecast.baselines import forecast
from lib.paths import ROOT

LOCK = ROOT / "benchmarks" / "peers" / "requirements.lock"


@pytest.fixture
def counts():
    rng = np.random.default_rng(0)
    return rng.poisson(rng.gamma(0.5, 4, size=40), size=(20, 40))


def smoothing(series, first, parameters):
    return forecast("ewma", series, alpha=parameters["alpha"], epsilon=0.0)[first:]


def test_a_peer_is_fitted_before_what_it_forecasts(counts):
    calls = []

    def predict(series, first, parameters):
        calls.append((len(series), first))
        return series[first - 1 : -1]

    split = time_split(20)
    run_peer(Peer(predict), shares(counts), counts, split)
    assert calls == [(16, 12), (20, 16)]


def test_parameters_are_chosen_on_validation_slots(counts):
    peer = Peer(smoothing, ({"alpha": 0.95}, {"alpha": 0.05}))
    result = run_peer(peer, shares(counts), counts, time_split(20))
    # Steady popularity: the longer memory is better.
    assert result.parameters["cross_entropy"]["alpha"] == 0.05
    assert result.parameters["cross_entropy"]["epsilon"] > 0
    changed = counts.copy()
    changed[16:] = changed[16:, ::-1]
    again = run_peer(peer, shares(changed), changed, time_split(20))
    assert again.parameters == result.parameters


def test_negative_and_missing_forecasts_become_shares(counts):
    def predict(series, first, parameters):
        raw = series[first - 1 : -1].copy()
        raw[:, 0], raw[:, 1] = -5, np.nan
        raw[0] = 0
        return raw

    table = run_peer(Peer(predict), shares(counts), counts, time_split(20)).per_slot
    assert table["split"].tolist() == ["validation"] * 4 + ["test"] * 4
    assert np.isfinite(table["cross_entropy"]).all()


def test_the_lock_pins_everything_and_names_no_place():
    text = LOCK.read_text()
    assert "://" not in text and "--find-links" not in text and "file:" not in text
    pinned = re.findall(r"^([a-z0-9][a-z0-9._-]*)==", text, flags=re.MULTILINE)
    assert {"statsforecast", "neuralforecast", "pandas"} <= set(pinned)
    assert not [name for name in pinned if name.startswith("nvidia")]
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_command_stores_both_protocols(small_grid, tmp_path, monkeypatch):
    from benchmarks.peers import __main__ as command
    from lib import paths
    from lib.experiments import rolling

    tried = []

    def predict(series, first, parameters):
        tried.append((first, parameters["alpha"]))
        return forecast("ewma", series, alpha=parameters["alpha"], epsilon=0.0)[first:]

    peer = Peer(predict, ({"alpha": 0.95}, {"alpha": 0.05}))
    monkeypatch.setattr(command, "_peer", lambda name: peer)
    monkeypatch.setattr(command, "load_grid", lambda folder: small_grid)
    results = tmp_path / "benchmarks" / "results"
    monkeypatch.setattr(command, "RESULTS", results)
    for name in ("PROCESSED", "REPORT", "ROOT"):
        monkeypatch.setattr(paths, name, tmp_path)
    options = ["--dataset", "small", "--slot", "week", "--models", "tsb"]
    monkeypatch.setattr("sys.argv", ["peers", *options, "--origins", "2"])
    command.main()
    stored = rolling.stored_peers("small-week")
    assert list(stored.index) == ["tsb"] and stored["cross_entropy"].notna().all()
    slots = np.arange(24, 40)
    table = rolling.stored_rolling_peers("small-week", slots)["tsb"]
    assert np.isfinite(table[list(rolling.MEASURES)]).all(axis=None)
    first = next(tmp_path.rglob("origin_0-tsb.json"))
    chosen = len(json.loads(first.read_text())["chosen"])
    # Before slot 24: all sets for the single cut-off, and what the first cut-off chose,
    # fitted again to forecast its test slots and tried at the second cut-off.
    assert [cut for cut, _ in tried].count(24) == 2 + 2 * chosen
    calls = len(tried)
    command.main()  # a second call reads the stored scores
    assert len(tried) == calls


def test_the_locks_hold_what_the_command_imports():
    """The peers' environment has no other packages than those."""
    code = "import sys, benchmarks.peers.__main__; print(*sys.modules)"
    modules = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
    roots = {name.split(".")[0] for name in modules.split()}
    owners = packages_distributions()
    needed = {owner for root in roots - {"lib"} for owner in owners.get(root, ())}
    locked = LOCK.read_text() + LOCK.with_name("torch.lock").read_text()
    pinned = set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", locked, flags=re.MULTILINE))
    assert {re.sub("[_.]", "-", name.lower()) for name in needed} <= pinned
