"""Every way a command can end, as a line for people and an exit status."""

import errno
import os
import sys
import traceback

import click

from lib import paths
from lib.errors import FULL, OF_THE_DISK, UserError
from lib.paths import shown
from lib.text import LONGEST_LINE, printable, without_middle

FAILED, INTERRUPTED, CLOSED = 1, 130, 141


def run(command: click.Command, stopped: str) -> int:
    """Run a command line; only an unexpected error leaves a traceback, in a log.

    Args:
        command: reads sys.argv.
        stopped: said after Ctrl-C.

    Returns:
        The exit status.
    """
    open_streams()
    try:
        command(standalone_mode=False)
        sys.stdout.flush()
    except UserError as error:
        return _tell(error)
    except click.ClickException as error:
        return _tell(UserError(f"{error.format_message()}; --help lists what there is"))
    except (KeyboardInterrupt, click.Abort):
        _tell(stopped)
        return INTERRUPTED
    except BrokenPipeError:  # `| head -1` has seen enough
        silence()
        return CLOSED
    except OSError as error:
        if error.filename is None and error.errno not in OF_THE_DISK:
            return _unexpected(error)
        return _tell(explain(error))
    except Exception as error:
        return _unexpected(error)
    finally:
        try:
            sys.stdout.flush()
        except OSError:  # Python would try, and complain, once more at its end
            silence()
    return 0


def explain(error: OSError) -> str:
    """One line for a file or folder that the system refuses."""
    remedy = "expected a place with read and write permission and free space"
    if error.errno in FULL:
        remedy = "make room, or set POPULARITY_OUTPUT to a folder on another disk"
    elif error.errno == errno.ENAMETOOLONG:
        remedy = "expected a shorter name"
    elif error.errno in (errno.ENOTDIR, errno.EEXIST):
        remedy = "expected a folder, but a file lies there; move it away"
    place = error.filename or paths.OUTPUT
    return f"{fit(str(place), 150)}: {error.strerror}; {remedy}"


def _unexpected(error: Exception) -> int:
    log = paths.REPORT / "error.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)  # a link would be written through
        log.write_text(traceback.format_exc())
        where = f"the full log is in {shown(log)}"
    except OSError:
        where = f"no log can be written to {shown(log)}"
    _tell(UserError(f"unexpected error: {type(error).__name__}: {error}"))
    return _tell(where)


def _tell(message: object) -> int:
    """Say it on stderr."""
    try:
        print(fit(str(message)), file=sys.stderr, flush=True)
    except OSError:  # nobody reads, or a full disk
        silence()
    return FAILED


def fit(text: str, longest: int = LONGEST_LINE) -> str:
    """Text whose lines lose their middle where they are too long for people."""
    lines = printable(text).split("\n")
    return "\n".join(without_middle(line, longest) for line in lines)


def say(text: str) -> None:
    """Print at once, also into a pipe, and in one piece: several threads speak.

    Raises:
        BrokenPipeError: nobody reads any more.
        UserError: what is said cannot be written.
    """
    try:
        print(fit(text) + "\n", end="", flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UserError(
            f"output: cannot be written ({error.strerror}); expected a terminal, a "
            "pipe or a file with free space; send it elsewhere"
        ) from error


def open_streams() -> None:
    """Let streams that the caller closed (`>&-`) go nowhere.

    Else the next file that is opened takes their number, and what a library says to
    its user lands in it.
    """
    while (nowhere := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # it is 0, 1 or 2, whichever was closed
    os.close(nowhere)
    for number, name in enumerate(("stdout", "stderr"), 1):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w"))


def silence() -> None:
    """Let what Python still flushes at its end go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
