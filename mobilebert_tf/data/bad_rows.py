"""Handling of unusable rows of tables: the first one is refused or, on request, all are left out and counted."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator, Sequence

from mobilebert_tf import notes
from mobilebert_tf.errors import UsageError
from mobilebert_tf.text_table import counted

FIX = "finetune and evaluate leave such rows out with --skip_bad_rows"
"""Remedy for a faulty row that is not a mere typing error."""


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """The rows that were left out."""

    bad: dict[tuple[str, int], str] = dataclasses.field(default_factory=dict)
    """Problem of each bad row, by file and line; a row counts once, however often a table is read."""
    without_text: dict[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    """Lines of the rows that have a label but no text, by file. These are never refused."""


_now: contextvars.ContextVar[tuple[LeftOut, bool] | None] = contextvars.ContextVar("left out", default=None)


@contextlib.contextmanager
def counting(skips: bool) -> Iterator[LeftOut]:
    """Count the rows that readers of tables leave out until the block ends.

    Args:
      skips: whether unusable rows are left out too; else the first one is refused.
    """
    left_out = LeftOut()
    token = _now.set((left_out, skips))
    try:
        yield left_out
    finally:
        _now.reset(token)


def are_skipped() -> bool:
    """Whether unusable rows are left out at present."""
    now = _now.get()
    return now is not None and now[1]


def refuse(path: str, line: int, problem: str | UsageError) -> None:
    """Refuse a row, or count it if bad rows are left out.

    Args:
      problem: the reason, or an error with the whole message.

    Raises:
      UsageError: bad rows are refused.
    """
    error = problem if isinstance(problem, UsageError) else UsageError(f"{path}, line {line}: {problem}")
    now = _now.get()
    if now is None or not now[1]:
        raise error
    now[0].bad.setdefault((path, line), str(error))


def say_without_text(path: str, lines: Sequence[int], what: str, are_answered: bool) -> None:
    """Count the rows of a table that have no text, and print their number.

    Args:
      what: the name of the missing thing.
      are_answered: whether these rows are kept and answered; else they are left out.
    """
    now = _now.get()
    if now is not None:
        now[0].without_text[path] = tuple(lines)
    if lines:
        rows = f"{counted(len(lines), 'row')} without {what}"
        done = "answered as empty texts" if are_answered else "left out"
        notes.say(f"{path}: {rows} {done}, the first in line {lines[0]}")
