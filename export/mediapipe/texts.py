"""Texts for comparing MediaPipe's answers with ours: held-out texts, and texts that are difficult for tokenizers."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mobilebert_tf.tasks.task import Task

AWKWARD = (
    "",
    " ",
    "\t\n",
    "...",
    "Return the INDEX of the largest element.",
    "CAF\u00c9 na\u00efve fa\u00e7ade \u00c5ngstr\u00f6m",
    "Cafe\u0301 with a combining accent",
    "\u0130stanbul'da \u0131\u015f\u0131k",
    "\u00c4RGER \u00dcBER \u00d6L stra\u00dfe",
    "\u041c\u043e\u0441\u043a\u0432\u0430 \u2014 \u0441\u0442\u043e\u043b\u0438\u0446\u0430",
    "\u0395\u03bb\u03bb\u03ac\u03b4\u03b1 \u039f\u03b4\u03c5\u03c3\u03c3\u03b5\u03cd\u03c2",
    "\u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u0644\u064f\u063a\u064e\u0629",
    "\u05e2\u05d1\u05e8\u05d9\u05ea \u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd",
    "\u0939\u093f\u0928\u094d\u0926\u0940 \u092d\u093e\u0937\u093e",
    "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22 without spaces",
    "\u4e2d\u6587\u6587\u672c and array",
    "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u3002",
    "\ud55c\uad6d\uc5b4 \ud14d\uc2a4\ud2b8",
    "rare \U0002b825 and \U00020000 ideographs",
    "\ufa0e\uf900 compatibility",
    "\U0001f600 happy \U0001f468\u200d\U0001f469\u200d\U0001f467 family \U0001f1e9\U0001f1ea",
    "a\u00a0non-breaking\u00a0space and\u3000a wide one",
    "line\u2028separator\u0085next",
    "vertical\x0btab and form\x0cfeed",
    "zero\u200bwidth and soft\u00adhyphen",
    "bell\x07 escape\x1b[31m delete\x7f",
    "a null \x00 inside",
    "the replacement \ufffd character",
    "\ufeffbyte order mark",
    "private \ue000 use",
    "\u201cquotes\u201d \u2018single\u2019 \u2013 dash \u2026 ellipsis",
    "\u20ac5 \u00a33 \u00a52 5\u00b0C x\u00b2 \u00bd",
    "full width \uff21\uff22\uff23 \uff0c \uff01",
    "\ufb01ne \ufb02ow ligatures",
    "array[0]==x&&y||~z^w `code` {a:b}",
    "http://example.org/a?b=c&d=e#f",
    "[CLS] [SEP] [MASK] [UNK] [PAD]",
    "word " + "a" * 99,
    "word " + "a" * 100,
    "word " + "a" * 101,
    "word " + "ab" * 90,
    "word " + "a" * 201,
    "word " + "\u00e9" * 60,
    "xqzjvkwpy qqqqq zzzzzz",
    "long: " + "the array has many values and " * 60,
    "LONG \u00c9: " + "un \u00e9l\u00e9ment du tableau, " * 60,
)
"""Texts with accents, capitals, scripts, emoji, white space, control characters, words at the limits; some too long."""

TEXTS = 200


def choose(task: Task, table: str | os.PathLike[str] | None, data: Path | None) -> list[str]:
    """TEXTS texts: AWKWARD, up to 60 of the Big List of Naughty Strings in `data`, and the rest evenly from `table`.

    Args:
      task: task that says which column of the table holds the text.
      table: table of held-out texts, whose labels are not read; None: there is none.
      data: directory with `unicode/blns.json`; None: there is none.

    Raises:
      UsageError: the table cannot be read.
    """
    texts = list(AWKWARD)
    naughty = data / "unicode" / "blns.json" if data else None
    if naughty and naughty.exists():
        # Strings with half of a surrogate pair are left out: MediaPipe takes UTF-8, which cannot represent them.
        strings = [one for one in json.loads(naughty.read_text(encoding="utf-8")) if _is_utf8(one)]
        texts += _spread(strings, 60)
    if table:
        texts += _spread([example.text for example in task.read(table, labelled=False)], TEXTS - len(texts))
    return texts


def _spread(texts: Sequence[str], count: int) -> list[str]:
    numbers = np.linspace(0, len(texts) - 1, min(count, len(texts))).astype(int)
    return [texts[i] for i in numbers]


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)
