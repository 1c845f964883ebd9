"""Labels of words and the entities that they make: BIO, BIOES and their relatives, by seqeval's rules."""

from __future__ import annotations

import dataclasses
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
