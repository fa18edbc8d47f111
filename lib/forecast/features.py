"""What is known of every movie at the end of a slot, for forecasting the next one.

Every feature is a running state: `State` takes in a slot's requests and hands out the
features at its end, so that row t is made from slots 0 … t and from the movies' release
years and genres; nothing in it comes from slot t + 1 or later. A movie that only later
slots name changes no feature of another: sums over genres, release years and neighbours
run over the movies requested so far. Fixed transforms (logarithms, ratios, factors)
bring all features to a similar size, so that no scaler has to be fitted; only the
start's three parameters are, on the validation slots (`lib.forecast.start`).
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import csr_array

from lib.data.arrays import identity, made_once
from lib.data.grid import Grid
from lib.evaluation.splits import Split
from lib.forecast import start as start_module
from lib.forecast.start import Start, tune_start
from lib.progress import every
from lib.schema import GENRES, MOVIE, NO_GENRES, RELEASE_YEAR

MEANINGS = {
    "log_requests": "ln(1 + requests in the slot)",
    "surprise": "ln of observed over expected requests in the slot, one added to both",
    "log_popularity": "ln of the start's share in the next slot, times movies known",
    "log_total_requests": "ln(1 + all requests so far)",
    "unseen": "1 if never requested so far",
    "since_first": "ln(1 + slots since the first request)",
    "since_last": "ln(1 + slots since the latest request)",
    "mean_rating": "mean rating so far minus the overall mean, damped (stars)",
    "traffic": "ln(1 + requests of the slot)",
    "memory_1": "ln of a memory of half-life 1 slot over the start",
    "memory_4": "the same, half-life 4 slots",
    "memory_16": "the same, half-life 16 slots",
    "memory_1e+09": "the same, nothing forgotten",
    "genre_trend": "smoothed surprise of the movie's genres",
    "release_trend": "smoothed surprise of movies released in the same five years",
    "neighbours_10": "smoothed surprise of movies about 10 places away by movieId",
    "neighbours_60": "the same, about 60 places away",
    "not_listed_yet": "ln(1 + how far the movieId is above all requested so far)",
    "returning_memory": "memory of returning users' requests, 16 slots, over the start",
    "requests_per_user": "ln of the slot's requests per user",
    "requests_per_user_trend": "the same, smoothed over slots",
    "new_users": "share of the slot's requests made by new users",
    "new_users_trend": "the same, smoothed over slots",
    "unseen_trend": "smoothed surprise of new movies, for movies not requested yet",
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


ANY = {"alpha": 0.1, "pseudo_count": 0.1, "span": 4}  # to learn the names by
PRECISION = np.float16  # three digits: half the memory, 0.0000 nats on MovieLens


@dataclass(frozen=True)
class Features:
    """Inputs of the networks, read from disk slot by slot where they are large.

    Attributes:
        series: float16 array (slots, movies, 2): what happened to a movie in a slot.
            A network reads it for every slot of its window.
        series_names: names along the last axis.
        context: float16 array (slots, movies, features): what is known of a movie at
            the end of a slot. A network reads it once, at the end of its window.
        all_context_names: names along the last axis.
        log_ewma: float32 array (slots, movies), the logarithm of the start's forecast
            *for* slot t, made from the slots before it.
        ewma: its parameters.
        left_out: names of features that are not read.
    """

    series: np.ndarray
    series_names: tuple[str, ...]
    context: np.ndarray
    all_context_names: tuple[str, ...]
    log_ewma: np.ndarray
    ewma: dict[str, float]
    left_out: tuple[str, ...] = ()

    def without(self, *names: str) -> "Features":
        """The same, without some features.

        A series is silenced, since a recurrent layer needs some input; a column of the
        context is not read.
        """
        return replace(self, left_out=(*self.left_out, *names))

    @property
    def context_names(self) -> tuple[str, ...]:
        """Names of the columns of the context that are read."""
        names = self.all_context_names
        return tuple(name for name in names if name not in self.left_out)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all features."""
        return self.series_names + self.all_context_names

    def cells(self, slots: np.ndarray, movies: np.ndarray) -> np.ndarray:
        """All features of some cells, float32 (cells, features)."""
        parts = (self.series[slots, movies], self.context[slots, movies])
        return np.concatenate(parts, axis=-1, dtype=np.float32)


