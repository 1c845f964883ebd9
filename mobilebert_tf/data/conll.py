"""Labelled words as CoNLL's files have them: a word and its label a line, a blank line behind each sentence."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path

from mobilebert_tf.data.text_files import read_lines
from mobilebert_tf.errors import UsageError

DOCUMENT = "-DOCSTART-"
"""A line that begins with it stands between two documents."""


@dataclasses.dataclass(frozen=True)
class Sentence:
    """Words with a label each."""

    line: int
    """Where it begins."""
    words: tuple[str, ...]
    tags: tuple[str, ...] | None
    """Such as B-person, I-person and O; None: they are not known."""


def read_sentences(path: str | os.PathLike[str], labelled: bool = True) -> list[Sentence]:
    """The sentences of a file.

    Columns are separated by tabs or blanks: the word first, its label last. JSON has an object a line with lists of
    `tokens` and `tags`.

    Args:
      path: the file; also compressed.
      labelled: whether every word needs a label; else labels are not read.

    Raises:
      UsageError: a line has no label or another number of columns than the first, or there is no sentence.
    """
    path = Path(path)
    is_json = any(suffix.lower() in (".jsonl", ".json", ".ndjson") for suffix in path.suffixes)
    sentences = list((_of_json if is_json else _of_columns)(path, labelled))
    if not sentences:
        raise UsageError(f"{path}: has no sentence")
    return sentences


def _of_columns(path: Path, labelled: bool) -> Iterator[Sentence]:
    words: list[str] = []
    tags: list[str] = []
    first, columns = 1, 0
    for number, line in enumerate([*read_lines(path), ""], start=1):
        cells = line.split("\t") if "\t" in line else line.split(" ")
        cells = [cell for cell in map(str.strip, cells) if cell]
        if not cells or cells[0] == DOCUMENT:
            if words:
                yield Sentence(first, tuple(words), tuple(tags) if labelled else None)
            words, tags, first = [], [], number + 1
            continue
        if labelled:
            columns = columns or len(cells)
            if len(cells) != columns or columns < 2:
                have = f"{columns} columns" if columns > 1 else "a word and its label"
                raise UsageError(
                    f"{path}, line {number}: has {len(cells)} column{'s' if len(cells) != 1 else ''}, where {have} are "
                    "needed, separated by a tab or blanks, and a blank line behind each sentence"
                )
            tags.append(cells[-1])
        words.append(cells[0])


def _of_json(path: Path, labelled: bool) -> Iterator[Sentence]:
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            words = tuple(row["tokens"])
            tags = tuple(row["tags"]) if labelled else None
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f'{path}, line {number}: must be a JSON object with "tokens" and "tags", lists of texts ({error})'
            ) from None
        if not all(isinstance(one, str) for one in (*words, *(tags or ()))):
            raise UsageError(f"{path}, line {number}: tokens and tags must be texts; write the names of the labels")
        if tags is not None and len(tags) != len(words):
            raise UsageError(f"{path}, line {number}: has {len(words)} tokens and {len(tags)} tags")
        if words:
            yield Sentence(number, words, tags)
