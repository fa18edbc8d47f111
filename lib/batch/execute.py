"""Run one notebook with papermill, in a kernel of this very interpreter."""

import logging
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import IO

import papermill
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError

from lib import paths
from lib.errors import UserError
from lib.memory import SHARED_GPU
from lib.paths import shown
from lib.progress import PROGRESS

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "POLARS_MAX_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
# The kernel ends with the process that started it, even by `kill -9` and while it is
# deep in a computation: Linux kills it (PR_SET_PDEATHSIG), elsewhere ipykernel looks
# for its parent every second.
LAUNCHER = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != int(os.environ["JPY_PARENT_PID"]):
        sys.exit("the process that started this kernel is gone")
del sys.argv[0]
from runpy import run_module
run_module("ipykernel_launcher", run_name="__main__", alter_sys=True)
"""
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
LONGEST_SOCKET = 60  # characters of a folder for sockets, whose paths may have 107


def kernel_manager(
    folder: Path, variables: dict[str, str], sockets: Path, log: IO
) -> type:
    """A kernel manager for sys.executable, whatever kernels are registered.

    Folder and variables go to the kernel alone: this process may run several
    notebooks at once, so its own working directory and environment stay as they are.
    Sockets are files: free TCP ports can be taken twice when many kernels start. What
    libraries print past the notebook goes to the log.
    """

    class OwnKernel(AsyncKernelManager):
        def __init__(self, **options):
            super().__init__(transport="ipc", ip=f"{sockets}/k", **options)

        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(
                argv=[sys.executable, "-c", LAUNCHER, "k", "-f", "{connection_file}"],
                display_name="Python 3",
                language="python",
            )

        async def _async_pre_start_kernel(self, **options):
            given = {**SHARED_GPU, **os.environ, **options.get("env", {})}
            options["env"] = given | variables
            options |= {"cwd": str(folder), "stdout": log, "stderr": log}
            return await super()._async_pre_start_kernel(**options)

        pre_start_kernel = _async_pre_start_kernel

    return OwnKernel


def execute(
    source: Path,
    target: Path,
    parameters: dict,
    *,
    progress: Path,
    threads: int | None = None,
) -> None:
    """Run a notebook and keep its executed copy.

    Args:
        source: the notebook; its folder is the working directory, as in JupyterLab.
        target: the executed copy. It appears only when every cell has ended well;
            otherwise `<stem>.failed.ipynb` beside it shows how far it came.
        parameters: values for the cell tagged `parameters`.
        progress: file to which the notebook appends lines.
        threads: limit for the numerical libraries, None for all cores.

    Raises:
        UserError: a cell failed; names the notebook, the cell and the error.
    """
    # what it logs on an error is said again, shorter, by the error raised here
    logging.getLogger("papermill").setLevel(logging.CRITICAL)
    variables = dict.fromkeys(THREADS, str(threads)) if threads else {}
    # a relative POPULARITY_OUTPUT would mean another folder in the notebook's own
    variables |= {PROGRESS: str(progress), "POPULARITY_OUTPUT": str(paths.OUTPUT)}
    target.parent.mkdir(parents=True, exist_ok=True)
    running = target.with_suffix(".running.ipynb")
    failed = target.with_suffix(".failed.ipynb")
    short = len(tempfile.gettempdir()) <= LONGEST_SOCKET
    with (
        tempfile.TemporaryDirectory(prefix="k", dir=None if short else "/tmp") as place,
        tempfile.TemporaryFile("w+") as log,
    ):
        try:
            papermill.execute_notebook(
                source,
                running,
                parameters,
                kernel_name="python3",
                language="python",
                progress_bar=False,
                kernel_manager_class=kernel_manager(
                    source.parent, variables, Path(place), log
                ),
            )
        except papermill.PapermillExecutionError as error:
            os.replace(running, failed)
            raise UserError(explain(source.stem, error, failed)) from None
        except DeadKernelError:
            os.replace(running, failed)
            log.seek(0)
            last = log.read().strip().splitlines()[-1:]
            raise UserError(
                f"{source.stem}: its process was stopped by the system, often for want "
                "of memory (JOBS=1 runs one notebook at a time); "
                f"the notebook up to there: {shown(failed)}"
                + "".join(f"\n  its last words: {line}" for line in last)
            ) from None
    os.replace(running, target)
    failed.unlink(missing_ok=True)


def explain(name: str, error: papermill.PapermillExecutionError, evidence: Path) -> str:
    """What went wrong in a notebook, and where, as one line."""
    if error.ename == "UserError":
        return error.evalue
    where = f"cell {error.exec_count}" if error.exec_count else "a cell"
    first = next((line for line in error.source.splitlines() if line.strip()), "")
    what = COLOURS.sub("", error.evalue).strip().splitlines() or [""]
    return (
        f"{name} failed in {where}: {error.ename}: {what[0]}; "
        f"the cell begins: {first.strip()}; "
        f"the notebook up to there: {shown(evidence)}"
    )
