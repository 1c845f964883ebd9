"""Similarity of two answers to a question, by the rules of SQuAD's official evaluation."""

from __future__ import annotations

import collections
import dataclasses
import re
import string
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from mobilebert_tf.data.scripts import NO_BLANKS

_ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_CHARACTER = re.compile(f"[{NO_BLANKS}]")


def plain(answer: str) -> str:
    """Lower-case answer without punctuation and articles, with single blanks. Source: SQuAD's `evaluate-v2.0.py`."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


@dataclasses.dataclass(frozen=True)
class Rules:
    """Rules for dividing answers into words.

    Passages in a script without blanks have no words separated by white space, and their punctuation marks differ.
    Answers from them are compared by the script's characters and by the words between these, as in MLQA's evaluation
    (arXiv 1910.07475, `mlqa_evaluation_v1.py`).
    """

    by_characters: bool = False

    @classmethod
    def of(cls, passages: Iterable[str]) -> Rules:
        """The rules for a table, by the script of most letters of its passages."""
        letters = without_blanks = 0
        for passage in set(passages):
            letters += sum(map(str.isalpha, passage))
            without_blanks += 0 if passage.isascii() else len(_CHARACTER.findall(passage))
        return cls(by_characters=2 * without_blanks > letters)

    def exact(self, answer: str, wanted: str) -> float:
        """One where both answers have the same words, else zero."""
        return float(self._words(answer) == self._words(wanted))

    def f1(self, answer: str, wanted: str) -> float:
        """Harmonic mean of precision and recall of words; one for two answers without words."""
        given, expected = self._words(answer), self._words(wanted)
        if not given or not expected:
            return float(given == expected)
        shared = sum((collections.Counter(given) & collections.Counter(expected)).values())
        return 2 * shared / (len(given) + len(expected))

    def _words(self, answer: str) -> list[str]:
        if self.by_characters:
            answer = "".join(character for character in answer if not unicodedata.category(character).startswith("P"))
            answer = _CHARACTER.sub(r" \g<0> ", answer)
        return plain(answer).split()


def best(score: Callable[[str, str], float], answer: str, wanted: Sequence[str]) -> float:
    """The best score against any of the labelled answers; without one, the passage has no answer.

    As in the official rules, labelled answers of only punctuation and articles do not count.
    """
    real = [text for text in wanted if plain(text)] or [""]
    return max(score(answer, text) for text in real)
