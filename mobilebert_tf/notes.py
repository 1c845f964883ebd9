"""Lines about an input that is used as it is but may not be what was meant, on standard error."""

from __future__ import annotations

import sys
from typing import TextIO

_said: set[str] = set()


def say(line: str, file: TextIO | None = None) -> None:
    """Print `line`, once in a command: tables are read several times. On standard error, if nothing else is given."""
    if line not in _said:
        _said.add(line)
        print(line, file=file or sys.stderr, flush=True)


def start() -> None:
    """Forget what was said, at the beginning of a command."""
    _said.clear()
