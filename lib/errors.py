"""The one exception that is shown to a user as a single line, and how text is shown."""

LONGEST = 300  # characters of a message


def shown_text(value: object, limit: int = 60) -> str:
    """Text from outside, fit to stand in a line of a message, a figure or a table.

    Control characters (terminal escapes, line breaks, NUL), marks that turn the
    direction of text and half characters become spaces.

    Args:
        value: what is to be shown.
        limit: most characters; the middle of a longer text gives way to "…".

    Returns:
        One line without leading, trailing or double spaces.
    """
    text = str(value)
    if len(text) > 20 * limit:
        text = text[: 10 * limit] + text[-10 * limit :]
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 2
    return text[: limit - 1 - tail] + "…" + text[len(text) - tail :]


class UserError(Exception):
    """A mistake in the input or the set-up that its user can correct.

    The message is one line of at most 300 characters that says what was found, where,
    what was expected and what to do; what it quotes is cleaned by `shown_text`. The
    command line prints it without a traceback and exits with 1.
    """

    def __init__(self, message: object = ""):
        super().__init__(shown_text(message, LONGEST))