class State:
    """Everything that the features remember of the slots so far."""

    def __init__(self, grid: Grid, parameters: dict[str, float]):
        """Begin before the first slot.

        Args:
            grid: its movies are known by release year and genres, its slots by date.
            parameters: of the start, see `tune_start`.
        """
        movies = len(grid.movies)
        self.kappa = parameters["pseudo_count"]
        self.start = Start(movies, [parameters["alpha"]], [parameters["span"]])
        self.slot = -1
        self.memories = np.zeros((len(SPANS), movies))
        self.again, self.requests, self.rated, self.stars = np.zeros((4, movies))
        self.first, self.last = np.full((2, movies), -1)
        groups = {
            "genre_trend": genre_flags(grid),
            "release_trend": release_flags(grid),
        }
        self.groups = {name: csr_array(flags) for name, flags in groups.items()}
        self.trends = {name: np.zeros(g.shape[1]) for name, g in self.groups.items()}
        self.near = dict.fromkeys(NEIGHBOURS, np.zeros(movies))
        self.number = grid.movies[MOVIE].to_numpy(np.float64)
        self.greatest = 0.0
        self.traffic, self.new, self.awaited = 0.0, 0.0, 0.0
        self.audience: dict[str, float] = {}
        self.year = grid.movies[RELEASE_YEAR].to_numpy(np.float64, na_value=np.nan)
        step = (grid.slots[1:] - grid.slots[:-1]).median()
        following = grid.slots + step
        self.dates = (following.year + following.day_of_year / 366).to_numpy()
        self.step_years = step.days / 366

    def move(self, counts, returning, mean_rating, users) -> tuple[dict, dict]:
        """Take in a slot and tell what is known at its end.

        Args:
            counts: array (movies,), requests.
            returning: array (movies,), those of returning users.
            mean_rating: array (movies,), NaN where nothing was rated.
            users: number of users of the slot.

        Returns:
            The series and the context: name → array that broadcasts to (movies,).
        """
        self.slot += 1
        counts, start = counts.astype(np.float64), self.start
        known, total = start.seen.copy(), counts.sum()
        fresh = counts[~known].sum()
        awaited = total * start.bucket[0]
        expected = (total - awaited) * start.level(self.kappa)[0] * known.any()
        start.update(counts)
        level = start.level(self.kappa)[0]
        series = {
            "log_requests": np.log1p(counts) / 2,
            "surprise": np.log((counts + PRIOR_REQUESTS) / (expected + PRIOR_REQUESTS)),
        }
        context = self._popularity(counts, level)
        context["mean_rating"] = self._mean_rating(counts, mean_rating)
        context["traffic"] = self._deviation(np.log1p(total))
        context |= self._memories(counts, returning, level)
        for name in self.groups:
            context[name] = self._trend(name, counts * known, expected * known)
        for width in NEIGHBOURS:
            self._neighbours(width, counts[known], expected[known], known)
            context[f"neighbours_{width}"] = self.near[width]
        context["not_listed_yet"] = self._not_listed_yet(counts)
        context |= self._audience(total, returning.sum(dtype=float), users)
        self.new = 0.7 * self.new + fresh
        self.awaited = 0.7 * self.awaited + awaited
        trend = np.log((0.3 * self.new + 1) / (0.3 * self.awaited + 1))
        context["unseen_trend"] = context["unseen"] * trend
        return series, context | self._release(context["unseen"])

    def _popularity(self, counts, level) -> dict:
        """How popular a movie is, and when it was requested."""
        requested = counts > 0
        self.requests += counts
        self.last[requested] = self.slot
        self.first[requested & (self.first < 0)] = self.slot
        seen = self.first >= 0
        since = [np.where(seen, self.slot - x + 1, 0) for x in (self.first, self.last)]
        return {
            "log_popularity": np.log(level * max(seen.sum(), 1)) / 2,
            "log_total_requests": np.log1p(self.requests) / 2,
            "unseen": ~seen * 1.0,
            "since_first": np.log1p(since[0]) / 2,
            "since_last": np.log1p(since[1]) / 2,
        }

    def _mean_rating(self, counts, mean_rating) -> np.ndarray:
        """Mean of the ratings so far, damped by 5 ratings of the overall mean."""
        rated = ~np.isnan(mean_rating)
        self.rated[rated] += counts[rated]
        self.stars[rated] += counts[rated] * mean_rating[rated]
        overall = self.stars.sum() / max(self.rated.sum(), 1)
        return (self.stars + 5 * overall) / (self.rated + 5) - overall

    def _deviation(self, value: float) -> float:
        """Difference of a value to the mean of all so far, itself included."""
        self.traffic += value
        return value - self.traffic / (self.slot + 1)

    def _memories(self, counts, returning, level) -> dict:
        """Requests remembered for several times, over the start."""
        fade = 0.5 ** (1 / np.array(SPANS))
        self.memories = self.memories * fade[:, None] + counts
        self.again = self.again * 0.5 ** (1 / RETURNING_SPAN) + returning
        found = {}
        names = [*(f"memory_{span:g}" for span in SPANS), "returning_memory"]
        for name, memory in zip(names, (*self.memories, self.again), strict=True):
            credited = memory + MEMORY_PRIOR
            found[name] = np.log(credited / credited[self.start.seen].sum() / level)
        return found

    def _trend(self, name: str, counts, expected) -> np.ndarray:
        """Log ratio of observed to expected requests of a movie's groups, smoothed.

        The mean over its groups, 0 without any; movies not requested before the slot
        do not count.
        """
        groups = self.groups[name]  # (movie, group)
        ratio = np.log((groups.T @ counts + 5) / (groups.T @ expected + 5))  # (group,)
        self.trends[name] = 0.7 * self.trends[name] + 0.6 * ratio
        return groups @ self.trends[name] / np.maximum(groups.sum(axis=1), 1)

    def _neighbours(self, width: int, counts, expected, known) -> None:
        """Log ratio of observed to expected requests of neighbours by movieId.

        Their surprises go together on MovieLens 100K. A likely reason: movies with
        neighbouring numbers are listed near each other, and users who browse meet both.
        Places are counted among the movies requested before the slot; another movie
        takes the ratio of the next one.

        Args:
            width: standard deviation of the Gaussian weights, in places.
            counts: array (known movies,), in the order of movieId.
            expected: the same.
            known: bool array (movies,).
        """
        ratio = np.zeros(1)
        if len(counts):
            # The sum of squared weights is 1 / (2 √π width): sums of effective size.
            size = 2 * np.sqrt(np.pi) * width
            near, awaited = (
                size * gaussian_filter1d(x, width) for x in (counts, expected)
            )
            ratio = np.log((near + 5) / (awaited + 5))
        place = np.minimum(np.cumsum(known) - known, len(ratio) - 1)
        self.near[width] = 0.85 * self.near[width] + 0.3 * ratio[place]

    def _not_listed_yet(self, counts) -> np.ndarray:
        """How far a movie's number lies above the greatest requested so far.

        MovieLens numbers movies as they enter its catalogue. A movie far above all
        that were requested is not in it yet, so nobody can request it. Data without
        release years bring no such list, and their numbers may follow the first
        requests themselves, which are still to come: there it is 0.
        """
        self.greatest = self.number[counts > 0].max(initial=self.greatest)
        listed = not np.isnan(self.year).all()
        return listed * np.log1p(np.maximum(self.number - self.greatest, 0)) / 4

    def _audience(self, total: float, returning: float, users: float) -> dict:
        """Who made the slot's requests: few users or many, new or known ones.

        A user who rates a movie once cannot request it again, so many requests per
        user, or many by returning users, spread over more movies.
        """
        found = {
            "requests_per_user": np.log((total + 1) / (users + 1)) - 2,
            "new_users": (total - returning + 1) / (total + 2),
        }
        for name, value in found.items():
            before = self.audience.get(f"{name}_trend", 0.0)
            self.audience[f"{name}_trend"] = 0.7 * before + 0.3 * value
        return found | self.audience

    def _release(self, unseen) -> dict:
        """How old a movie will be in the next slot, from its release year."""
        date = self.dates[self.slot]
        age = np.floor(date) - self.year
        known = {
            "future_year": (self.year > np.floor(date + self.step_years)) * 1.0,
            "this_year": (age == 0) * 1.0,
            "last_year": (age == 1) * 1.0,
            "log_age": np.log1p(np.clip(np.nan_to_num(date - self.year), 0, None)) / 2,
        }
        new = {f"unseen_{name}": unseen * value for name, value in known.items()}
        return known | new | {"unknown_year": np.isnan(age) * 1.0}


