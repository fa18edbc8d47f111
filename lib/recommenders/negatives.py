"""Training pairs for models that learn from watched (1) and unwatched (0) movies."""

import keras
import numpy as np

from lib.errors import UserError
from lib.recommenders.histories import Histories


def forbidden_pairs(train: Histories, held_out: np.ndarray | None = None) -> np.ndarray:
    """Sorted keys user · movies + movie of the pairs that are no negatives.

    Args:
        train: the watched movies.
        held_out: (users,) one more movie per user, -1 for none.
    """
    keys = train.users * train.n_items + train.items
    if held_out is not None:
        users = np.flatnonzero(held_out >= 0)
        keys = np.concatenate([keys, users * train.n_items + held_out[users]])
    return np.unique(keys)


def draw_negatives(
    users: np.ndarray, n_items: int, forbidden: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """One movie per entry of `users`, uniform over those that are not forbidden.

    All are drawn at once; only the few that hit a forbidden pair are drawn again.

    Args:
        users: (n,) user codes, with repetitions.
        n_items: size of the catalogue.
        forbidden: what `forbidden_pairs` returns.
        rng: source of the draws.

    Returns:
        (n,) int64 movie codes.

    Raises:
        UserError: a user has watched the whole catalogue.
    """
    counts = np.bincount(forbidden // n_items, minlength=users.max(initial=0) + 1)
    if np.any(counts[users] >= n_items):
        raise UserError(
            f"a user watched all {n_items} movies; expected at least one unwatched "
            "movie per user: take a larger data set"
        )
    drawn = rng.integers(0, n_items, len(users))
    again = np.arange(len(users))
    while len(again):
        keys = users[again] * n_items + drawn[again]
        place = np.minimum(np.searchsorted(forbidden, keys), len(forbidden) - 1)
        again = again[forbidden[place] == keys]
        drawn[again] = rng.integers(0, n_items, len(again))
    return drawn


class PairBatches(keras.utils.PyDataset):
    """Batches of (user, movie) → watched or not, with new negatives in every epoch.

    Args:
        train: the watched movies, the positives.
        negatives: number of unwatched movies per watched one.
        batch_size: pairs per batch.
        held_out: movies that are never drawn as negatives, see `forbidden_pairs`.
        seed: of the draws and of the order of the pairs.
    """

    def __init__(self, train, negatives, batch_size, held_out=None, seed=0):
        super().__init__()
        self.train, self.negatives, self.batch_size = train, negatives, batch_size
        self.forbidden = forbidden_pairs(train, held_out)
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def on_epoch_end(self) -> None:
        """Draws the negatives of the next epoch and shuffles the pairs."""
        users = np.tile(self.train.users, self.negatives + 1)
        positives = len(self.train.items)
        drawn = draw_negatives(
            users[positives:], self.train.n_items, self.forbidden, self.rng
        )
        items = np.concatenate([self.train.items, drawn])
        labels = (np.arange(len(users)) < positives).astype("float32")
        order = self.rng.permutation(len(users))
        self.pairs = users[order].astype("int32"), items[order].astype("int32")
        self.labels = labels[order, None]

    def __len__(self) -> int:
        return -(-len(self.labels) // self.batch_size)

    def __getitem__(self, index: int):
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return tuple(part[rows] for part in self.pairs), self.labels[rows]
