"""Labels of words and the entities that they make: BIO, BIOES and their relatives, by seqeval's rules."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence

from mobilebert_tf.errors import UsageError

OUTSIDE = "O"
BEGINS = "BSU"
"""Prefixes of a first word; U and L are BILOU's S and E."""
ENDS = "ESLU"
"""Prefixes of a last word."""

_TAG = re.compile(r"([BIESLU])-(.+)")


@dataclasses.dataclass(frozen=True, order=True)
class Entity:
    """Successive words of one kind."""

    start: int
    """First word."""
    end: int
    """The one behind the last."""
    kind: str


def parts(tag: str) -> tuple[str, str]:
    """Prefix and kind of a label; O has no kind. Raises UsageError: it is none."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    matched = _TAG.fullmatch(tag)
    if not matched:
        raise UsageError(f"{tag!r} is no label of a word: O, or B-, I-, E- or S- and a kind, as in B-person")
    return matched[1], matched[2]


def is_tag(text: str) -> bool:
    """Whether this is a label of a word."""
    return text == OUTSIDE or _TAG.fullmatch(text) is not None


def is_scheme(tags: Sequence[str]) -> bool:
    """Whether these are all the labels that words can have, O among them; token classifiers may have others."""
    return OUTSIDE in tags and len(tags) > 1 and all(map(is_tag, tags))


def entities(tags: Sequence[str]) -> list[Entity]:
    """The entities of the words with these labels.

    As seqeval's default, which is conlleval's: an entity begins with B or S, behind another kind, behind an end, or
    with I or E behind O.
    """
    found = []
    start, before, kind = 0, OUTSIDE, ""
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, own = parts(tag)
        goes_on = prefix not in (OUTSIDE, *BEGINS) and before != OUTSIDE and before not in ENDS and own == kind
        if before != OUTSIDE and not goes_on:
            found.append(Entity(start, place, kind))
        if not goes_on:
            start = place
        before, kind = prefix, own
    return found


def kinds(tags: Sequence[str]) -> list[str]:
    """The kinds of all labels, sorted."""
    return sorted({parts(tag)[1] for tag in tags} - {""})


@dataclasses.dataclass(frozen=True)
class Scheme:
    """Rule by which entities become labels of words."""

    prefixes: frozenset[str]
    marks_all: bool = True
    """Whether every first word has a prefix of its own; else those behind an entity of the same kind, as in IOB1."""

    def tags(self, found: Sequence[Entity], words: int) -> list[str]:
        """The labels of so many words, of which these are the entities in their order."""
        tags = [OUTSIDE] * words
        for before, entity in zip([None, *found], found, strict=False):
            follows = before is not None and (before.end, before.kind) == (entity.start, entity.kind)
            usual = self.prefixes if follows or self.marks_all else self.prefixes - {*BEGINS}
            for place in range(entity.start, entity.end):
                is_first, is_last = place == entity.start, place == entity.end - 1
                fitting = ("SUB" if is_last else "B") * is_first + "EL" * is_last
                prefix = next((one for one in fitting if one in usual), "I")
                tags[place] = f"{prefix}-{entity.kind}"
        return tags


def scheme_of(sentences: Sequence[Sequence[str]], labels: Sequence[str]) -> Scheme:
    """The scheme in which most of these sentences are labelled, if that tells nothing the one of all `labels`."""
    known, seen = (frozenset(parts(tag)[0] for tag in tags) for tags in (labels, itertools.chain(*sentences)))
    schemes = [Scheme(prefixes, marks_all) for prefixes in (known, seen) for marks_all in (True, False)]
    found = [(tags, entities(tags)) for tags in map(list, sentences)]
    return max(schemes, key=lambda scheme: sum(scheme.tags(some, len(tags)) == tags for tags, some in found))
