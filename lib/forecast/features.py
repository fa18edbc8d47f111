"""What is known of every movie at the end of a slot, for forecasting the next one.

Row t of every feature is made from slots 0 … t and from the movies' release years and
genres; nothing in it comes from slot t + 1 or later. Fixed transforms (logarithms,
ratios, factors) bring all features to a similar size, so that no scaler has to be
fitted; only the EWMA's two parameters are, on the validation slots
(`lib.forecast.baselines.tune`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d
from scipy.signal import lfilter

from lib.data.grid import Grid
from lib.evaluation.splits import Split
from lib.forecast.baselines import credit, ewma_count_weighted, tune
from lib.schema import GENRES, NO_GENRES, RELEASE_YEAR

MEANINGS = {
    "log_requests": "ln(1 + requests in the slot)",
    "surprise": "ln of observed over expected requests in the slot, one added to both",
    "log_popularity": "ln of the EWMA's forecast for the next slot, times movies",
    "log_total_requests": "ln(1 + all requests so far)",
    "unseen": "1 if never requested so far",
    "since_first": "ln(1 + slots since the first request)",
    "since_last": "ln(1 + slots since the latest request)",
    "mean_rating": "mean rating so far minus the overall mean, damped (stars)",
    "traffic": "ln(1 + requests of the slot)",
    "memory_1": "ln of a memory of half-life 1 slot over the EWMA",
    "memory_4": "the same, half-life 4 slots",
    "memory_16": "the same, half-life 16 slots",
    "memory_1e+09": "the same, nothing forgotten",
    "genre_trend": "smoothed surprise of the movie's genres",
    "release_trend": "smoothed surprise of movies released in the same five years",
    "neighbours_10": "smoothed surprise of movies about 10 places away by movieId",
    "neighbours_60": "the same, about 60 places away",
    "returning_memory": "memory of returning users' requests, 16 slots, over the EWMA",
    "requests_per_user": "ln of the slot's requests per user",
    "requests_per_user_trend": "the same, smoothed over slots",
    "new_users": "share of the slot's requests made by new users",
    "new_users_trend": "the same, smoothed over slots",
    "unseen_trend": "smoothed surprise of newcomers, for movies not requested yet",
    "future_year": "1 if the release year is still to come in the next slot",
    "this_year": "1 if released in the next slot's year",
    "last_year": "1 if released the year before",
    "log_age": "ln(1 + years since the release year began)",
    "unknown_year": "1 if the title has no year",
}


SPANS = (1, 4, 16, 1e9)  # slots: half-lives of memories, the last forgets nothing
RETURNING_SPAN = 16  # slots: half-life of the memory of returning users' requests
NEIGHBOURS = (10, 60)  # places of the catalogue
MEMORY_PRIOR = 0.1  # requests credited to every movie in a memory
PRIOR_REQUESTS = 1.0  # added to observed and expected before their ratio is taken


@dataclass(frozen=True)
class Features:
    """Inputs of the networks.

    Attributes:
        series: float32 array (slots, movies, 2): what happened to a movie in a slot.
            A network reads it for every slot of its window.
        series_names: names along the last axis.
        context: float32 array (slots, movies, features): what is known of a movie at
            the end of a slot. A network reads it once, at the end of its window.
        context_names: names along the last axis.
        log_ewma: float32 array (slots, movies), the logarithm of the tuned EWMA's
            forecast *for* slot t, made from the slots before it.
        ewma: the EWMA's parameters.
    """

    series: np.ndarray
    series_names: tuple[str, ...]
    context: np.ndarray
    context_names: tuple[str, ...]
    log_ewma: np.ndarray
    ewma: dict[str, float]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all features."""
        return self.series_names + self.context_names

    @property
    def values(self) -> np.ndarray:
        """All features in one new array (slots, movies, features)."""
        return np.concatenate([self.series, self.context], axis=-1)


def decayed(values: np.ndarray, half_life: float) -> np.ndarray:
    """Sums in which a slot counts half after `half_life` slots, its own included."""
    return lfilter([1.0], [1, -(0.5 ** (1 / half_life))], values, axis=0)


def since_first(counts: np.ndarray) -> np.ndarray:
    """Slots since the first request, −1 before it; row t knows slots 0 … t."""
    slot = np.arange(len(counts))[:, None]
    seen = counts.any(axis=0)
    first = np.where(seen, (counts > 0).argmax(axis=0), len(counts))
    return np.maximum(slot - first, -1)


