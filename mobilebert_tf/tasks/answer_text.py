"""How far two answers to a question are the same, by the rules of SQuAD's official evaluation."""

from __future__ import annotations

import collections
import re
import string
from collections.abc import Callable, Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b", re.UNICODE)
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def plain(answer: str) -> str:
    """Lower-case, without punctuation and articles, with single blanks. Source: SQuAD's `evaluate-v2.0.py`."""
    return " ".join(_ARTICLES.sub(" ", answer.lower().translate(_PUNCTUATION)).split())


def exact(answer: str, wanted: str) -> float:
    """One where both are the same answer."""
    return float(plain(answer) == plain(wanted))


def f1(answer: str, wanted: str) -> float:
    """Harmonic mean of precision and recall of words; of two answers without a word, one."""
    given, expected = plain(answer).split(), plain(wanted).split()
    if not given or not expected:
        return float(given == expected)
    shared = sum((collections.Counter(given) & collections.Counter(expected)).values())
    return 2 * shared / (len(given) + len(expected))


def best(score: Callable[[str, str], float], answer: str, wanted: Sequence[str]) -> float:
    """The best score against any of the answers that people gave; none of them: the passage has no answer.

    As the official rules do, answers that are nothing but punctuation and articles do not count.
    """
    real = [one for one in wanted if plain(one)] or [""]
    return max(score(answer, one) for one in real)
