"""Labelled words as CoNLL's files have them: a word and its label a line, a blank line behind each sentence."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mobilebert_tf import notes
from mobilebert_tf.data import bad_rows
from mobilebert_tf.data.tables import json_rows
from mobilebert_tf.data.text_files import read_lines
from mobilebert_tf.errors import UsageError

DOCUMENT = "-DOCSTART-"
"""A line that begins with it stands between two documents."""

MANY_WORDS = 300
"""Words from which on the only sentence of a file seems to be many."""

_COMMENT = re.compile(r"# ?[\w.:-]+ ?=")
"""How lines about a sentence begin in files of CoNLL-U and its kin, as `# sent_id = 1`."""


@dataclasses.dataclass(frozen=True)
class Sentence:
    """Words with a label each."""

    line: int
    """Where it begins."""
    words: tuple[str, ...]
    tags: tuple[str, ...] | None
    """Such as B-person, I-person and O; None: they are not known."""
    is_row: bool = False
    """Whether all words stand in one line."""

    def line_of(self, word: int) -> int:
        """The line of the word with this number."""
        return self.line if self.is_row else self.line + word


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
        raise UsageError(f"{path}: has no sentence{' that can be used' if bad_rows.are_skipped() else ''}")
    if len(sentences) == 1 and len(sentences[0].words) > MANY_WORDS:
        notes.say(
            f"{path}: is one sentence of {len(sentences[0].words):,} words; a blank line behind each sentence tells "
            "where the next one begins"
        )
    return sentences


def _of_columns(path: Path, labelled: bool) -> Iterator[Sentence]:
    words: list[str] = []
    tags: list[str] = []
    first, columns, is_bad = 1, 0, False
    for number, line in enumerate([*read_lines(path), ""], start=1):
        cells = line.split("\t") if "\t" in line else line.split(" ")
        cells = [cell for cell in map(str.strip, cells) if cell]
        if not cells or cells[0] == DOCUMENT or not words and _COMMENT.match(line):
            if words and not is_bad:
                yield Sentence(first, tuple(words), tuple(tags) if labelled else None)
            words, tags, first, is_bad = [], [], number + 1, False
            continue
        if labelled:
            columns = columns or len(cells)
            if len(cells) != columns or columns < 2:
                have = f"{columns} columns" if columns > 1 else "a word and its label"
                bad_rows.refuse(
                    str(path),
                    number,
                    f"has {len(cells)} column{'s' if len(cells) != 1 else ''}, where {have} are needed, separated by a "
                    "tab or blanks, and a blank line behind each sentence",
                )
                is_bad = True
            tags.append(cells[-1])
        words.append(cells[0])


def _of_json(path: Path, labelled: bool) -> Iterator[Sentence]:
    for number, row in json_rows(path):
        words, tags = row.get("tokens"), row.get("tags") if labelled else None
        problem = _problem(row, words, tags, labelled)
        if problem:
            bad_rows.refuse(str(path), number, problem)
        elif words:
            yield Sentence(number, tuple(words), None if tags is None else tuple(tags), is_row=True)


def _problem(row: dict[str, Any], words: Any, tags: Any, labelled: bool) -> str:
    """What is wrong with an object of words and labels; empty: nothing."""
    if not isinstance(words, list) or labelled and not isinstance(tags, list):
        return f'must be a JSON object with "tokens" and "tags", lists of texts; it has {", ".join(row) or "nothing"}'
    if not all(isinstance(one, str) for one in (*words, *(tags or ()))):
        return "tokens and tags must be texts; write the names of the labels"
    if tags is not None and len(tags) != len(words):
        return f"has {len(words)} tokens and {len(tags)} tags"
    empty = next((place for place, word in enumerate(words, start=1) if not word.strip()), None)
    return "" if empty is None else f"token {empty} is empty"
