"""Lines about an input that is used as it is but may not be what was meant, on standard error."""

from __future__ import annotations

import sys

_said: set[str] = set()


def say(line: str) -> None:
    """Print `line`, once in a command: tables are read several times."""
    if line not in _said:
        _said.add(line)
        print(line, file=sys.stderr, flush=True)


def start() -> None:
    """Forget what was said, at the beginning of a command."""
    _said.clear()
