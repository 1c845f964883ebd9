"""The two ways a command can fail that are not bugs, and what an exception says in one line.

A bug keeps its traceback. These two do not: their message is one line that
names the place (file, line, flag) and says how to mend it.
"""


class UsageError(Exception):
    """The command line or an input is wrong; the user mends it. Exit status 2."""


class FailedError(Exception):
    """The input was right and the work could not be done. Exit status 1."""


class DivergedError(FailedError):
    """Training went to infinity; other settings may not."""


def first_line(error: BaseException | str, otherwise: str = "") -> str:
    """The first line of a message; of an empty one `otherwise`, or the name of the exception's class."""
    lines = str(error).strip().splitlines()
    if lines:
        return lines[0].rstrip()
    return otherwise or ("" if isinstance(error, str) else type(error).__name__)
