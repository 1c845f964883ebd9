"""Notes on standard error about an input that is used as it is, but may not be what the user meant."""

from __future__ import annotations

import sys
from typing import TextIO

from mobilebert_tf import streams

_said: set[str] = set()


def say(line: str, file: TextIO | None = None) -> None:
    """Print `line` to `file`, by default standard error, and only once in a command: tables are read several times."""
    if line not in _said:
        _said.add(line)
        stream = file or sys.stderr
        print(streams.shown(line, stream), file=stream, flush=True)


def start() -> None:
    """Forget the lines that were printed; called at the beginning of a command."""
    _said.clear()
