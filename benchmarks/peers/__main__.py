"""Forecast a preprocessed data set with the peers and store their scores.

    python -m benchmarks.peers --dataset ml-100k --slot 7d [--models tsb,nf_gru]

from the repository root, in the environment of benchmarks/peers. A peer whose scores
for the same panel are stored already is not run again. With `--origins 4` the peers
also forecast from several cut-offs, as the networks do in notebook 06: fitted anew at
each, with the parameters that the validation slots of the first cut-off chose.
"""

import argparse
import hashlib
import json
import os
import time
from pathlib import Path

import pandas as pd

from lib import paths
from lib.batch import series
from lib.data.grid import load_grid
from lib.errors import UserError
from lib.evaluation.metrics import shares, summarise
from lib.evaluation.splits import Split, rolling_origins, time_split

NAMES = ("auto_ets", "tsb", "croston", "nf_lstm", "nf_gru", "nf_nhits", "fracast")
SLOW = ("fracast",)  # minutes for a few hundred movies: only when it is asked for
RESULTS = paths.ROOT / "benchmarks" / "results"


def main() -> None:
    arguments = _arguments()
    run = paths.run_name(arguments.dataset, arguments.slot)
    grid = load_grid(paths.PROCESSED / run)
    splits = {"single": time_split(len(grid.counts))}
    if arguments.origins:
        origins = rolling_origins(len(grid.counts), arguments.origins)
        splits |= {f"origin_{i}": split for i, split in enumerate(origins)}
    cache = _cache_folder(run, grid.counts)
    for protocol, split in splits.items():
        for name in arguments.models.split(","):
            _run_once(cache, protocol, name, grid.counts, split)
    _collect(cache, run, len(splits) - 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description=__doc__)
    data, slot = os.environ.get("DATASET"), os.environ.get("SLOT")
    parser.add_argument("--dataset", default=data or "sample", help="as make report")
    parser.add_argument("--slot", default=slot or "week")
    parser.add_argument("--models", default=",".join(n for n in NAMES if n not in SLOW))
    parser.add_argument("--origins", type=int, help="also roll this often; 0: never")
    arguments = parser.parse_args()
    if arguments.origins is None:
        defaults = series.report_defaults(arguments.dataset)
        arguments.origins = int(os.environ.get("ORIGINS") or defaults["ORIGINS"])
    if unknown := set(arguments.models.split(",")) - set(NAMES):
        raise UserError(
            f"no such peer: {sorted(unknown)}; there are {', '.join(NAMES)}"
        )
    return arguments


def _cache_folder(run: str, counts) -> Path:
    """Folder for the scores of exactly these counts, made by exactly this code."""
    digest = hashlib.sha256(repr(counts.shape).encode() + counts.tobytes())
    for module in ("protocol", "classical", "neural", "foundation"):
        digest.update((Path(__file__).parent / f"{module}.py").read_bytes())
    folder = paths.PROCESSED / run / "peers" / digest.hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _peer(name: str):
    """Look a peer up; torch is imported only when a network is asked for."""
    if name in SLOW:
        from benchmarks.peers.foundation import PEERS
    elif name.startswith("nf_"):
        from benchmarks.peers.neural import PEERS
    else:
        from benchmarks.peers.classical import PEERS
    return PEERS[name]


def _run_once(cache: Path, protocol: str, name: str, counts, split: Split) -> None:
    target = cache / f"{protocol}-{name}.json"
    if target.exists():
        return
    from benchmarks.peers.protocol import run_peer

    start = time.perf_counter()
    series = shares(counts) * counts.shape[1]
    peer = _peer(name)
    if protocol.startswith("origin_") and protocol != "origin_0":
        first = json.loads((cache / f"origin_0-{name}.json").read_text())
        peer = peer.limited(first["chosen"])
    result = run_peer(peer, series, counts, split)
    seconds = time.perf_counter() - start
    record = {
        "protocol": protocol,
        "model": name,
        "seconds": round(seconds, 1),
        "parameters": result.parameters,
        "chosen": result.chosen,
        "slots": result.per_slot.to_dict("list"),
    }
    partial = target.with_suffix(".part")
    partial.write_text(json.dumps(record))
    partial.replace(target)
    test = summarise(result.per_slot.query("split == 'test'"))
    print(
        f"{protocol} {name}: cross-entropy {test['cross_entropy']:.4f} nats, "
        f"RMSE {test['rmse']:.6f}, {seconds:.0f} s",
        flush=True,
    )


def _collect(cache: Path, run: str, n_origins: int) -> None:
    """Write the scores and the per-slot table of all stored peers of this panel."""
    records = [json.loads(path.read_text()) for path in sorted(cache.glob("*.json"))]
    records.sort(key=lambda r: (r["protocol"] != "single", NAMES.index(r["model"])))
    scores, slots = [], []
    for record in records:
        table = pd.DataFrame(record["slots"])
        keys = {"protocol": record["protocol"], "model": record["model"]}
        slots.append(table.assign(**keys))
        for part, rows in table.groupby("split", sort=False):
            for metric, value in summarise(rows).items():
                scores.append({**keys, "split": part, "metric": metric, "value": value})
        scores.append(
            {**keys, "split": "", "metric": "seconds", "value": record["seconds"]}
        )
    report = paths.REPORT / run
    for folder in (report, RESULTS):
        folder.mkdir(parents=True, exist_ok=True)
    pd.concat(slots).to_csv(report / "peers_slots.csv", index=False)
    table = pd.DataFrame(scores)
    table.to_csv(report / "peers.csv", index=False)
    table.query("metric != 'seconds' and protocol == 'single'").to_csv(
        RESULTS / f"peers-{run}.csv", index=False, float_format="%.8g"
    )
    if n_origins:
        rolling = pd.concat(slots).query("protocol != 'single' and split == 'test'")
        rolling.drop(columns=["split", "protocol"]).to_csv(
            RESULTS / f"peers-{run}-rolling.csv", index=False, float_format="%.6g"
        )


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
