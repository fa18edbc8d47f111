"""Work beside a notebook's own: in other processes of this machine, or on a cluster.

Processes, not threads: two trainings of LightGBM in one process have crashed it, and
Python's part of a training would wait for the other's.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.connection import wait
from typing import Any

from lib.data.engines import connected
from lib.errors import UserError
from lib.memory import free_memory
from lib.progress import PROGRESS


def begin(
    function: Callable, calls: Sequence[tuple], need: int, cluster: str = ""
) -> list[Callable[[], Any]]:
    """Begin some calls of a function beside what follows.

    A script does so below `if __name__ == "__main__"`, since each process reads it.

    Args:
        function: of a module, so that another process finds it.
        calls: arguments of each call, which are copied.
        need: bytes that a call is expected to hold, roughly.
        cluster: address of a Dask scheduler whose workers see the same files; empty,
            or one of Spark, for this machine.

    Returns:
        For each call a function that waits for its result. On a cluster all calls have
        ended when this one does. Where this machine has no second core left
        (OMP_NUM_THREADS counts as their number) or no memory, it makes the call itself,
        then. It raises what the call raised, and UserError where its process was
        stopped.

    Raises:
        UserError: no scheduler answers at that address.
    """
    if is_dask(cluster) and calls:
        return _on_cluster(function, calls, cluster)
    cores = _cores()
    number = min(cores, len(calls), free_memory() // need - 1)  # one for the notebook
    if cores < 2 or number < 1:
        return [partial(function, *call) for call in calls]
    # A new interpreter: TensorFlow's threads do not survive in a copy of this one.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(number, context, _prepare)
    results = [pool.submit(function, *call) for call in calls]
    pool.shutdown(wait=False)  # when all is done
    return [partial(_result, one) for one in results]


def is_dask(cluster: str) -> bool:
    """Whether a CLUSTER is a Dask scheduler; Spark counts requests alone."""
    return bool(cluster) and not cluster.startswith("sc://")


def _cores() -> int:
    """Cores that this process may use."""
    given = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if given.isdecimal() and int(given):
        return int(given)
    own = getattr(os, "sched_getaffinity", None)  # not on macOS
    return len(own(0)) if own else os.cpu_count() or 1


def _on_cluster(function: Callable, calls: Sequence[tuple], cluster: str) -> list:
    """What `begin` gives, from a Dask cluster: all is done when this ends.

    The threads of a Dask client, or of a worker, draw from the random numbers that
    Keras seeds weights with, so that networks built beside them are others each time.
    Hence nothing goes on here meanwhile, and a worker calls in a process of its own.
    """
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    with connected(cluster) as client:
        tasks = [
            client.submit(_alone, backend, function, *call, pure=False)
            for call in calls
        ]
        return [lambda result=one: result for one in client.gather(tasks)]


def _alone(backend: str, function: Callable, *call):
    """A call on a Dask worker, in a process of its own."""
    own: Any = multiprocessing.current_process()
    own._config["daemon"] = False  # workers are, and such may not start processes
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, _prepare, (backend,)) as pool:
        return _result(pool.submit(function, *call))


def _result(future: Future):
    """What a call returned, as soon as it has."""
    try:
        return future.result()
    except BrokenProcessPool:
        raise UserError(
            "a process that trains beside the others was stopped, often for want of "
            "memory; close other programs, or set OMP_NUM_THREADS=1 to do without it"
        ) from None


def _prepare(backend: str = "") -> None:
    """A worker says nothing in the notebook's place, and ends when its starter does.

    It tells its progress where notebooks that run in a batch tell theirs. Whoever
    interrupts a cell does not mean what goes on beside it.
    """
    if backend:
        os.environ["KERAS_BACKEND"] = backend
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault(PROGRESS, os.devnull)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    wait([parent.sentinel] if parent else [])
    os._exit(1)
