"""How many Gibbs chains, sweeps and factors the Bayesian factorization needs.

    .venv/bin/python -m benchmarks.chains path/to/ml-100k [--tables] [--knows dates]

Fits single chains on nine tenths of u1's training rows and averages their forecasts of
the last tenth; no test row is read. Writes benchmarks/results/chains.csv and the table
in docs/protocols.md; --tables writes the table alone, from that file. --knows measures
a model that knows more or less than the default one, and prints its table.
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
from lib.recommenders.rating.bayesian_fm import DAYS, BayesianFM
from lib.recommenders.rating.model import KNOWS, root_mean_square
from lib.report.readme import between, markdown
from lib.schema import RATING

RESULTS = Path(__file__).parent / "results" / "chains.csv"
PAGE = ROOT / "docs" / "protocols.md"
START, END = "<!-- chains: made by benchmarks/chains.py -->", "<!-- end of chains -->"
DEFAULT = BayesianFM.defaults["knows"]
RANKS, SWEEPS, SEEDS, WARMUP = (12, 16, 24), (100, 150, 200), range(3), 20


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
            name: array if name in DAYS else array[k : k + 1]
            for name, array in states.items()
        }
        found.append(model.predict(held_out))
    sums = np.cumsum(found, axis=0)
    return np.stack([sums[n - WARMUP - 1] / (n - WARMUP) for n in SWEEPS]), seconds


def measure(folder: str, knows: str) -> pd.DataFrame:
    """The RMSE (stars) of averages over chains: the mean over all choices."""
    data = load(folder)
    fitted, held_out = random_split(official_folds(data)[0][0], 0.1)
    truth, rows = held_out[RATING].to_numpy(), []
    for rank in RANKS:
        fits = [
            forecasts(fitted, held_out, data, rank=rank, seed=seed, knows=knows)
            for seed in SEEDS
        ]
        seconds = np.mean([each for _, each in fits])
        for (place, sweeps), n in product(enumerate(SWEEPS), range(1, len(fits) + 1)):
            errors = [
                root_mean_square(
                    np.mean([found[place] for found, _ in some], 0) - truth
                )
                for some in combinations(fits, n)
            ]
            cost = n * seconds * sweeps / max(SWEEPS)
            rows.append((rank, sweeps, n, round(np.mean(errors), 5), round(cost, 1)))
        print(f"rank {rank} done")
    columns = ["rank", "sweeps", "chains", "rmse", "cpu_seconds"]
    return pd.DataFrame(rows, columns=columns)


def table(rows: pd.DataFrame) -> str:
    """RMSE (CPU seconds), a row per rank and sweeps, a column per kind of average."""
    told = rows["rmse"].map("{:.4f}".format)
    told += rows["cpu_seconds"].map(" ({:.0f})".format)
    average = rows["chains"].map(lambda n: "1 chain" if n == 1 else f"{n} chains")
    rows = rows.assign(told=told, average=average)
    wide = rows.pivot_table("told", ["rank", "sweeps"], "average", "first", sort=False)
    wide.index = [f"{rank}, {sweeps} sweeps" for rank, sweeps in wide.index]
    return markdown(wide.rename_axis("rank"))


@click.command()
@click.argument("folder", default="")
@click.option("--tables", is_flag=True, help="write the table alone")
@click.option("--knows", type=click.Choice(list(KNOWS)), default=DEFAULT)
def main(folder: str, tables: bool, knows: str) -> None:
    """Measure and store, then write the table."""
    if knows != DEFAULT:
        print(table(measure(folder, knows)))
        return
    if not tables:
        measure(folder, knows).to_csv(RESULTS, index=False)
    made = table(pd.read_csv(RESULTS))
    write_text(PAGE, between(PAGE.read_text("utf-8"), START, END, made))


if __name__ == "__main__":
    main()
