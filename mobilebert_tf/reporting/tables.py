"""Tables that become HTML and Markdown."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Cell:
    """What stands in a table: a figure and, small below it, what belongs to it."""

    text: str
    notes: tuple[str, ...] = ()
    kind: str = ""
    """passed, failed, file or nothing."""


@dataclasses.dataclass(frozen=True)
class Table:
    name: str
    """What it is a table of, for a listener."""
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    """The first cell of each names it."""
    caption: str = ""
