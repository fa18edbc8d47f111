"""Batches of slots, whole or with drawn movies, read when they are needed."""

import keras
import numpy as np


class Columns:
    """Rows of an array, some columns of its last axis left out or silenced on reading.

    Attributes:
        rows: array (slots, ..., columns).
        kept: columns to read, None for all.
        silent: columns to read as zero.
    """

    def __init__(self, rows: np.ndarray, kept=None, silent=()):
        self.rows, self.kept, self.silent = rows, kept, silent

    def __getitem__(self, index) -> np.ndarray:
        return self.read(self.rows[index])

    def read(self, rows: np.ndarray) -> np.ndarray:
        """A part of the rows, with the last axis whole, as a copy."""
        found = np.array(rows)
        found[..., list(self.silent)] = 0
        return found if self.kept is None else found[..., self.kept]


def _part(view, row: int, index) -> np.ndarray:
    """Part of a row; of `Columns` nothing else is copied."""
    if isinstance(view, Columns):
        return view.read(view.rows[row][index])
    return view[row][index]


class SlotBatches(keras.utils.PyDataset):
    """Batches of `batch_size` slots, cut from strided views when they are needed.

    `start_epoch` draws the slots of an epoch and their order from (seed, epoch), so
    that a training that goes on after a stop sees the same batches as one that was
    never stopped.
    """

    def __init__(
        self,
        inputs,
        target,
        rows,
        batch_size=1,
        *,
        seed=None,
        weights=None,
        slots_per_epoch=None,
    ):
        """Keep the views.

        Args:
            inputs: arrays (slots, ...), one for each input of the model.
            target: array (slots, ...) of counts.
            rows: indices of the slots to use.
            batch_size: slots in a batch.
            seed: None for the given order.
            weights: array (slots, ...), what each slot's loss counts; None for 1.
            slots_per_epoch: of more rows, so many are drawn for an epoch.
        """
        super().__init__()
        self.slots_per_epoch = slots_per_epoch
        self.inputs, self.target, self.rows = inputs, target, np.asarray(rows)
        self.batch_size, self.seed, self.weights = batch_size, seed, weights
        self.start_epoch(1)

    def start_epoch(self, epoch: int) -> None:
        """Draw the slots of an epoch, counted from 1, and their order."""
        self.epoch, self.order = epoch, self.rows
        if self.seed is not None:
            rng = np.random.default_rng([self.seed, self.epoch])
            self.order = rng.permutation(self.rows)[: self.slots_per_epoch]

    def __len__(self):
        return -(-len(self.order) // self.batch_size)

    def __getitem__(self, index):
        start = index * self.batch_size
        rows = self.order[start : start + self.batch_size]
        batch = self.read(rows, index)
        if self.weights is None:
            return batch
        return *batch, np.ascontiguousarray(self.weights[rows])

    def read(self, rows, index):
        """Inputs and target of some slots, float32; `index` is the batch's number."""
        inputs = tuple(np.asarray(view[rows], np.float32) for view in self.inputs)
        return inputs, np.asarray(self.target[rows], np.float32)


class SampledSlots(SlotBatches):
    """Batches in which a slot brings a random part of its movies.

    Nearly all movies of a large catalogue are not requested in a slot, and one such
    movie teaches what the next one does. A slot brings its requested movies (at most
    half of `movies`, drawn at random) and fills up with others; each drawn movie stands
    for several, so its weight in the softmax's sum is their number: ln(number) is added
    to its log_ewma. The sum and the loss are unbiased estimates of those over all
    movies, for losses that are sums over requests. For those that are means over
    movies, all are drawn with the same chance, and the loss is that of the shares
    among them.
    """

    def __init__(self, *arguments, movies: int, evenly: bool = False, **options):
        """As `SlotBatches`, with `movies` movies in each slot."""
        self.movies, self.evenly = movies, evenly
        super().__init__(*arguments, **options)

    def read(self, rows, index):
        window, context, log_ewma = self.inputs
        rng = np.random.default_rng([self.seed or 0, self.epoch, index])
        parts = []
        for row in rows:
            target = self.target[row]  # ([time,] movie)
            chosen, stands_for = self._draw(target.reshape(-1, target.shape[-1]), rng)
            parts.append(
                (
                    _part(window, row, np.s_[:, chosen]),  # (time, movie, series)
                    _part(context, row, np.s_[..., chosen, :]),  # ([time,] movie, ·)
                    log_ewma[row][..., chosen] + np.log(stands_for),
                    target[..., chosen] * stands_for,
                )
            )
        *inputs, target = (
            np.stack(x).astype(np.float32) for x in zip(*parts, strict=True)
        )
        return tuple(inputs), target

    def _draw(self, counts, rng):
        """Movies of one slot, and how many movies each of them stands for."""
        if self.evenly:
            chosen = rng.choice(counts.shape[1], self.movies, replace=False)
            return chosen, np.ones(len(chosen))
        asked = counts.any(axis=0)
        requested, others = np.flatnonzero(asked), np.flatnonzero(~asked)
        number = min(len(requested), self.movies // 2)
        number = max(number, self.movies - len(others))
        one = rng.choice(requested, number, replace=False)
        two = rng.choice(others, self.movies - number, replace=False)
        stands_for = np.repeat(
            [len(requested) / max(number, 1), len(others) / max(len(two), 1)],
            [len(one), len(two)],
        )
        return np.concatenate([one, two]), stands_for
