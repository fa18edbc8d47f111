"""Where training runs, told in words."""

import contextlib

import keras
from IPython.display import display


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
