"""Labelled words in CoNLL's format: a word and its label per line, a blank line after each sentence."""

from __future__ import annotations

import collections
import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import notes
from mobilebert_tf.data import bad_rows
from mobilebert_tf.data.tables import is_json, json_rows, named_column
from mobilebert_tf.data.text_files import read_lines
from mobilebert_tf.errors import UsageError
from mobilebert_tf.text_table import counted

DOCUMENT = "-DOCSTART-"
"""Beginning of a line that separates two documents."""

MANY_WORDS = 300
"""Number of words above which the only sentence of a file seems to be many."""

_COMMENT = re.compile(r"# ?[\w.:-]+ ?=")
"""Beginning of a comment about a sentence in files of CoNLL-U and related formats, such as `# sent_id = 1`."""

TOKENS, TAGS = "tokens", "tags"
"""Default names in JSON of the lists of words and of their labels."""

_Block = list[tuple[int, list[str]]]
"""Number and cells of each line of a sentence."""


@dataclasses.dataclass(frozen=True)
class Sentence:
    """A sentence of words, each with a label."""

    line: int
    """Number of its first line."""
    words: tuple[str, ...]
    tags: tuple[str, ...] | None
    """Labels such as B-person, I-person and O; None: they are unknown."""
    is_row: bool = False
    """Whether all its words are in one line."""

    def line_of(self, word: int) -> int:
        """The line of the word with this number."""
        return self.line if self.is_row else self.line + word


def read_sentences(
    path: str | os.PathLike[str],
    labelled: bool = True,
    every_row: bool = False,
    columns: tuple[str, str] = (TOKENS, TAGS),
) -> list[Sentence]:
    """The sentences of a file.

    Columns are separated by tabs or blanks: the word is the first, or the second after its number in the sentence;
    its label is the last. JSON has an object per line with lists of words and of labels.

    Args:
      path: the file; also compressed.
      labelled: whether every word needs a label; else labels are not read.
      every_row: keep objects without a word, for callers that answer every row.
      columns: names in JSON of the words and of their labels, as in `read_table`.

    Raises:
      UsageError: a line has no label or another number of columns than most, or there is no sentence.
    """
    path = Path(path)
    sentences = list(_of_json(path, labelled, every_row, columns) if is_json(path) else _of_columns(path, labelled))
    if not sentences:
        raise UsageError(f"{path}: has no sentence{' that can be used' if bad_rows.are_skipped() else ''}")
    if len(sentences) == 1 and len(sentences[0].words) > MANY_WORDS:
        notes.say(f"{path}: is one sentence of {len(sentences[0].words):,} words; put a blank line after each sentence")
    return sentences


def are_tagged_words(lines: Iterable[str], is_tag: Callable[[str], bool]) -> bool:
    """Whether most lines of a text, including the first, are a word and its label."""
    tagged = [len(cells) > 1 and is_tag(cells[-1]) for block in _blocks(lines) for _, cells in block]
    return bool(tagged) and tagged[0] and 2 * sum(tagged) > len(tagged)


def _of_columns(path: Path, labelled: bool) -> Iterator[Sentence]:
    blocks = list(_blocks(read_lines(path)))
    columns = _usual_columns(blocks)
    words_are_numbered = columns > 1 + labelled and _are_numbered(blocks)
    if words_are_numbered:
        label = ", labels from the last" if labelled else ""
        notes.say(f"{path}: the first column numbers the words; words are read from the second{label}")
    for block in blocks:
        bad = [(number, len(cells)) for number, cells in block if len(cells) != columns] if labelled else []
        for number, count in bad:
            have = f"{columns} columns" if columns else "a word and its label"
            bad_rows.refuse(
                str(path),
                number,
                f"has {counted(count, 'column')}, where {have} are needed, separated by a tab or "
                "blanks, and a blank line after each sentence",
            )
        if not bad:
            words = tuple(cells[1 if words_are_numbered and len(cells) > 1 else 0] for _, cells in block)
            yield Sentence(block[0][0], words, tuple(cells[-1] for _, cells in block) if labelled else None)


def _blocks(lines: Iterable[str]) -> Iterator[_Block]:
    """The lines of each sentence, without the lines between sentences."""
    block: _Block = []
    for number, line in enumerate(lines, start=1):
        cells = line.split("\t") if "\t" in line else line.split(" ")
        cells = [cell for cell in map(str.strip, cells) if cell]
        if cells and cells[0] != DOCUMENT and (block or not _COMMENT.match(line)):
            block.append((number, cells))
        elif block:
            yield block
            block = []
    if block:
        yield block


def _usual_columns(blocks: Sequence[_Block]) -> int:
    """The most frequent number of columns of lines with a label; 0: no line has a label."""
    counts = collections.Counter(len(cells) for block in blocks for _, cells in block if len(cells) > 1)
    return max(counts, key=lambda columns: counts[columns], default=0)


def _are_numbered(blocks: Sequence[_Block]) -> bool:
    """Whether in most sentences of several words the first column numbers the words, from 0 or 1."""
    firsts = [[cells[0] for _, cells in block] for block in blocks if len(block) > 1]
    numbered = [cells in (_counted(0, len(cells)), _counted(1, len(cells))) for cells in firsts]
    return 2 * sum(numbered) > len(numbered)


def _counted(first: int, count: int) -> list[str]:
    return [str(number) for number in range(first, first + count)]


def _of_json(path: Path, labelled: bool, every_row: bool, columns: tuple[str, str]) -> Iterator[Sentence]:
    without_words = []
    for number, row in json_rows(path):
        words, tags = _cell(row, columns[0]), _cell(row, columns[1]) if labelled else None
        problem = _problem(row, words, tags, labelled, columns)
        if problem:
            bad_rows.refuse(str(path), number, problem)
            continue
        if not words:
            without_words.append(number)
        if words or every_row:
            yield Sentence(number, tuple(words), None if tags is None else tuple(tags), is_row=True)
    bad_rows.say_without_text(str(path), without_words, "words", every_row)


def _cell(row: dict[str, Any], column: str) -> Any:
    name = named_column(row, column)
    return None if name is None else row[name]


def _problem(row: dict[str, Any], words: Any, tags: Any, labelled: bool, columns: tuple[str, str]) -> str:
    """The problem of an object of words and labels; empty: none."""
    if not isinstance(words, list) or labelled and not isinstance(tags, list):
        of_words, of_tags = (column.split(",")[0] for column in columns)
        needed = f'"{of_words}" and "{of_tags}", lists of texts' if labelled else f'"{of_words}", a list of texts'
        others = (
            "choose others with --text_column and --label_column" if labelled else "choose another with --text_column"
        )
        return f"must be a JSON object with {needed}; it has {', '.join(row) or 'nothing'}; {others}"
    if not all(isinstance(one, str) for one in (*words, *(tags or ()))):
        return "tokens and tags must be texts; write label names, not numbers"
    if tags is not None and len(tags) != len(words):
        return f"has {len(words)} tokens and {len(tags)} tags"
    empty = next((place for place, word in enumerate(words, start=1) if not word.strip()), None)
    return "" if empty is None else f"token {empty} is empty"
