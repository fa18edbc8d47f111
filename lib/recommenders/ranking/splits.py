"""What is held out: the last movie of each user, or all that follows a date."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lib.errors import UserError
from lib.recommenders.ranking.histories import Histories

MIN_RATINGS = 3  # a user with fewer has nothing left to learn from


@dataclass(frozen=True, eq=False)
class Split:
    """A training part and later movies of some users.

    Attributes:
        train: the histories that models learn from.
        users: (held out,) int64 user codes, rising; each occurs once or more often.
        movies: (held out,) int64, the movie code that goes with each of `users`.
        times: (held out,) int64, when it was watched, Unix seconds.
    """

    train: Histories
    users: np.ndarray
    movies: np.ndarray
    times: np.ndarray

    @property
    def held_out(self) -> np.ndarray:
        """(all users,) int64, the last held-out movie of each user, -1 for none."""
        last = np.full(self.train.n_users, -1)
        last[self.users] = self.movies
        return last

    @cached_property
    def unseen(self) -> "Unseen":
        """Movies that a user neither watched in training nor watches in the test."""
        return Unseen(self.train, self.users, self.movies)

    @property
    def later_share(self) -> float:
        """Share of the training rows that are later than a held-out row, the mean.

        Leave-one-out holds out the last movie of *each user*: the others' ratings stay,
        whenever they were given. A recommender in use cannot know these.
        """
        times = np.sort(self.train.times)
        earlier = np.searchsorted(times, self.times, "right")
        return float(1 - earlier.mean() / len(times))


class Unseen:
    """The movies that each user has not seen, in order of their codes.

    Args:
        train: the watched movies.
        users: (n,) user codes of further movies that do not count as unseen.
        movies: (n,) their movie codes.
    """

    def __init__(self, train: Histories, users=(), movies=()):
        self.n_items = train.n_items
        more = np.asarray(users, "int64") * self.n_items + np.asarray(movies, "int64")
        keys = train.users * self.n_items + train.items
        self.keys = np.unique(np.concatenate([keys, more]))  # sorted: user, movie
        edges = np.arange(train.n_users + 1) * self.n_items
        self.starts = np.searchsorted(self.keys, edges)
        self.counts = self.n_items - np.diff(self.starts)
        # The k-th unseen movie has the code k + (seen movies s_0 < s_1 < … before it),
        # and the i-th seen one comes before it where s_i - i <= k.
        of = self.keys // self.n_items
        self.shifted = self.keys - (np.arange(len(self.keys)) - self.starts[of])

    def movies(self, users: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Code of the unseen movie number `places` (from 0) of each of `users`."""
        keys = users * self.n_items + places
        before = np.searchsorted(self.shifted, keys, "right") - self.starts[users]
        return places + before

    def draw(self, users: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """One unseen movie per entry of `users`, all equally likely: (n,) int64.

        Raises:
            UserError: a user has seen the whole catalogue.
        """
        if (self.counts[users] == 0).any():
            raise UserError(
                f"a user watched all {self.n_items} movies; expected at least one "
                "unwatched movie per user: take a larger data set"
            )
        return self.movies(users, rng.integers(0, self.counts[users]))

    def draw_distinct(
        self, users: np.ndarray, n: int, rng: np.random.Generator
    ) -> np.ndarray:
        """n different unseen movies per user (Floyd's algorithm of 1987).

        Returns:
            (len(users), n) int64; -1 where a user has fewer unseen movies.
        """
        places = np.full((len(users), n), -1)
        for step in range(n):
            top = self.counts[users] - n + step  # the highest place of this step
            drawn = rng.integers(0, np.maximum(top, 0) + 1)
            taken = (places[:, :step] == drawn[:, None]).any(axis=1)
            places[:, step] = np.where(top < 0, -1, np.where(taken, top, drawn))
        found = self.movies(users[:, None], np.maximum(places, 0))
        return np.where(places < 0, -1, found)


def leave_one_out(histories: Histories) -> Split:
    """Holds out the last movie of every user who has at least `MIN_RATINGS`.

    Applied to the training part of a split it gives the validation split: the
    second-last movie of each user.
    """
    users = np.flatnonzero(histories.lengths >= MIN_RATINGS)
    last = histories.starts[users + 1] - 1
    keep = np.ones(len(histories.items), dtype=bool)
    keep[last] = False
    train = _rows(histories, keep)
    return Split(train, users, histories.items[last], histories.times[last])


def time_split(histories: Histories, share: float) -> Split:
    """Trains on what is watched before a date and tests on what is watched from it on.

    No model can learn from a rating given after the one it is asked for, not even from
    another user's: unlike leave-one-out it has no such leak (Ji et al., A Critical
    Study on Data Leakage in Recommender System Offline Evaluation, TOIS 2023).

    Args:
        histories: all histories.
        share: of the rows that lie before the date, between 0 and 1.

    Returns:
        The split. Held out are the later movies of users with a history, as far as
        anybody watched the movie before the date; the code of users and movies stays.

    Raises:
        UserError: nobody has movies on both sides of the date.
    """
    date = np.quantile(histories.times, share)
    early = histories.times < date
    train = _rows(histories, early)
    known = np.bincount(train.items, minlength=train.n_items) > 0
    later = ~early & known[histories.items] & (train.lengths[histories.users] > 0)
    if not later.any():
        raise UserError(
            f"no user has movies before and after the date that {share:.0%} of the "
            "ratings lie before; expected at least one: give another SHARE"
        )
    held_out = (
        part[later] for part in (histories.users, histories.items, histories.times)
    )
    return Split(train, *held_out)


def _rows(histories: Histories, keep: np.ndarray) -> Histories:
    """The histories with only the rows where `keep`, (rows,) bool, is true."""
    lengths = np.bincount(histories.users[keep], minlength=histories.n_users)
    return replace(
        histories,
        starts=np.concatenate([[0], np.cumsum(lengths)]),
        items=histories.items[keep],
        times=histories.times[keep],
    )
