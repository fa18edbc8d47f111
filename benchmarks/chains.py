"""How many Gibbs chains, sweeps and factors the Bayesian factorization needs.

    .venv/bin/python -m benchmarks.chains path/to/ml-100k [--tables]

Fits single chains on nine tenths of u1's training rows and averages their forecasts of
the last tenth; no test row is read. Writes benchmarks/results/chains.csv and the table
in docs/protocols.md; --tables writes the table alone, from that file.
"""

from itertools import combinations, product
from pathlib import Path
from time import process_time

import click
import numpy as np
import pandas as pd

from lib.files import write_text
from lib.paths import ROOT
from lib.recommenders.data import load, official_folds, random_split
from lib.recommenders.rating.bayesian_fm import GAUSSIAN, ORDINAL, BayesianFM
from lib.recommenders.rating.model import root_mean_square
from lib.report.readme import between, markdown
from lib.schema import RATING

RESULTS = Path(__file__).parent / "results" / "chains.csv"
PAGE = ROOT / "docs" / "protocols.md"
START, END = "<!-- chains: made by benchmarks/chains.py -->", "<!-- end of chains -->"
RANKS, SWEEPS, SEEDS, WARMUP = (12, 16, 24), (100, 150, 200), range(3), 20
LIKELIHOODS = (GAUSSIAN, ORDINAL)


def forecasts(fitted, held_out, data, **settings) -> tuple[np.ndarray, float]:
    """Forecasts of one chain after each number of `SWEEPS`, and the CPU seconds."""
    sweeps = max(SWEEPS)
    model = BayesianFM(
        sweeps=sweeps, warmup=WARMUP, draws=sweeps - WARMUP, chains=1, **settings
    )
    start = process_time()
    model.fit(fitted, data.users, data.movies)
    seconds, states, found = process_time() - start, model.arrays, []
    for k in range(sweeps - WARMUP):  # one state at a time
        model.arrays = {
            name: array[k : k + 1] if name.split("_")[0] in LIKELIHOODS else array
            for name, array in states.items()
        }
        found.append(model.predict(held_out))
    sums = np.cumsum(found, axis=0)
    return np.stack([sums[n - WARMUP - 1] / (n - WARMUP) for n in SWEEPS]), seconds


def measure(folder: str) -> None:
    """Stores the RMSE (stars) of averages over chains: the mean over all choices."""
    data = load(folder)
    fitted, held_out = random_split(official_folds(data)[0][0], 0.1)
    truth, rows = held_out[RATING].to_numpy(), []
    for rank in RANKS:
        chains, seconds = {}, {}
        for kind, seed in product(LIKELIHOODS, SEEDS):
            settings = dict(rank=rank, likelihoods=[kind], seed=seed)
            chains[kind, seed], seconds[kind] = forecasts(
                fitted, held_out, data, **settings
            )
        for (place, sweeps), n in product(enumerate(SWEEPS), SEEDS):
            for kinds in ([GAUSSIAN], [ORDINAL], [GAUSSIAN, ORDINAL]):
                errors = [
                    root_mean_square(
                        np.mean([chains[k, s][place] for k in kinds for s in some], 0)
                        - truth
                    )
                    for some in combinations(SEEDS, n + 1)
                ]
                cost = (n + 1) * sum(seconds[k] for k in kinds) * sweeps / max(SWEEPS)
                about = (rank, sweeps, "+".join(kinds), n + 1)
                rows.append((*about, round(np.mean(errors), 5), round(cost, 1)))
        print(f"rank {rank} done")
    columns = ["rank", "sweeps", "likelihoods", "chains", "rmse", "cpu_seconds"]
    pd.DataFrame(rows, columns=columns).to_csv(RESULTS, index=False)


def table() -> str:
    """RMSE (CPU seconds), a row per rank and sweeps, a column per kind of average."""
    rows = pd.read_csv(RESULTS)
    told = rows["rmse"].map("{:.4f}".format)
    rows["told"] = told + rows["cpu_seconds"].map(" ({:.0f})".format)
    rows["average"] = rows["chains"].astype(str) + " × " + rows["likelihoods"]
    wide = rows.pivot_table("told", ["rank", "sweeps"], "average", "first", sort=False)
    wide.index = [f"{rank}, {sweeps} sweeps" for rank, sweeps in wide.index]
    return markdown(wide.rename_axis("rank"))


@click.command()
@click.argument("folder", default="")
@click.option("--tables", is_flag=True, help="write the table alone")
def main(folder: str, tables: bool) -> None:
    """Measure and store, then write the table."""
    if not tables:
        measure(folder)
    write_text(PAGE, between(PAGE.read_text("utf-8"), START, END, table()))


if __name__ == "__main__":
    main()