def since_last(counts: np.ndarray) -> np.ndarray:
    """Slots since the latest request, −1 before the first; row t knows 0 … t."""
    slot = np.arange(len(counts))[:, None]
    last = np.maximum.accumulate(np.where(counts > 0, slot, -1), axis=0)
    return np.where(last >= 0, slot - last, -1)


def deviation(values: np.ndarray) -> np.ndarray:
    """Difference of each row to the mean of all rows so far, itself included."""
    return values - values.cumsum(axis=0) / np.arange(1, len(values) + 1)[:, None]


def group_surprise(counts, expected, groups) -> np.ndarray:
    """Log ratio of observed to expected requests of a movie's groups.

    Args:
        counts: array (slots, movies), observed requests.
        expected: array (slots, movies), expected ones.
        groups: array (movies, groups), 1 where a movie belongs to a group.

    Returns:
        Array (slots, movies): the mean over the movie's groups, 0 without any.
    """
    ratio = np.log((counts @ groups + 5.0) / (expected @ groups + 5.0))
    return ratio @ groups.T / np.maximum(groups.sum(axis=1), 1)


def genre_flags(grid: Grid) -> np.ndarray:
    """Array (movies, genres) of 0 and 1."""
    genres = grid.movies[GENRES].fillna(NO_GENRES)
    return genres.str.get_dummies("|").to_numpy(np.float64)


def series_features(counts: np.ndarray, expected: np.ndarray) -> dict:
    """What happened in each slot: the requests, and how surprising they were."""
    return {
        "log_requests": np.log1p(counts) / 2,
        "surprise": np.log((counts + PRIOR_REQUESTS) / (expected + PRIOR_REQUESTS)),
    }


def context_features(grid: Grid, ewma: np.ndarray, next_ewma: np.ndarray) -> dict:
    """What is known of every movie at the end of each slot.

    Args:
        grid: the grid.
        ewma: array (slots, movies), the EWMA's forecast for each slot.
        next_ewma: the same for the slot after each.

    Returns:
        name → array that broadcasts to (slots, movies).
    """
    counts = grid.counts.astype(np.float64)
    total = counts.sum(axis=1, keepdims=True)
    expected = total * ewma
    cumulated = counts.cumsum(axis=0)
    unseen = cumulated == 0
    features = {
        "log_popularity": np.log(next_ewma * next_ewma.shape[1]) / 2,
        "log_total_requests": np.log1p(cumulated) / 2,
        "unseen": unseen * 1.0,
        "since_first": np.log1p(since_first(counts) + 1) / 2,
        "since_last": np.log1p(since_last(counts) + 1) / 2,
        "mean_rating": mean_rating(grid),
        "traffic": deviation(np.log1p(total)),
    }
    for span in SPANS:
        memory = credit(decayed(counts, span), MEMORY_PRIOR)
        features[f"memory_{span:g}"] = np.log(memory / next_ewma)
    genre = group_surprise(counts, expected, genre_flags(grid))
    features["genre_trend"] = lfilter([0.6], [1, -0.7], genre, axis=0)
    decade = group_surprise(counts, expected, release_flags(grid))
    features["release_trend"] = lfilter([0.6], [1, -0.7], decade, axis=0)
    for width in NEIGHBOURS:
        features[f"neighbours_{width}"] = neighbour_surprise(counts, expected, width)
    again = credit(decayed(grid.returning, RETURNING_SPAN), MEMORY_PRIOR)
    features["returning_memory"] = np.log(again / next_ewma)
    features |= audience_features(grid)
    features["unseen_trend"] = unseen * unseen_surprise(counts, expected)
    return features | release_features(grid, unseen)


def neighbour_surprise(counts, expected, width: int) -> np.ndarray:
    """Log ratio of observed to expected requests of a movie's catalogue neighbours.

    Their surprises go together on MovieLens 100K. A likely reason: movies with
    neighbouring numbers are listed near each other, and users who browse meet both.

    Args:
        counts: array (slots, movies), columns in the order of movieId.
        expected: array (slots, movies), expected requests.
        width: standard deviation of the Gaussian weights, in places of the catalogue.

    Returns:
        Array (slots, movies), smoothed over slots (0.85 of the slot before is kept).
    """
    # The sum of squared weights is 1 / (2 √π width): this makes sums of effective size.
    size = 2 * np.sqrt(np.pi) * width
    near, foretold = (
        size * gaussian_filter1d(np.asarray(x, float), width, axis=1)
        for x in (counts, expected)
    )
    ratio = np.log((near + 5.0) / (foretold + 5.0))
    return lfilter([0.3], [1, -0.85], ratio, axis=0)


