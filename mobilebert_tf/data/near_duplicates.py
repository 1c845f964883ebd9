"""Exact search for texts that use nearly the same words.

Two texts are near-duplicates when the sets of their words and word pairs have a
Jaccard similarity of at least `threshold`. Case, digits and punctuation do not count.

All pairs are found, not only most of them as with MinHash: a text needs to be compared
only with texts that share one of its few rarest features (prefix filtering; Chaudhuri
et al. 2006, Bayardo et al. 2007), which is quicker for sentences than hashing them.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Iterator, Sequence

THRESHOLD = 0.7

_WORD = re.compile(r"[a-z0-9]+")
_DIGITS = re.compile(r"\d+")


def features(text: str) -> frozenset[str]:
    """The words and pairs of adjacent words of a text, in lower case, with each number replaced by 0."""
    words = _WORD.findall(_DIGITS.sub("0", text.lower()))
    return frozenset(words) | frozenset(map(" ".join, zip(words, words[1:], strict=False)))


def groups(texts: Sequence[str], threshold: float = THRESHOLD) -> list[list[int]]:
    """Indices of `texts` in groups of near-duplicates, in order of each group's first text.

    A chain of near-duplicates is one group, so texts of different groups are never near-duplicates.
    """
    parent = list(range(len(texts)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    for i, j in _pairs([features(text) for text in texts], threshold):
        a, b = sorted((root(i), root(j)))
        parent[b] = a
    members: dict[int, list[int]] = {}
    for i in range(len(texts)):
        members.setdefault(root(i), []).append(i)
    return list(members.values())


def _pairs(sets: Sequence[frozenset[str]], threshold: float) -> Iterator[tuple[int, int]]:
    frequency = collections.Counter(feature for s in sets for feature in s)
    rank = {feature: i for i, (feature, _) in enumerate(sorted(frequency.items(), key=lambda item: (item[1], item[0])))}
    holders: dict[int, list[int]] = collections.defaultdict(list)
    # Shorter sets come first, so each is compared only with sets that are no longer than itself.
    for i in sorted(range(len(sets)), key=lambda i: (len(sets[i]), i)):
        size = len(sets[i])
        ranks = sorted(rank[feature] for feature in sets[i])
        # Near sets share at least threshold * size features, so one of the rarest
        # size - threshold * size + 1 of each must be shared. The margin is for rounding.
        prefix = ranks[: size - int(threshold * size + 1 - 1e-9) + 1]
        candidates = set()
        for feature in prefix:
            candidates.update(holders[feature])
            holders[feature].append(i)
        for j in candidates:
            if len(sets[j]) < threshold * size:
                continue
            common = len(sets[i] & sets[j])
            if common >= threshold * (size + len(sets[j]) - common):
                yield i, j
        if not size:  # all texts without words count as equal
            if holders[-1]:
                yield i, holders[-1][0]
            holders[-1].append(i)
