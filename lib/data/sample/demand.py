"""How often each synthetic movie is requested in each week, and when exactly."""

import numpy as np
import pandas as pd

from lib.data.sample.texts import GENRES

MOVIES = 800
USERS = 1_500
RATINGS = 120_000
WEEKS = 120
START = pd.to_datetime("2021-01-04")  # a Monday
REVIVALS = 40
LARGEST_AUDIENCE = 0.6  # share of the users that the best-known movie can reach

# How movies of each genre are requested, one value per genre of GENRE_NAMES
SHARE = np.array([genre["share"] for genre in GENRES])  # of the movies
PEAK = np.array([genre["peak"] for genre in GENRES])  # weeks from release to the most
SEASON = np.array([genre["season"] for genre in GENRES])  # week of the year, log units


def rates(
    rng: np.random.Generator, movies: pd.DataFrame, has_genre: np.ndarray
) -> np.ndarray:
    """Expected share of each week's requests, shape (weeks, movies); rows sum to 1."""
    week = np.arange(WEEKS)[:, None]
    weight = has_genre / has_genre.sum(1, keepdims=True)
    age = week - movies["release"].to_numpy()  # weeks
    peak = weight @ PEAK
    peak = 1.5 * peak * np.exp(0.35 * movies["quality"].to_numpy())  # word of mouth
    buzz = rng.lognormal(1.5, 0.5, MOVIES)
    level = np.exp(movies["fame"].to_numpy()) * (1 + buzz * _wave(age, peak))
    level = level * (1 + 4 * _wave(week - movies["sequel_week"].to_numpy() + 4, 4.0))
    revived = rng.choice(np.flatnonzero(movies["release"] < 0), REVIVALS, replace=False)
    begin = rng.integers(4, WEEKS - 4, REVIVALS)
    level[:, revived] *= 1 + rng.uniform(5, 20, REVIVALS) * _wave(week - begin, 2.0)
    trend = 0.45 * _trends(rng, MOVIES) + 0.3 * _trends(rng, len(weight[0])) @ weight.T
    rate = level * np.exp(trend + _season() @ weight.T) * (age >= 0)
    return _within_audience(rate)


def _within_audience(rate: np.ndarray) -> np.ndarray:
    """Weekly shares in which no movie has more requests than people to make them.

    Nobody rates a movie twice, so the best known cannot grow beyond their audience.
    """
    limit = LARGEST_AUDIENCE * USERS
    share = rate / rate.sum(1, keepdims=True)
    total = RATINGS * share.mean(0)
    target = limit * -np.expm1(-total / limit)
    for _ in range(8):  # each pass hands what is cut to the other movies
        share = share * target / (RATINGS * share.mean(0))
        share /= share.sum(1, keepdims=True)
        target = np.minimum(RATINGS * share.mean(0), limit)
    return share


def _wave(age: np.ndarray, peak: np.ndarray | float) -> np.ndarray:
    """A rise to 1 at `peak` weeks and a decay after it; 0 before age 0."""
    x = np.maximum(np.where(np.isfinite(age), age, -1) + 1, 0) / peak
    return x * np.exp(1 - x)


def _trends(rng: np.random.Generator, number: int) -> np.ndarray:
    """Slow random waves with momentum, shape (weeks, number), sd about 1."""
    shocks = rng.normal(size=(WEEKS + 60, number))
    value, speed = np.zeros(number), np.zeros(number)
    path = np.empty_like(shocks)
    for t, shock in enumerate(shocks):
        speed = 0.9 * speed + shock
        value = 0.95 * value + speed
        path[t] = value
    return (path / path.std())[60:]


def _season() -> np.ndarray:
    """Log factor of each genre's season, shape (weeks, genres)."""
    days = START.day_of_year + 7 * np.arange(WEEKS)[:, None]
    week, strength = SEASON.T
    distance = (days - 7 * week + 182.6) % 365.25 - 182.6
    return strength * np.exp(-0.5 * (distance / 18) ** 2)


def requests(rng: np.random.Generator, shares: np.ndarray) -> pd.DataFrame:
    """One row per request, in order of time: movie (index) and timestamp (s)."""
    week = np.arange(WEEKS)
    traffic = 1 + 0.15 * np.cos(2 * np.pi * (week - 1) / 52.18) + 0.25 * week / WEEKS
    traffic = traffic * rng.lognormal(0, 0.08, WEEKS)
    per_week = rng.multinomial(RATINGS, traffic / traffic.sum())
    counts = rng.multinomial(per_week, shares)  # (weeks, movies)
    at, movie = np.divmod(np.arange(counts.size), MOVIES)
    at, movie = np.repeat(at, counts.ravel()), np.repeat(movie, counts.ravel())
    # More on Friday to Sunday, most in the evening
    day = rng.choice(7, len(at), p=np.array([10, 10, 11, 12, 17, 21, 19]) / 100)
    hour = (20.5 + 3.8 * rng.standard_t(5, len(at))) % 24
    seconds = (at * 7 + day) * 86_400 + (hour * 3_600).astype(np.int64)
    log = pd.DataFrame({"movie": movie, "timestamp": seconds})
    log["timestamp"] += int(START.timestamp())
    return log.sort_values("timestamp", kind="stable", ignore_index=True)
