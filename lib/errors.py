"""The one exception that is shown to a user as a single line."""


class UserError(Exception):
    """A mistake in the input or the set-up that its user can correct.

    The message is one line that says what was found, where, what was expected and
    what to do. The command line prints it without a traceback and exits with 1.
    """
