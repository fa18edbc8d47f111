"""What each user watched, in order.

A rating counts as "watched", whatever its stars. MovieLens records the time of a whole
page of ratings at once, so many ratings of a user share one second (76 % of those of
ml-100k, and 44 % of its users have several last movies). A rule has to order them, and
the rule moves the results (see `ORDERS`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.sparse as sp

from lib.errors import UserError
from lib.schema import MOVIE, TIMESTAMP, USER

# Order of the ratings that a user gave in the same second. "random" is the fair one: a
# model can learn nothing from it. "movie_id" makes the last one a movie with a high id,
# in MovieLens a rarer one, and lets a sequence model profit from ids that only rise.
ORDERS = ("random", "file", "movie_id")


@dataclass(frozen=True)
class Histories:
    """The watched movies of all users; users and movies are codes 0, 1, 2, …

    Attributes:
        user_ids: (users,) int64, the userId of each code, rising.
        movie_ids: (movies,) int64, the movieId of each code, rising.
        starts: (users + 1,) int64; user u has the rows starts[u]:starts[u + 1].
        items: (rows,) int64, movie codes, per user from the first to the last.
        times: (rows,) int64, Unix seconds.
    """

    user_ids: np.ndarray
    movie_ids: np.ndarray
    starts: np.ndarray
    items: np.ndarray
    times: np.ndarray

    @property
    def n_users(self) -> int:
        """Number of users, those without a row included."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of movies in the catalogue."""
        return len(self.movie_ids)

    @property
    def lengths(self) -> np.ndarray:
        """Number of watched movies of each user: (users,) int64."""
        return np.diff(self.starts)

    @property
    def users(self) -> np.ndarray:
        """The user code of each row: (rows,) int64."""
        return np.repeat(np.arange(self.n_users), self.lengths)

    def places(self, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows of several users: (place in `users`, row in `items`), both int64."""
        lengths = self.lengths[users]
        place = np.repeat(np.arange(len(users)), lengths)
        before = np.cumsum(lengths) - lengths
        return place, np.arange(lengths.sum()) + (self.starts[users] - before)[place]

    def of(self, user: int) -> np.ndarray:
        """Movie codes that `user` (a code) watched, in order."""
        return self.items[self.starts[user] : self.starts[user + 1]]

    def matrix(self) -> sp.csr_matrix:
        """1 where a user watched a movie: sparse (users, movies) float32."""
        ones = np.ones(len(self.items), dtype="float32")
        shape = (self.n_users, self.n_items)
        return sp.csr_matrix((ones, (self.users, self.items)), shape=shape)

    def user_code(self, user_id: int) -> int:
        """The code of a userId.

        Raises:
            UserError: there is no such user.
        """
        place = int(np.searchsorted(self.user_ids, user_id))
        if place == self.n_users or self.user_ids[place] != user_id:
            raise UserError(
                f"userId {user_id} is not in the data; expected one of "
                f"{self.n_users} ids from {self.user_ids[0]} to {self.user_ids[-1]}"
            )
        return place


def build_histories(
    ratings: pd.DataFrame, order: str = "random", seed: int = 0
) -> Histories:
    """Orders the ratings of each user by time; a doubled pair counts once, the first.

    Args:
        ratings: userId, movieId, timestamp; the catalogue is the movies in it.
        order: one of `ORDERS`, for ratings of the same user and second.
        seed: of the order "random".

    Raises:
        UserError: an unknown order, or no rating at all.
    """
    if order not in ORDERS:
        raise UserError(f"order {order!r} is unknown; expected one of {ORDERS}")
    if ratings.empty:
        raise UserError("no ratings; expected at least one row")
    user_ids, users = np.unique(ratings[USER].to_numpy("int64"), return_inverse=True)
    movie_ids, items = np.unique(ratings[MOVIE].to_numpy("int64"), return_inverse=True)
    times = ratings[TIMESTAMP].to_numpy("int64")
    ties = {
        "random": lambda: np.random.default_rng(seed).permutation(len(items)),
        "file": lambda: np.arange(len(items)),
        "movie_id": lambda: items,
    }[order]()
    rows = np.lexsort((ties, times, users))
    pairs = users[rows] * len(movie_ids) + items[rows]
    rows = rows[np.sort(np.unique(pairs, return_index=True)[1])]
    starts = np.searchsorted(users[rows], np.arange(len(user_ids) + 1))
    return Histories(user_ids, movie_ids, starts, items[rows], times[rows])


def batches(users: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Cuts an array of users into parts of at most `size`."""
    for start in range(0, len(users), size):
        yield users[start : start + size]
