"""Lines about an input that is used as it is but may not be what was meant, on standard error."""

from __future__ import annotations

import sys
from typing import TextIO

MUCH_UNKNOWN = 0.01
"""Share of [UNK] among the pieces of a text that is worth a line."""

_said: set[str] = set()


def say(line: str, file: TextIO | None = None) -> None:
    """Print `line`, once in a command: tables are read several times. On standard error, if nothing else is given."""
    if line not in _said:
        _said.add(line)
        print(line, file=file or sys.stderr, flush=True)


def say_unknown(what: str, unknown: int, pieces: int, vocabulary: str) -> None:
    """Say that much of a text is lost, if it is."""
    if unknown > MUCH_UNKNOWN * pieces:
        say(
            f"{what}: {unknown / pieces:.1%} of the pieces are [UNK], whose text is lost: {vocabulary} lacks "
            "characters of the text, or words of more than 200 characters have no blanks in them"
        )


def start() -> None:
    """Forget what was said, at the beginning of a command."""
    _said.clear()
