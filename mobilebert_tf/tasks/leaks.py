"""What gives a label away beside the meaning of the text, so that a model learns it and fails on other texts."""

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
"""Rows of a class, and of all others, from which on one can tell."""

NEARLY_ALL, HARDLY_ANY = 0.8, 0.02
"""Shares of the rows of a class, and of the others, with a word that is taken for a leak."""

NAMED = 0.5
"""Share of the rows of a class with its own name in them that is."""

_WORD = re.compile(rf"(?P<bare>[{NO_BLANKS}]+)|[^\W{NO_BLANKS}]+")
"""A word, or in a script without blanks a clause."""


def find(task: Task, examples: Sequence[Example]) -> list[str]:
    """Sentences on what gives classes or labels away, or on a text column that holds no texts."""
    found = _identifiers(task, examples)
    if not task.has_labels:
        return found
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
                found.append(_sentence("the label's own name", label, inside, outside))
                continue
        # A word that nearly all have and no others is in about as many rows as there are of the class.
        least, most = NEARLY_ALL * own.sum(), own.sum() + HARDLY_ANY * (~own).sum()
        frequent = [vocabulary[place] for place in np.flatnonzero((times >= least) & (times <= most))]
        shares = {word: _shares(rows_with[word], own) for word in frequent}
        sure = [word for word, (inside, outside) in shares.items() if inside >= NEARLY_ALL and outside <= HARDLY_ANY]
        if sure:
            word = max(sure, key=lambda word: shares[word][0] - shares[word][1])
            kind = "pair of characters" if has_no_blanks(word[0]) else "word"
            found.append(_sentence(f"the {kind} {word!r}", label, *shares[word]))
    return found


def _words(text: str) -> list[str]:
    """The words of a text in order; of a clause in a script without blanks each character with the next one."""
    words: list[str] = []
    for match in _WORD.finditer(plain_text(text)):
        word = match[0]
        words += map("".join, itertools.pairwise(word)) if match["bare"] and len(word) > 1 else [word]
    return words


def _says_something(name: Sequence[str]) -> bool:
    """Whether the name of a label is more than a sign or a number; two characters are a word of Chinese."""
    letters = "".join(name)
    least = 2 if any(map(has_no_blanks, letters)) else 3
    return len(letters) >= least and not letters.isdecimal()


def _sentence(what: str, label: str, inside: float, outside: float) -> str:
    return (
        f"{what} stands in {inside:.0%} of the texts of {label!r} and in {outside:.0%} of the others: it is learned "
        "in place of the meaning; take it out, unless the texts to come have it too"
    )


def _shares(rows: Sequence[int], own: np.ndarray) -> tuple[float, float]:
    """How many of the rows of a class are among these, and of the others; `own` is bool [n]."""
    inside = int(own[list(rows)].sum())
    return inside / int(own.sum()), (len(rows) - inside) / int((~own).sum())


def _rows_with_phrase(
    phrase: Sequence[str], words: Sequence[Sequence[str]], rows_with: Mapping[str, Sequence[int]]
) -> Sequence[int]:
    rows = min((rows_with.get(word, ()) for word in phrase), key=len)
    return rows if len(phrase) == 1 else [row for row in rows if f" {' '.join(phrase)} " in f" {' '.join(words[row])} "]


def _identifiers(task: Task, examples: Sequence[Example]) -> list[str]:
    """Whether the texts are no texts: one word each, nearly all different, most with digits in them."""
    cells = [example.text.strip() for example in examples]
    if len(cells) < ENOUGH or len(set(cells)) < 0.95 * len(cells):
        return []
    if any(len(cell.split()) > 1 or any(map(has_no_blanks, cell)) for cell in cells):
        return []
    if sum(any(character.isdigit() for character in cell) for cell in cells) < NEARLY_ALL * len(cells):
        return []
    return [
        f"column {task.text_column!r} looks like an identifier, as {cells[0]!r}, and not like texts; "
        "--text_column names another one"
    ]
