"""The two kinds of failure of a command that are not bugs, and the first line of an exception's message.

A bug keeps its traceback. These two do not: their message is one line that
names the place (file, line, flag) and the remedy.
"""


class UsageError(Exception):
    """The command line or an input is wrong, and the user must correct it. Exit status 2."""


class FailedError(Exception):
    """The input is right, but the work could not be done. Exit status 1."""


class DivergedError(FailedError):
    """The loss is no longer finite; other settings may avoid that."""


def first_line(error: BaseException | str, otherwise: str = "") -> str:
    """The first line of a message; if it is empty, `otherwise` or the name of the exception's class."""
    lines = str(error).strip().splitlines()
    if lines:
        return lines[0].rstrip()
    return otherwise or ("" if isinstance(error, str) else type(error).__name__)
