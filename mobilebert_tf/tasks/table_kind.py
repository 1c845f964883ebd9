"""Guess of the kind of task that a table is for, from its label column or its file, where no flag names the kind."""

from __future__ import annotations

import collections
import itertools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mobilebert_tf.data import tfds_table
from mobilebert_tf.data.conll import are_tagged_words
from mobilebert_tf.data.tables import is_json, read_table
from mobilebert_tf.data.text_files import read_lines
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks import tagging
from mobilebert_tf.tasks.cell_values import are_numbers_of_labels, has_decimal_comma, list_in, value_of
from mobilebert_tf.tasks.label_spelling import is_missing
from mobilebert_tf.tasks.task import Task

SEPARATORS = (",", ";", "|")
"""Possible separators of several labels in a cell."""

MANY_VALUES = 10
"""Number of different numbers above which labels are values rather than grades."""

NEARLY_ALL = 0.9
"""Share of different cells that are numbers, from which on the others are faults, which the task's reader names."""

CONLL = (".conll", ".conll2003", ".bio", ".iob", ".iob2")
"""Suffixes of files of labelled words."""

LINES = 200
"""Number of lines at the start of a file that are checked for words and labels."""

BEGINNING = 1 << 20
"""Number of characters of a JSON file that are searched for keys."""

_BY_KEYS = (
    ("entities", "tokens and tags", ("tokens", "tags")),
    ("qa", "SQuAD's paragraphs", ("data", "paragraphs", "qas")),
    ("qa", "questions, contexts and answers", ("question", "context", "answers")),
)
"""Kinds of task, what their JSON files hold, and the keys of these files."""


class Guess(NamedTuple):
    """Name of a kind of task and the reason for the guess; the default kind has none."""

    kind: str
    reason: str = ""
    separator: str = ","
    """Separator of several labels in a cell."""


def guess_kind(path: str | os.PathLike[str], label_column: str, text_column: str = Task.text_column) -> Guess:
    """The kind of task that a training table is for.

    Raises:
      UsageError: the table is broken or lacks the label column.
    """
    if guess := _of_file(path):
        return guess
    cells: list[Any] = []
    lists = 0
    try:
        for _, row in read_table(path, [label_column], structured=[label_column], optional=[text_column]):
            cells.append(row[label_column] or "")
            lists += all(isinstance(row[column], list) for column in (label_column, text_column))
    except UsageError:
        if _is_of_tagged_words(path):
            return Guess("entities", f"most lines of {path} are a word and its label")
        raise
    if lists and lists == len(cells):
        return Guess("entities", f"columns {text_column!r} and {label_column!r} have lists")
    if any(not isinstance(cell, str) for cell in cells):
        return Guess("multilabel", f"column {label_column!r} has lists")
    guess = guess_of_labels(cells)
    return guess._replace(reason=guess.reason and f"column {label_column!r} has {guess.reason}")


def _of_file(path: str | os.PathLike[str]) -> Guess | None:
    """The kind of task that a file's name or JSON keys tell; None: they do not."""
    suffixes = {suffix.lower() for suffix in Path(path).suffixes}
    if suffixes & set(CONLL):
        return Guess("entities", f"{path} is a file of labelled words by its name")
    if not is_json(path):
        return None
    beginning = "\n".join(itertools.islice(read_lines(path), 20))[:BEGINNING]
    for kind, what, keys in _BY_KEYS:
        if all(re.search(rf'"{key}"\s*:', beginning) for key in keys):
            return Guess(kind, f"{path} has {what}")
    return None


def _is_of_tagged_words(path: str | os.PathLike[str]) -> bool:
    """Whether a file has columns of words and their labels, in place of texts and labels."""
    return not tfds_table.is_name(path) and are_tagged_words(itertools.islice(read_lines(path), LINES), tagging.is_tag)


def guess_of_labels(cells: Sequence[str]) -> Guess:
    """The kind of task for a column of labels.

    Many different numbers, some with decimals, are values; cells that mark a missing value do not count. Cells with a
    separator hold several labels if there are fewer different labels between the separators than different cells, and
    nearly all of these labels occur in several cells: "Paris, France" beside "Lyon, France" remains the name of a
    class.
    """
    filled = collections.Counter(cell.strip() for cell in cells if cell.strip())
    numbers = [cell for cell in filled if not is_missing(cell) and cell.lower().lstrip("+-") not in ("inf", "infinity")]
    values = _values(numbers)
    if len(values) > MANY_VALUES and any(value != int(value) for value in values):
        return Guess("regression", f"{len(values):,} different numbers, some with decimals")
    readable = [cell for cell in numbers if value_of(cell) is not None]
    if len(readable) >= NEARLY_ALL * len(numbers):
        nearly = _values(readable)
        if len(nearly) > MANY_VALUES and any(value != int(value) for value in nearly):
            return Guess("regression", f"{len(nearly):,} different numbers, some with decimals, in nearly all cells")
    lists = [cell for cell in filled if list_in(cell) is not None]
    if lists and len(lists) > len(filled) // 2:
        return Guess("multilabel", f"lists, such as {lists[0]!r}")
    for separator in SEPARATORS:
        if values and separator == ",":
            continue
        of_several = [cell for cell in filled if separator in cell]
        if not of_several:
            continue
        cells_of = collections.Counter(part for cell in filled for part in {p.strip() for p in cell.split(separator)})
        cells_of.pop("", None)
        rare = sum(cells_of[part] == 1 and filled[part] < 2 for part in cells_of)
        if len(cells_of) < len(filled) and rare <= len(cells_of) // 5:
            reason = f"{len(cells_of):,} labels that recur between {separator!r}, as in {of_several[0]!r}"
            return Guess("multilabel", reason, separator)
    return Guess("classification", separator=_separator_of(list(filled)))


def _separator_of(cells: Sequence[str]) -> str:
    """The separator that is in most cells, where no other sign decides."""
    return max(SEPARATORS, key=lambda separator: sum(separator in cell for cell in cells))


def _values(cells: Sequence[str]) -> set[float]:
    """The different numbers in cells; none if a cell is not a number, or if the cells are pairs of label numbers."""
    values = {value_of(cell) for cell in cells}
    with_commas = [cell for cell in cells if has_decimal_comma(cell)]
    if None in values or with_commas and are_numbers_of_labels(with_commas):
        return set()
    return {value for value in values if value is not None}
