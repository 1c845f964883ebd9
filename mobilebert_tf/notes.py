"""Lines about an input that is used as it is but may not be what was meant, on standard error."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, TextIO

MUCH_UNKNOWN = 0.01
"""Share of [UNK] among the pieces of a text that is worth a line."""

MOST_UNKNOWN = 0.25
"""The same of a few words, one of which may be a smiley."""

_said: set[str] = set()


def say(line: str, file: TextIO | None = None) -> None:
    """Print `line`, once in a command: tables are read several times. On standard error, if nothing else is given."""
    if line not in _said:
        _said.add(line)
        print(line, file=file or sys.stderr, flush=True)


def say_unknown(what: str, unknown: int, pieces: int, vocabulary: str, much: float = MUCH_UNKNOWN) -> None:
    """Say that much of a text is lost, if it is."""
    if unknown > much * pieces:
        say(
            f"{what}: {unknown / pieces:.1%} of the pieces are [UNK], whose text is lost: {vocabulary} lacks "
            "characters of the text, or words of more than 200 characters have no blanks in them"
        )


def say_unknown_in(
    what: str, features: Mapping[str, Any], unknown: int, model: str, much: float = MUCH_UNKNOWN
) -> None:
    """The same of the inputs of a network, where `unknown` is the id of [UNK] and `model` has the vocabulary."""
    count = int((features["input_ids"] == unknown).sum())
    say_unknown(what, count, int(features["input_mask"].sum()), f"the vocabulary of {model}", much)


def start() -> None:
    """Forget what was said, at the beginning of a command."""
    _said.clear()
