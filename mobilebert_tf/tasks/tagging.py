"""Labels of words and the entities that they form: BIO, BIOES and related schemes, by seqeval's rules."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence

from mobilebert_tf.errors import UsageError

OUTSIDE = "O"
BEGINS = "BSU"
"""Prefixes of an entity's first word; U and L are BILOU's S and E."""
ENDS = "ESLU"
"""Prefixes of an entity's last word."""

_TAG = re.compile(r"([BIESLU])-(.+)")


@dataclasses.dataclass(frozen=True, order=True)
class Entity:
    """Successive words of one kind."""

    start: int
    """Number of its first word."""
    end: int
    """Number of the word after its last."""
    kind: str


def parts(tag: str) -> tuple[str, str]:
    """Prefix and kind of a label; O has no kind. Raises UsageError: `tag` is not a label of a word."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    matched = _TAG.fullmatch(tag)
    if not matched:
        raise UsageError(f"{tag!r} is not a label of a word: use O, or B-, I-, E- or S- and a kind, as in B-person")
    return matched[1], matched[2]


def is_tag(text: str) -> bool:
    """Whether a text is a label of a word."""
    return text == OUTSIDE or _TAG.fullmatch(text) is not None


def is_scheme(tags: Sequence[str]) -> bool:
    """Whether a token classifier's labels are those of a scheme: O and other labels of words, and nothing else."""
    return OUTSIDE in tags and len(tags) > 1 and all(map(is_tag, tags))


def entities(tags: Sequence[str]) -> list[Entity]:
    """The entities of words with these labels.

    By seqeval's default rules, which are conlleval's, an entity begins at B or S, after another kind, after an end, or
    at I or E after O.
    """
    result = []
    start, before, kind = 0, OUTSIDE, ""
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, own = parts(tag)
        goes_on = prefix not in (OUTSIDE, *BEGINS) and before != OUTSIDE and before not in ENDS and own == kind
        if before != OUTSIDE and not goes_on:
            result.append(Entity(start, place, kind))
        if not goes_on:
            start = place
        before, kind = prefix, own
    return result


def kinds(tags: Sequence[str]) -> list[str]:
    """The different kinds of the labels, sorted."""
    return sorted({parts(tag)[1] for tag in tags} - {""})


@dataclasses.dataclass(frozen=True)
class Scheme:
    """Rule by which entities become labels of words."""

    prefixes: frozenset[str]
    marks_all: bool = True
    """Whether the first word of every entity is marked; else only after an entity of the same kind, as in IOB1."""

    def tags(self, found: Sequence[Entity], words: int) -> list[str]:
        """The labels of `words` words with these entities, which are in order."""
        tags = [OUTSIDE] * words
        for before, entity in zip([None, *found], found, strict=False):
            follows = before is not None and (before.end, before.kind) == (entity.start, entity.kind)
            usual = self.prefixes if follows or self.marks_all else self.prefixes - {*BEGINS}
            for place in range(entity.start, entity.end):
                is_first, is_last = place == entity.start, place == entity.end - 1
                fitting = ("SUB" if is_last else "B") * is_first + "EL" * is_last
                prefix = next((letter for letter in fitting if letter in usual), "I")
                tags[place] = f"{prefix}-{entity.kind}"
        return tags


def scheme_of(sentences: Sequence[Sequence[str]], labels: Sequence[str]) -> Scheme:
    """The scheme that reproduces the labels of most of these sentences; of equally good ones that of all `labels`."""
    known, seen = (frozenset(parts(tag)[0] for tag in tags) for tags in (labels, itertools.chain(*sentences)))
    schemes = [Scheme(prefixes, marks_all) for prefixes in (known, seen) for marks_all in (True, False)]
    labelled = [(tags, entities(tags)) for tags in map(list, sentences)]
    return max(
        schemes, key=lambda scheme: sum(scheme.tags(its_entities, len(tags)) == tags for tags, its_entities in labelled)
    )
