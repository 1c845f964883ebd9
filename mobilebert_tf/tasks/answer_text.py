"""How far two answers to a question are the same, by the rules of SQuAD's official evaluation."""

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
    """Lower-case, without punctuation and articles, with single blanks. Source: SQuAD's `evaluate-v2.0.py`."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


@dataclasses.dataclass(frozen=True)
class Rules:
    """What a word is.

    Passages in a script without blanks have no words that white space separates, and their points and brackets are
    others: answers from them are compared by its characters, and by the words between those, as MLQA's evaluation
    does (arXiv 1910.07475, `mlqa_evaluation_v1.py`).
    """

    by_characters: bool = False

    @classmethod
    def of(cls, passages: Iterable[str]) -> Rules:
        """Rules for a table: those of the script that most letters of its passages are of."""
        letters = bare = 0
        for passage in set(passages):
            letters += sum(map(str.isalpha, passage))
            bare += 0 if passage.isascii() else len(_CHARACTER.findall(passage))
        return cls(by_characters=2 * bare > letters)

    def exact(self, answer: str, wanted: str) -> float:
        """One where both are the same answer."""
        return float(self._words(answer) == self._words(wanted))

    def f1(self, answer: str, wanted: str) -> float:
        """Harmonic mean of precision and recall of words; of two answers without a word, one."""
        given, expected = self._words(answer), self._words(wanted)
        if not given or not expected:
            return float(given == expected)
        shared = sum((collections.Counter(given) & collections.Counter(expected)).values())
        return 2 * shared / (len(given) + len(expected))

    def _words(self, answer: str) -> list[str]:
        if self.by_characters:
            answer = "".join(one for one in answer if not unicodedata.category(one).startswith("P"))
            answer = _CHARACTER.sub(r" \g<0> ", answer)
        return plain(answer).split()


def best(score: Callable[[str, str], float], answer: str, wanted: Sequence[str]) -> float:
    """The best score against any of the answers that people gave; none of them: the passage has no answer.

    As the official rules do, answers that are nothing but punctuation and articles do not count.
    """
    real = [one for one in wanted if plain(one)] or [""]
    return max(score(answer, one) for one in real)
