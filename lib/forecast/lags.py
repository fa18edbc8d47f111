"""Lags, averages and the calendar: what trees of a forecasting contest usually read.

Row t is made from counts before slot t; the averages are running states, so that one
pass hands out the rows slot by slot.
"""

from collections import deque
from collections.abc import Iterator

import numpy as np

from lib.data.grid import Grid
from lib.evaluation.metrics import shares
from lib.forecast.baselines import NAIVE
from lib.forecast.features import genre_flags
from lib.schema import RELEASE_YEAR

LAGS = (1, 2, 3, 4, 6, 8)  # slots
WINDOWS = (4, 13, 26)  # slots
ALPHAS = (0.05, 0.1, 0.2, 0.4)
REQUESTED = len(LAGS) + len(WINDOWS) + len(ALPHAS)  # column: log of all requests so far


def lag_rows(
    counts: np.ndarray,
    release_year: np.ndarray | None = None,
    date: np.ndarray | None = None,
    genres: np.ndarray | None = None,
    season: np.ndarray | None = None,
) -> Iterator[np.ndarray]:
    """Inputs of the trees, slot by slot; those of slot t are made from counts before t.

    Args:
        counts: (T, M) requests.
        release_year: (M,), NaN where unknown.
        date: (T,) start of each slot in years, given with `release_year`.
        genres: (M, G) flags.
        season: (T,) place of slot t in the year, from 0 to 1.

    Yields:
        (M, F) float32: share × M at each lag, mean share × M over windows, discounted
        shares × M, log of all requests so far, slots since the first and since the
        latest request (NaN before it), log of the latest traffic, then what is given of
        age, genres and season.
    """
    n_movies = counts.shape[1]
    smooth = [
        NAIVE["moving_average"].run(n_movies, {"window": w, "epsilon": 0.0})
        for w in WINDOWS
    ]
    smooth += [
        NAIVE["ewma_count_weighted"].run(n_movies, {"alpha": a, "pseudo_count": 0.05})
        for a in ALPHAS
    ]
    none = np.zeros(n_movies)
    latest = deque([none] * max(LAGS), maxlen=max(LAGS))  # shares of the last slots
    before, first, last, traffic = none.copy(), none - 1, none - 1, 0.0
    for t, row in enumerate(counts):
        columns = [latest[-lag] * n_movies for lag in LAGS]
        columns += [run.shares() * n_movies for run in smooth]
        columns.append(np.log1p(before))
        columns += [np.where(seen >= 0, t - seen, np.nan) for seen in (first, last)]
        columns.append(np.full(n_movies, np.log1p(traffic)))
        columns += (
            [] if release_year is None or date is None else [date[t] - release_year]
        )
        columns += [] if genres is None else list(np.asarray(genres).T)
        columns += [] if season is None else [np.full(n_movies, season[t])]
        yield np.stack(columns, axis=1, dtype=np.float32, casting="same_kind")
        row = np.asarray(row, float)
        for run in smooth:
            run.update(row)
        latest.append(shares(row[None])[0])
        before += row
        last[row > 0] = t
        first[(row > 0) & (first < 0)] = t
        traffic = row.sum()


def calendar(grid: Grid) -> dict:
    """What LightGBM may know beside the counts: ages, genres and the season."""
    year = grid.movies[RELEASE_YEAR].to_numpy(np.float64, na_value=np.nan)
    season = (grid.slots.day_of_year / 366).to_numpy(np.float64)
    return {
        "release_year": year,
        "date": grid.slots.year.to_numpy() + season,
        "genres": genre_flags(grid),
        "season": season,
    }
