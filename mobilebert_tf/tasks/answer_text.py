"""How far two answers to a question are the same, by the rules of SQuAD's official evaluation.

Answers in a script without blanks have no words that white space separates, and their points and brackets are others:
they are compared character by character, as MLQA's evaluation does (arXiv 1910.07475, `mlqa_evaluation_v1.py`).
"""

from __future__ import annotations

import collections
import re
import string
import unicodedata
from collections.abc import Callable, Sequence

from mobilebert_tf.data.scripts import NO_BLANKS

_ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_CHARACTER = re.compile(f"[{NO_BLANKS}]")


def plain(answer: str) -> str:
    """Lower-case, without punctuation and articles, with single blanks. Source: SQuAD's `evaluate-v2.0.py`."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def exact(answer: str, wanted: str) -> float:
    """One where both are the same answer."""
    return float(_words(answer, wanted) == _words(wanted, wanted))


def f1(answer: str, wanted: str) -> float:
    """Harmonic mean of precision and recall of words; of two answers without a word, one."""
    given, expected = _words(answer, wanted), _words(wanted, wanted)
    if not given or not expected:
        return float(given == expected)
    shared = sum((collections.Counter(given) & collections.Counter(expected)).values())
    return 2 * shared / (len(given) + len(expected))


def _words(answer: str, wanted: str) -> list[str]:
    """An answer's words, as the one that was wanted has them."""
    letters = sum(map(str.isalpha, wanted))
    if letters == 0 or 2 * len(_CHARACTER.findall(wanted)) <= letters:
        return plain(answer).split()
    bare = "".join(" " if unicodedata.category(one).startswith("P") else one for one in answer)
    return plain(_CHARACTER.sub(r" \g<0> ", bare)).split()


def best(score: Callable[[str, str], float], answer: str, wanted: Sequence[str]) -> float:
    """The best score against any of the answers that people gave; none of them: the passage has no answer.

    As the official rules do, answers that are nothing but punctuation and articles do not count.
    """
    real = [one for one in wanted if plain(one)] or [""]
    return max(score(answer, one) for one in real)
