"""Every way a command can end, as a line for people and an exit status."""

import sys
import traceback

import click

from lib import paths
from lib.errors import UserError
from lib.paths import shown

FAILED, INTERRUPTED = 1, 130


def run(command: click.Command, stopped: str) -> int:
    """Run a command line; only an unexpected error leaves a traceback, in a log.

    Args:
        command: reads sys.argv.
        stopped: said after Ctrl-C.

    Returns:
        The exit status.
    """
    try:
        command(standalone_mode=False)
    except UserError as error:
        print(error, file=sys.stderr)
        return FAILED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        print(stopped, file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        log = paths.REPORT / "error.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(traceback.format_exc())
        name = type(error).__name__
        print(f"unexpected error: {name}: {error}", file=sys.stderr)
        print(f"the full log is in {shown(log)}", file=sys.stderr)
        return FAILED
    return 0
