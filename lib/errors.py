"""The one exception that is shown to a user as a single line."""

from lib.text import shown_text

LONGEST = 300  # characters of a message


class UserError(Exception):
    """A mistake in the input or the set-up that its user can correct.

    The message is one line of at most 300 characters that says what was found, where,
    what was expected and what to do. What it quotes is cleaned as all shown text is;
    of a longer one the middle gives way, so that its end, the remedy, stays. The
    command line prints it without a traceback and exits with 1.
    """

    def __init__(self, message: object = ""):
        line = shown_text(message, 100_000)
        if len(line) > LONGEST:
            line = f"{line[: LONGEST // 2]}…{line[-LONGEST // 2 + 1 :]}"
        super().__init__(line)
