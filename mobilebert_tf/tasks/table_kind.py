"""Which kind of task a table is for, where nobody says: its label column tells."""

from __future__ import annotations

import collections
import itertools
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mobilebert_tf.data import tfds_table
from mobilebert_tf.data.tables import read_table
from mobilebert_tf.data.text_files import read_lines

SEPARATORS = (",", ";", "|")
"""Between several labels in a cell."""

MANY_VALUES = 10
"""Different numbers from which on a label is a value rather than one of so many grades."""


CONLL = (".conll", ".conll2003", ".bio", ".iob", ".iob2")
"""Endings of files of labelled words."""

BEGINNING = 1 << 20
"""Characters of a JSON file that tell what it holds."""

_BY_KEYS = (
    ("entities", "tokens and tags", ("tokens", "tags")),
    ("qa", "SQuAD's paragraphs", ("data", "paragraphs", "qas")),
    ("qa", "questions, contexts and answers", ("question", "context", "answers")),
)
"""Kinds by the keys of their JSON."""


class Guess(NamedTuple):
    """A kind of task by name, and why it is this one; no reason for the usual one."""

    kind: str
    reason: str = ""
    separator: str = ","
    """Between several labels in a cell."""


def guess_kind(path: str | os.PathLike[str], label_column: str) -> Guess:
    """The kind of task for which a training table is.

    Raises:
      UsageError: the table is broken or has no such column.
    """
    if guess := _of_file(path):
        return guess
    guess = guess_of_labels([row[label_column] or "" for _, row in read_table(path, [label_column])])
    return guess._replace(reason=guess.reason and f"column {label_column!r} has {guess.reason}")


def _of_file(path: str | os.PathLike[str]) -> Guess | None:
    """The kind of task of files that are no tables of texts and labels."""
    suffixes = {suffix.lower() for suffix in Path(path).suffixes}
    if suffixes & set(CONLL):
        return Guess("entities", f"{path} is a file of labelled words by its name")
    if tfds_table.is_name(path) or not suffixes & {".json", ".jsonl", ".ndjson"}:
        return None
    beginning = "\n".join(itertools.islice(read_lines(path), 20))[:BEGINNING]
    for kind, what, keys in _BY_KEYS:
        if all(re.search(rf'"{key}"\s*:', beginning) for key in keys):
            return Guess(kind, f"{path} has {what}")
    return None


def guess_of_labels(cells: Sequence[str]) -> Guess:
    """The kind of task for these labels, a cell a row.

    Numbers of which many are different and some have decimals are values. Cells with a separator inside hold several
    labels if there are fewer different labels between the separators than different cells, and nearly every one of
    them occurs in several cells: "Paris, France" beside "Lyon, France" remains the name of a class.
    """
    filled = collections.Counter(cell.strip() for cell in cells if cell.strip())
    values = _values(list(filled))
    if len(values) > MANY_VALUES and any(value != int(value) for value in values):
        return Guess("regression", f"{len(values):,} different numbers, some with decimals")
    for separator in SEPARATORS:
        of_several = [cell for cell in filled if separator in cell]
        if not of_several:
            continue
        cells_of = collections.Counter(part for cell in filled for part in {p.strip() for p in cell.split(separator)})
        cells_of.pop("", None)
        rare = sum(cells_of[part] == 1 and filled[part] < 2 for part in cells_of)
        if len(cells_of) < len(filled) and rare <= len(cells_of) // 5:
            reason = f"{len(cells_of):,} labels that recur between {separator!r}, as in {of_several[0]!r}"
            return Guess("multilabel", reason, separator)
    return Guess("classification")


def _values(cells: Sequence[str]) -> set[float]:
    """The different numbers in cells; none if one of them is no number."""
    try:
        values = {float(cell) for cell in cells}
    except ValueError:
        return set()
    return values if all(map(math.isfinite, values)) else set()
