"""Texts and pairs of texts as examples of a task and as inputs of the network."""

from __future__ import annotations

import dataclasses
import json
import os
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mobilebert_tf.data import bad_rows
from mobilebert_tf.data.tables import read_table
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import has_half_characters
from mobilebert_tf.tokenization import Tokenizer


@dataclasses.dataclass(frozen=True)
class Example:
    """One row of a table."""

    text: str
    text_pair: str | None = None
    label: float | tuple[int, ...] | None = None
    """The number of the example's class, the numbers of its labels, or the target value of a regression."""


Label = Callable[[str, int, str], float | tuple[int, ...]]
"""Function from file, line and cell of a label to its number or numbers. Raises UsageError."""


def examples_of(texts: Iterable[Any]) -> list[Example]:
    """Examples of the texts and pairs of texts that a program passes.

    Raises:
      UsageError: `texts` is a single text or not iterable, or an item is neither a text nor a pair of texts.
    """
    if isinstance(texts, (str, bytes, Mapping)) or not isinstance(texts, Iterable):
        raise UsageError(f"takes a list of texts, or of pairs of texts, and got {_shown(texts)}; put it into a list")
    return [_example(number, one) for number, one in enumerate(texts)]


def _example(number: int, given: Any) -> Example:
    is_pair = isinstance(given, (tuple, list)) and len(given) == 2
    sides = list(given) if is_pair else [given]
    if not all(isinstance(side, str) for side in sides):
        raise UsageError(f"item {number} of the list is {_shown(given)}; give a text, or two of them as a pair")
    if has_half_characters(sides):
        fix = 'text.encode(errors="replace").decode() has "?" in its place'
        raise UsageError(f"item {number} of the list holds half of a character, as \\ud800; {fix}")
    first, *second = map(str, sides)
    return Example(first, second[0] if second else None)


def _shown(value: Any) -> str:
    """A wrong argument, shortened for a message."""
    return f"{reprlib.repr(value)} ({type(value).__name__})"


def read_examples(
    path: str | os.PathLike[str],
    text_columns: Sequence[str],
    label_column: str | None,
    label: Label,
    every_row: bool = False,
    may_be_empty: bool = False,
    header: Sequence[str] = (),
    label_may_be_list: bool = False,
) -> list[Example]:
    """The rows of a table; rows without a text are left out unless `every_row` is set.

    Args:
      text_columns: one column, or two for pairs.
      label_column: column of the labels; None: labels are not read.
      label: function that returns the label of a cell.
      may_be_empty: whether a row may have no label at all.
      header: names of the columns of a table without a header.
      label_may_be_list: whether a JSON row may have a list as its label; `label` gets it as JSON text.

    Raises:
      UsageError: the table is broken or empty, a label is missing, or `label` refuses it.
    """
    examples = []
    without_text: list[int] = []
    columns = [*text_columns, *filter(None, [label_column])]
    structured = columns[len(text_columns) :] if label_may_be_list else ()
    for line, row in read_table(path, columns, header, structured, every_row=every_row):
        number = None
        if label_column:
            try:
                cell = (row[label_column] or "") if may_be_empty else label_cell(path, line, row, label_column)
                cell = cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
                number = label(str(path), line, cell)
            except UsageError as problem:
                bad_rows.refuse(str(path), line, problem)
                continue
        first, *second = ((row[column] or "") for column in text_columns)
        if not (first.strip() or any(text.strip() for text in second)):
            without_text.append(line)
            if not every_row:
                continue
        examples.append(Example(first, second[0] if second else None, number))
    bad_rows.say_without_text(str(path), without_text, f"text in column {text_columns[0]!r}", every_row)
    check_rows(path, len(examples), " with text" if without_text else "")
    return examples


def check_rows(path: str | os.PathLike[str], count: int, which: str = "") -> None:
    """Raise UsageError if a table has no rows."""
    if not count:
        usable = " that can be used" if bad_rows.are_skipped() else ""
        raise UsageError(f"{path}: has a header and no rows{which}{usable}")


def label_cell(path: str | os.PathLike[str], line: int, row: Mapping[str, str | None], column: str) -> str:
    """The label of a row. Raises UsageError: the row has none."""
    label = row[column]
    if label is None or not label.strip():
        raise no_label(path, line, column)
    return label


def no_label(path: str | os.PathLike[str], line: int, column: str) -> UsageError:
    """The error for a row without a label."""
    return UsageError(f"{path}, line {line}: the label, column {column!r}, is empty; fill it in or delete the row")


def encode(examples: Sequence[Example], tokenizer: Tokenizer, length: int) -> dict[str, np.ndarray]:
    """`input_ids`, `input_mask`, `segment_ids` (int32 [n, T]) of examples, T = `length`.

    The layout is [CLS] A [SEP] or [CLS] A [SEP] B [SEP]. A pair that is too long loses the last piece of its longer
    side until it fits, as in Google's `run_classifier.py`.
    """
    first = tokenizer.encode_batch([e.text for e in examples])
    second = tokenizer.encode_batch([e.text_pair or "" for e in examples])
    ids, mask, segments = (np.zeros((len(examples), length), np.int32) for _ in range(3))
    cls, sep = tokenizer.id("[CLS]"), tokenizer.id("[SEP]")
    for row, (example, a, b) in enumerate(zip(examples, first, second, strict=True)):
        paired = example.text_pair is not None
        a, b = _trim(a, b, length - (3 if paired else 2))
        pieces = [cls, *a, sep, *b, sep] if paired else [cls, *a, sep]
        ids[row, : len(pieces)] = pieces
        mask[row, : len(pieces)] = 1
        segments[row, len(a) + 2 : len(pieces)] = 1
    return {"input_ids": ids, "input_mask": mask, "segment_ids": segments}


def labels_of(examples: Sequence[Example], dtype: type) -> dict[str, np.ndarray]:
    """The feature `label` [n] if all examples have one, else no feature."""
    if any(e.label is None for e in examples):
        return {}
    return {"label": np.array([e.label for e in examples], dtype)}


def _trim(a: list[int], b: list[int], room: int) -> tuple[list[int], list[int]]:
    a, b = list(a), list(b)
    while len(a) + len(b) > room:
        (a if len(a) > len(b) else b).pop()
    return a, b
