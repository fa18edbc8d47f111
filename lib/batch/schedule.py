"""Notebooks side by side, each after those that it requires."""

import contextlib
import os
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter

import psutil


def in_order(
    requires: dict[str, list[str]],
    work: Callable[[str], bool],
    jobs: int | None = None,
    echo: Callable[[str], None] = print,
) -> dict[str, bool]:
    """Do some things side by side, each after those that it requires.

    Args:
        requires: name → names that come before it.
        work: called with each name, in a thread.
        jobs: how many at a time, None for one per core.
        echo: told when something failed while others still run.

    Returns:
        name → what `work` returned.

    Raises:
        Exception: the first that `work` raised, when those that were already begun
            have ended.
        KeyboardInterrupt: at once; their kernels are stopped.
    """
    jobs = jobs or os.cpu_count() or 1
    order = TopologicalSorter(requires)
    order.prepare()
    ready, running, done, failures = [], {}, {}, []
    with ThreadPoolExecutor(jobs) as pool:
        try:
            while True:
                ready += order.get_ready()
                while ready and not failures and len(running) < jobs:
                    name = ready.pop(0)
                    running[pool.submit(work, name)] = name
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    name = running.pop(future)
                    if error := future.exception():
                        failures.append(error)
                        if running:
                            rest = ", ".join(running.values())
                            echo(f"{name} failed; waiting for {rest}")
                    else:
                        done[name] = future.result()
                        order.done(name)
        except KeyboardInterrupt:
            _stop_kernels(running)
            raise
    if failures:
        raise failures[0]
    return done


def _stop_kernels(running: Iterable[Future]) -> None:
    """End the notebooks that run, also one whose kernel is only about to start."""
    while wait(running, timeout=0.2).not_done:
        for kernel in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess):
                kernel.kill()
