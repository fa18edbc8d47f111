"""Forecasting how popular each movie will be in the next time slot."""

import logging
import os
import sys
from importlib import import_module
from types import TracebackType


def _end_quietly(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Say nothing more than a line of Ctrl-C while modules are still being imported."""
    if issubclass(kind, KeyboardInterrupt):
        print("stopped; the same command goes on from here", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


if sys.argv[:1] == ["-m"]:  # so `python -m lib` is called while its imports run
    sys.excepthook = _end_quietly

# TensorFlow reads both once, on import: without them it prints lines that differ from
# machine to machine and spoil the comparison of notebook outputs.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

# One network after another is built here, which TensorFlow takes for a mistake.
logging.getLogger("tensorflow").addFilter(
    lambda record: "retracing" not in record.getMessage()
)


def names_of(package: str, **modules: tuple[str, ...]):
    """The names that a package offers, each loaded when it is first asked for.

    So `from lib.forecast import windows` does not wait for Keras. A name that is also
    one of the package's modules would give the module.

    Args:
        package: dotted name of the package.
        **modules: module of the package → names that it defines.

    Returns:
        `__all__` and `__getattr__` of the package.
    """
    places = {name: module for module, names in modules.items() for name in names}

    def load(name: str):
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{places[name]}"), name)

    return sorted(places), load
