"""How long a content-based query takes in a catalogue of the size of the full one.

    .venv/bin/python -m benchmarks.content [--movies 45000]

Makes up texts of about 60 words, word frequencies falling off as in English (Zipf), and
times the search for the nearest movies of one movie and the whole recommendation.
Writes benchmarks/results/content.csv.
"""

import csv
import resource
import time
from pathlib import Path

import click
import numpy as np
import pandas as pd

from lib.recommenders.content.tfidf import ContentModel
from lib.schema import MOVIE, OVERVIEW, TAGLINE, TITLE

RESULTS = Path(__file__).parent / "results" / "content.csv"
VOCABULARY, QUERIES = 60_000, 200


def catalogue(movies: int, seed: int = 0) -> pd.DataFrame:
    """Movies with made-up titles, overviews, taglines and votes."""
    rng = np.random.default_rng(seed)
    weights = 1 / (np.arange(VOCABULARY) + 2.7)
    bounds = np.cumsum(weights / weights.sum())
    lengths = rng.poisson(60, movies) + 4
    words = np.searchsorted(bounds, rng.random(lengths.sum())).astype(str)
    words = np.char.add("w", words)
    texts = [" ".join(part) for part in np.split(words, np.cumsum(lengths)[:-1])]
    votes = rng.geometric(0.01, movies)
    return pd.DataFrame(
        {
            MOVIE: np.arange(1, movies + 1),
            TITLE: [f"Film {i}" for i in range(1, movies + 1)],
            OVERVIEW: texts,
            TAGLINE: None,
            "vote_count": votes,
            "vote_average": rng.normal(6, 1, movies).clip(0, 10),
        }
    )


def milliseconds(call, movies: np.ndarray) -> np.ndarray:
    """Time of each call."""
    times = []
    for movie in movies:
        start = time.perf_counter()
        call(int(movie))
        times.append(1e3 * (time.perf_counter() - start))
    return np.array(times)


@click.command()
@click.option("--movies", default=45_000, show_default=True)
def main(movies: int) -> None:
    """Measure and store milliseconds per query."""
    table = catalogue(movies)
    start = time.perf_counter()
    model = ContentModel().fit(table)
    rows = {"fit_seconds": time.perf_counter() - start}
    drawn = np.random.default_rng(1).choice(table[MOVIE], QUERIES, replace=False)
    for name, call in (("similar", model.similar), ("recommend", model.recommend)):
        found = milliseconds(call, drawn)
        rows[f"{name}_median_ms"] = np.median(found)
        rows[f"{name}_99th_ms"] = np.quantile(found, 0.99)
    rows["terms"] = model.vectors.shape[1]
    rows["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["movies", "measure", "value"])
        writer.writerows([movies, key, round(value, 1)] for key, value in rows.items())
    for key, value in rows.items():
        print(f"{key:22s} {value:14,.1f}")


if __name__ == "__main__":
    main()
