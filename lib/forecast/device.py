"""What differs between TensorFlow, JAX and torch, and where training runs."""

import contextlib
import os
import weakref

import keras
from IPython.display import display

from lib.memory import SHARED_GPU

# A step of these small networks costs more with its work shared among threads than
# without; and sums come out the same on any number of cores, also in a sweep that
# leaves more than one to a run. TensorFlow reads both when it runs its first operation.
os.environ.update(TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
for name, value in SHARED_GPU.items():
    os.environ.setdefault(name, value)

STEPS_AT_ONCE = 32  # training steps between two returns to Python


def device() -> str:
    """The GPU when the backend sees one, else the CPU, with the backend's name."""
    backend, gpus = keras.backend.backend(), []
    if backend == "torch":
        import torch

        gpus = [torch.cuda.get_device_name(0)] if torch.cuda.is_available() else []
    else:
        with contextlib.suppress(RuntimeError):  # JAX complains where there is no GPU
            gpus = keras.distribution.list_devices("gpu")
    return f"{gpus[0]} ({backend})" if gpus else f"CPU ({backend})"


def show_device() -> None:
    """Say in a notebook where training runs; the report's appendix repeats it."""
    backend, where = keras.backend.backend(), device()
    display(
        {"text/plain": f"training on: {where}"},
        raw=True,
        metadata={"environment": {"device": where, "backend": backend}},
    )


def compile_options() -> dict:
    """Arguments of `keras.Model.compile` that suit the backend."""
    backend = keras.backend.backend()
    return {
        "jit_compile": backend == "jax",
        # A step takes a few milliseconds; returning to Python each time adds to them.
        "steps_per_execution": 1 if backend == "torch" else STEPS_AT_ONCE,
    }


def set_learning_rate(model: keras.Model, rate: float) -> None:
    """Change the step size while `fit` runs."""
    if hasattr(model, "jax_state_sync"):  # JAX keeps a copy of its own
        model.jax_state_sync()
    model.optimizer.learning_rate = rate


def stream(batches: keras.utils.PyDataset):
    """Batches as the backend reads them fastest.

    That is a `tf.data.Dataset` on TensorFlow, since Keras' own way from a PyDataset to
    one takes longer. It can be read for as long as the batches are kept.
    """
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    source = weakref.proxy(batches)  # TensorFlow never forgets what a dataset calls
    example = batches[0]
    arrays = keras.tree.flatten(example)
    # The first axis is open: the last batch may be smaller.
    shapes = [(None, *array.shape[1:]) for array in arrays]

    def read(index):
        batch = tf.numpy_function(
            lambda i: keras.tree.flatten(source[i]),
            [index],
            [array.dtype for array in arrays],
        )
        for tensor, shape in zip(batch, shapes, strict=True):
            tensor.set_shape(shape)
        return keras.tree.pack_sequence_as(example, batch)

    return tf.data.Dataset.range(batches.num_batches).map(read).prefetch(2)
