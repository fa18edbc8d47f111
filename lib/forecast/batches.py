"""Batches of drawn cells, and the data set that hands them to TensorFlow."""

import weakref

import keras
import numpy as np


class SlotBatches(keras.utils.PyDataset):
    """Batches of `batch_size` slots, cut from strided views when they are needed.

    `start_epoch` draws the order of an epoch from (seed, epoch), so that a training
    that goes on after a stop sees the same batches as one that was never stopped.
    """

    def __init__(self, inputs, target, rows, batch_size=1, *, seed=None, weights=None):
        """Keep the views.

        Args:
            inputs: arrays (slots, ...), one for each input of the model.
            target: array (slots, ...) of counts.
            rows: indices of the slots to use.
            batch_size: slots in a batch.
            seed: None for the given order.
            weights: array (slots, ...), what each slot's loss counts; None for 1.
        """
        super().__init__()
        self.inputs, self.target, self.rows = inputs, target, np.asarray(rows)
        self.batch_size, self.seed, self.weights = batch_size, seed, weights
        self.start_epoch(1)

    def start_epoch(self, epoch: int) -> None:
        """Draw the order of an epoch, counted from 1."""
        self.epoch, self.order = epoch, self.rows
        if self.seed is not None:
            rng = np.random.default_rng([self.seed, self.epoch])
            self.order = rng.permutation(self.rows)

    def __len__(self):
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, index):
        start = index * self.batch_size
        rows = self.order[start : start + self.batch_size]
        window = tuple(np.ascontiguousarray(view[rows]) for view in self.inputs)
        target = np.ascontiguousarray(self.target[rows])
        if self.weights is None:
            return window, target
        return window, target, np.ascontiguousarray(self.weights[rows])

    def stream(self):
        """The batches of the epoch that was started last, as the backend reads them.

        That is a `tf.data.Dataset` on TensorFlow, since Keras' own way from a PyDataset
        to one takes longer. It can be read for as long as these batches are kept.
        """
        if keras.backend.backend() != "tensorflow":
            return self
        import tensorflow as tf

        batches = weakref.proxy(self)  # TensorFlow never forgets what a dataset calls
        example = self[0]
        arrays = keras.tree.flatten(example)
        # The first axis is open: the last batch may be smaller.
        shapes = [(None, *array.shape[1:]) for array in arrays]

        def read(index):
            batch = tf.numpy_function(
                lambda i: keras.tree.flatten(batches[i]),
                [index],
                [array.dtype for array in arrays],
            )
            for tensor, shape in zip(batch, shapes, strict=True):
                tensor.set_shape(shape)
            return keras.tree.pack_sequence_as(example, batch)

        return tf.data.Dataset.range(len(self)).map(read).prefetch(2)


class SampledSlots(SlotBatches):
    """Batches in which a slot brings a random part of its movies.

    Nearly all movies of a large catalogue are not requested in a slot, and one such
    movie teaches what the next one does. A slot brings its requested movies (at most
    half of `movies`, drawn at random) and fills up with others; each drawn movie stands
    for several, so its weight in the softmax's sum is their number: ln(number) is added
    to its log_ewma. The sum and the loss are unbiased estimates of those over all
    movies, for losses that are sums over requests.
    """

    def __init__(self, *arguments, movies: int, **options):
        """As `SlotBatches`, with `movies` movies in each slot."""
        self.movies = movies
        super().__init__(*arguments, **options)

    def __getitem__(self, index):
        (window, context, log_ewma), target, *weights = super().__getitem__(index)
        rng = np.random.default_rng([self.seed or 0, self.epoch, index])
        parts = []
        for row in range(len(target)):
            chosen, stands_for = self._draw(target[row], rng)
            parts.append(
                (
                    window[row][:, chosen],
                    context[row][chosen],
                    log_ewma[row, chosen] + np.log(stands_for),
                    target[row, chosen] * stands_for,
                )
            )
        *inputs, target = (
            np.stack(x).astype(np.float32) for x in zip(*parts, strict=True)
        )
        return (tuple(inputs), target, *weights)

    def _draw(self, counts, rng):
        """Movies of one slot, and how many movies each of them stands for."""
        requested = np.flatnonzero(counts)
        others = np.flatnonzero(counts == 0)
        number = min(len(requested), self.movies // 2)
        number = max(number, self.movies - len(others))
        one = rng.choice(requested, number, replace=False)
        two = rng.choice(others, self.movies - number, replace=False)
        stands_for = np.repeat(
            [len(requested) / max(number, 1), len(others) / max(len(two), 1)],
            [len(one), len(two)],
        )
        return np.concatenate([one, two]), stands_for
