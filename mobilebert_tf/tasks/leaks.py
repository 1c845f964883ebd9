"""Leaks: signs other than meaning that give a label away, so that a model learns them and fails on other texts."""

from __future__ import annotations

import collections
import itertools
import re
from collections.abc import Mapping, Sequence

import numpy as np

from mobilebert_tf.data.scripts import NO_BLANKS, has_no_blanks
from mobilebert_tf.data.splitting import plain_text
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.task import Task

ENOUGH = 20
"""Minimum number of rows of a class, and of all other rows, to judge by."""

NEARLY_ALL, HARDLY_ANY = 0.8, 0.02
"""A leak is a word in at least the first share of a class's rows and at most the second share of all others."""

NAMED = 0.5
"""Share of a class's rows with the name of the class from which on the name is a leak."""

_WORD = re.compile(rf"(?P<bare>[{NO_BLANKS}]+)|[^\W{NO_BLANKS}]+")
"""A word, or a clause of a script without blanks."""


def find(task: Task, examples: Sequence[Example]) -> list[str]:
    """Sentences on leaks of classes or labels, or on a text column that holds identifiers."""
    sentences = _identifiers(task, examples)
    if not task.has_labels:
        return sentences
    words = [_words(f"{example.text} {example.text_pair or ''}") for example in examples]
    rows_with: dict[str, list[int]] = collections.defaultdict(list)
    for row, of_text in enumerate(words):
        for word in sorted(set(of_text)):
            rows_with[word].append(row)
    vocabulary = list(rows_with)
    times = np.array([len(rows_with[word]) for word in vocabulary])
    for number, label in enumerate(task.labels):
        own = np.array([number in e.label if isinstance(e.label, tuple) else number == e.label for e in examples], bool)
        if min(own.sum(), (~own).sum()) < ENOUGH:
            continue
        name = _words(label)
        if _says_something(name):
            inside, outside = _shares(_rows_with_phrase(name, words, rows_with), own)
            if inside >= NAMED and outside <= inside / 10:
                sentences.append(_sentence("the label's own name", label, inside, outside))
                continue
        # A word in nearly all rows of a class and hardly any others is in about as many rows as the class has.
        least, most = NEARLY_ALL * own.sum(), own.sum() + HARDLY_ANY * (~own).sum()
        frequent = [vocabulary[place] for place in np.flatnonzero((times >= least) & (times <= most))]
        shares = {word: _shares(rows_with[word], own) for word in frequent}
        sure = [word for word, (inside, outside) in shares.items() if inside >= NEARLY_ALL and outside <= HARDLY_ANY]
        if sure:
            word = max(sure, key=lambda word: shares[word][0] - shares[word][1])
            kind = "pair of characters" if has_no_blanks(word[0]) else "word"
            sentences.append(_sentence(f"the {kind} {word!r}", label, *shares[word]))
    return sentences


def _words(text: str) -> list[str]:
    """The words of a text in order; a clause of a script without blanks gives each pair of adjacent characters."""
    words: list[str] = []
    for match in _WORD.finditer(plain_text(text)):
        word = match[0]
        words += map("".join, itertools.pairwise(word)) if match["bare"] and len(word) > 1 else [word]
    return words


def _says_something(name: Sequence[str]) -> bool:
    """Whether the name of a label is more than a sign or a number; in Chinese, two characters can be a word."""
    letters = "".join(name)
    least = 2 if any(map(has_no_blanks, letters)) else 3
    return len(letters) >= least and not letters.isdecimal()


def _sentence(what: str, label: str, inside: float, outside: float) -> str:
    return (
        f"{what} is in {inside:.0%} of the texts of {label!r} and in {outside:.0%} of the others: it is learned "
        "in place of the meaning; remove it, unless future texts have it too"
    )


def _shares(rows: Sequence[int], own: np.ndarray) -> tuple[float, float]:
    """Share of a class's rows that are among `rows`, and share of all others; `own`, bool [n], marks the class."""
    inside = int(own[list(rows)].sum())
    return inside / int(own.sum()), (len(rows) - inside) / int((~own).sum())


def _rows_with_phrase(
    phrase: Sequence[str], words: Sequence[Sequence[str]], rows_with: Mapping[str, Sequence[int]]
) -> Sequence[int]:
    rows = min((rows_with.get(word, ()) for word in phrase), key=len)
    return rows if len(phrase) == 1 else [row for row in rows if f" {' '.join(phrase)} " in f" {' '.join(words[row])} "]


def _identifiers(task: Task, examples: Sequence[Example]) -> list[str]:
    """A sentence if the texts look like identifiers: one word each, nearly all different, most with digits."""
    cells = [example.text.strip() for example in examples]
    if len(cells) < ENOUGH or len(set(cells)) < 0.95 * len(cells):
        return []
    if any(len(cell.split()) > 1 or any(map(has_no_blanks, cell)) for cell in cells):
        return []
    if sum(any(character.isdigit() for character in cell) for cell in cells) < NEARLY_ALL * len(cells):
        return []
    return [
        f"column {task.text_column!r} looks like identifiers, such as {cells[0]!r}, not like texts; "
        "choose another with --text_column"
    ]
