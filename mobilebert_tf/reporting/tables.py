"""Tables for HTML and Markdown."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Cell:
    """A cell of a table: a figure with small notes below it."""

    text: str
    notes: tuple[str, ...] = ()
    kind: str = ""
    """passed, failed, file or empty."""


@dataclasses.dataclass(frozen=True)
class Table:
    name: str
    """Description of the table for screen readers."""
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    """Rows, of which the first cell is the name."""
    caption: str = ""