def genre_flags(grid: Grid) -> np.ndarray:
    """Array (movies, genres) of 0 and 1."""
    genres = grid.movies[GENRES].fillna(NO_GENRES)
    return genres.str.get_dummies("|").to_numpy(np.float64)


def release_flags(grid: Grid) -> np.ndarray:
    """Array (movies, groups): 1 for the movie's five years of release."""
    years = grid.movies[RELEASE_YEAR].astype("Float64") // 5
    return pd.get_dummies(years, dummy_na=True).to_numpy(np.float64)


def build_features(grid: Grid, split: Split, folder: Path | None = None) -> Features:
    """Tune the start on the validation slots and make every feature in one pass.

    Args:
        grid: the grid.
        split: its validation slots choose the start's parameters.
        folder: keeps the features; whoever asks for the same again opens them from
            there. None holds them in memory.

    Raises:
        UserError: the disk has no room for them.
    """
    code = b"".join(Path(m).read_bytes() for m in (__file__, start_module.__file__))
    made_from = hashlib.sha256(code + f"{split}{grid.meta}{grid.slots}".encode())
    for array in (grid.counts, grid.returning, grid.mean_rating):
        made_from.update(identity(array))
    kind = f"{len(grid.slots)}-{split.validation.start}-{split.test.start}"
    facts, arrays = made_once(
        folder,
        f"features-{kind}",
        made_from.hexdigest(),
        lambda new: _make(grid, split, new),
    )
    return Features(
        series=arrays["series"],
        series_names=tuple(facts["series_names"]),
        context=arrays["context"],
        all_context_names=tuple(facts["all_context_names"]),
        log_ewma=arrays["log_ewma"],
        ewma=facts["ewma"],
    )


def _make(grid: Grid, split: Split, new) -> dict:
    """Fill new arrays with the features; return names and parameters."""
    shape = grid.counts.shape
    names = [list(found) for found in _moved(grid, State(grid, ANY), 0)]
    series, context, log_ewma = new(
        {
            "series": ((*shape, len(names[0])), PRECISION),
            "context": ((*shape, len(names[1])), PRECISION),
            "log_ewma": (shape, np.float32),
        }
    ).values()
    parameters = tune_start(grid.counts, split)
    state = State(grid, parameters)
    for t in every(range(len(log_ewma)), "features"):
        log_ewma[t] = np.log(state.start.shares(state.kappa))
        for array, found in zip((series, context), _moved(grid, state, t), strict=True):
            for column, value in enumerate(found.values()):
                array[t, :, column] = value
    return {
        "series_names": names[0],
        "all_context_names": names[1],
        "ewma": parameters,
    }


def _moved(grid: Grid, state: State, t: int) -> tuple[dict, dict]:
    return state.move(
        grid.counts[t], grid.returning[t], grid.mean_rating[t], grid.users[t]
    )