def audience_features(grid: Grid) -> dict[str, np.ndarray]:
    """Who made a slot's requests: few users or many, newcomers or known ones.

    A user who rates a movie once cannot request it again, so many requests per user,
    or many by returning users, spread over more movies.

    Returns:
        name → array (slots, 1), in the slot and smoothed over slots.
    """
    total = grid.counts.sum(axis=1, dtype=np.float64)
    new = total - grid.returning.sum(axis=1, dtype=np.float64)
    features = {
        "requests_per_user": np.log((total + 1) / (grid.users + 1))[:, None] - 2,
        "new_users": ((new + 1) / (total + 2))[:, None],
    }
    smooth = {
        f"{name}_trend": lfilter([0.3], [1, -0.7], value, axis=0)
        for name, value in features.items()
    }
    return features | smooth


def mean_rating(grid: Grid) -> np.ndarray:
    """Mean of a movie's ratings so far, damped by 5 ratings of the overall mean."""
    rated = ~np.isnan(grid.mean_rating)
    number = np.where(rated, grid.counts, 0).cumsum(axis=0, dtype=float)
    stars = np.where(rated, grid.counts * np.nan_to_num(grid.mean_rating), 0)
    stars = stars.cumsum(axis=0, dtype=float)
    overall = stars.sum(axis=1) / np.maximum(number.sum(axis=1), 1)
    return (stars + 5 * overall[:, None]) / (number + 5) - overall[:, None]


def release_flags(grid: Grid) -> np.ndarray:
    """Array (movies, groups): 1 for the movie's five years of release."""
    years = grid.movies[RELEASE_YEAR].astype("Float64") // 5
    return pd.get_dummies(years, dummy_na=True).to_numpy(np.float64)


def unseen_surprise(counts: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Log ratio of observed to expected requests of movies never requested before.

    Returns:
        Array (slots, 1), smoothed over slots: do newcomers get more than they should?
    """
    new = np.vstack([np.ones((1, counts.shape[1])), counts.cumsum(axis=0)[:-1] == 0])
    seen = lfilter([1.0], [1, -0.7], (counts * new).sum(axis=1))
    foretold = lfilter([1.0], [1, -0.7], (expected * new).sum(axis=1))
    return np.log((0.3 * seen + 1) / (0.3 * foretold + 1))[:, None]


def release_features(grid: Grid, unseen: np.ndarray) -> dict[str, np.ndarray]:
    """How old a movie will be in the next slot, from its release year."""
    year = grid.movies[RELEASE_YEAR].to_numpy(np.float64, na_value=np.nan)
    step = (grid.slots[1:] - grid.slots[:-1]).median()
    following = grid.slots + step
    start = (following.year + following.day_of_year / 366).to_numpy()[:, None]
    age = np.floor(start) - year
    known = {
        "future_year": (year > np.floor(start + step.days / 366)) * 1.0,
        "this_year": (age == 0) * 1.0,
        "last_year": (age == 1) * 1.0,
        "log_age": np.log1p(np.clip(np.nan_to_num(start - year), 0, None)) / 2,
    }
    new = {f"unseen_{name}": unseen * value for name, value in known.items()}
    return known | new | {"unknown_year": np.isnan(age) * 1.0}


def stacked(features: dict, shape: tuple[int, int]) -> np.ndarray:
    """Features as one float32 array (slots, movies, features)."""
    values = np.empty((*shape, len(features)), np.float32)
    for index, feature in enumerate(features.values()):
        values[..., index] = feature
    return values


def build_features(grid: Grid, split: Split) -> Features:
    """Tune the EWMA on the validation slots and build every feature.

    Args:
        grid: the grid.
        split: its validation slots choose the EWMA's parameters.
    """
    tuned = tune("ewma_count_weighted", grid.counts, split)
    ewma = tuned.forecast
    after = np.vstack([grid.counts, np.zeros_like(grid.counts[:1])])
    next_ewma = ewma_count_weighted(after, **tuned.parameters)[1:]
    counts = grid.counts.astype(np.float64)
    expected = counts.sum(axis=1, keepdims=True) * ewma
    series = series_features(counts, expected)
    context = context_features(grid, ewma, next_ewma)
    return Features(
        series=stacked(series, counts.shape),
        series_names=tuple(series),
        context=stacked(context, counts.shape),
        context_names=tuple(context),
        log_ewma=np.log(ewma).astype(np.float32),
        ewma=tuned.parameters,
    )
