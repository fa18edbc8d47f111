"""The one exception that is shown to a user as a single line, and faults of a disk."""

import errno

from lib.text import shown_text, without_middle

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
OF_THE_DISK = (*FULL, errno.EROFS, errno.EIO)  # told without a name after a write


class UserError(Exception):
    """A mistake in the input or the set-up that its user can correct.

    The message is one line of at most 300 characters that says what was found, where,
    what was expected and what to do. What it quotes is cleaned as all shown text is;
    of a longer one the middle gives way, so that its end, the remedy, stays. The
    command line prints it without a traceback and exits with 1.
    """

    def __init__(self, message: object = ""):
        super().__init__(without_middle(shown_text(message, 100_000)))
