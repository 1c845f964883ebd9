"""Cutting of documents into pairs of segments for next-sentence prediction, by BERT's rules, or single segments.

Source: google-research/bert `create_pretraining_data.py`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

Sentence = list[int]
"""Word-piece ids."""

Document = Sequence[Sentence]

SPECIAL_PIECES = 3
"""[CLS] A [SEP] B [SEP]"""


class SegmentPair(NamedTuple):
    """Two segments without special tokens, or a single one."""

    first: list[int]
    second: list[int]
    """Empty if the first segment stands alone."""
    is_random: bool
    """Whether the second segment is from another document; otherwise it follows the first."""


def segment_pairs(
    documents: Sequence[Document],
    max_seq_length: int,
    short_seq_prob: float,
    rng: random.Random,
    single_segment_prob: float = 0.0,
) -> Iterator[SegmentPair]:
    """Cut every document into pairs of at most `max_seq_length` pieces, special tokens included.

    Sentences are gathered until they fill a sequence (or, with `short_seq_prob`, a random
    shorter length); the first few are segment A. Segment B is the rest, or in half of the
    cases a run of sentences from another document; the replaced rest of A's document is used
    for the next pair. A single sentence has nothing after it and always gets a random B, so
    somewhat more than half of all pairs are random. Segments begin and end where sentences
    do, unless a pair is too long: the longer segment then loses pieces at either end.

    With `single_segment_prob` the gathered sentences become a single segment, because in many
    tasks a sentence stands alone.

    Where there is no other document, all pairs are real and single sentences are dropped.
    """
    for number in range(len(documents)):
        yield from _pairs_of(
            number, documents, max_seq_length - SPECIAL_PIECES, short_seq_prob, rng, single_segment_prob
        )


def _pairs_of(
    number: int,
    documents: Sequence[Document],
    room: int,
    short_seq_prob: float,
    rng: random.Random,
    single_segment_prob: float,
) -> Iterator[SegmentPair]:
    document = documents[number]
    i = 0
    while i < len(document):
        target = rng.randint(2, room) if rng.random() < short_seq_prob else room
        gathered, length = i, 0
        while gathered < len(document) and (length < target or gathered == i):
            length += len(document[gathered])
            gathered += 1
        # Without single segments no number is drawn, so that records of pairs stay the same as before.
        if single_segment_prob and rng.random() < single_segment_prob:
            yield SegmentPair(*_truncate(_joined(document[i:gathered]), [], room, rng), False)
            i = gathered
            continue
        count = gathered - i
        split = i + (rng.randint(1, count - 1) if count >= 2 else 1)
        is_random = len(documents) > 1 and (count == 1 or rng.random() < 0.5)
        first = _joined(document[i:split])
        if is_random:
            second = _random_segment(number, documents, target - len(first), rng)
            i = split
        else:
            second = _joined(document[split:gathered])
            i = gathered
        if second:
            yield SegmentPair(*_truncate(first, second, room, rng), is_random)


def _random_segment(number: int, documents: Sequence[Document], length: int, rng: random.Random) -> list[int]:
    """The pieces of successive sentences of another document, from a random sentence on, until there are `length`."""
    other = rng.randrange(len(documents) - 1)
    document = documents[other + (other >= number)]
    pieces: list[int] = []
    for sentence in document[rng.randrange(len(document)) :]:
        pieces += sentence
        if len(pieces) >= length:
            break
    return pieces


def _truncate(first: list[int], second: list[int], room: int, rng: random.Random) -> tuple[list[int], list[int]]:
    """Remove pieces of the longer segment, each from its front or back at random, until both segments fit."""
    start_a, end_a, start_b, end_b = 0, len(first), 0, len(second)
    while (length_a := end_a - start_a) + (length_b := end_b - start_b) > room:
        front = rng.random() < 0.5
        if length_a > length_b:
            start_a, end_a = (start_a + 1, end_a) if front else (start_a, end_a - 1)
        else:
            start_b, end_b = (start_b + 1, end_b) if front else (start_b, end_b - 1)
    return first[start_a:end_a], second[start_b:end_b]


def _joined(sentences: Sequence[Sentence]) -> list[int]:
    return [piece for sentence in sentences for piece in sentence]
