"""Next-sentence pairs: every piece has its own number, which shows where it comes from."""

import math
import random

from mobilebert_tf.data.segment_pairs import segment_pairs


def made_documents(count: int, rng: random.Random) -> list[list[list[int]]]:
    """Documents whose pieces are document * 1000 + place in the document."""
    documents = []
    for number in range(count):
        place, document = number * 1000, []
        for _ in range(rng.randint(5, 25)):
            length = rng.randint(3, 14)
            document.append(list(range(place, place + length)))
            place += length
        documents.append(document)
    return documents


DOCUMENTS = made_documents(60, random.Random(1))


def pairs(short: float = 0.1, length: int = 64, seed: int = 1):  # noqa: ANN201
    return list(segment_pairs(DOCUMENTS, length, short, random.Random(seed)))


def test_real_next_follows_and_random_next_is_of_another_document() -> None:
    for pair in pairs():
        for segment in (pair.first, pair.second):
            assert segment == list(range(segment[0], segment[0] + len(segment)))
        same = pair.first[0] // 1000 == pair.second[0] // 1000
        assert same == (not pair.is_random)
        # If both fit, a real next segment begins directly after the first.
        if not pair.is_random and len(pair.first) + len(pair.second) < 61:
            assert pair.second[0] == pair.first[-1] + 1
        assert pair.is_random or pair.second[0] > pair.first[-1]


def test_pairs_fit_and_fill_the_sequence() -> None:
    lengths = [len(p.first) + len(p.second) + 3 for p in pairs(short=0.0)]
    assert max(lengths) == 64
    assert sum(length > 55 for length in lengths) > 0.6 * len(lengths)
    assert all(pair.first and pair.second for pair in pairs(length=5))


def test_short_sequences_are_made_as_often_as_asked() -> None:
    mean = [sum(len(p.first) + len(p.second) for p in pairs(short)) / len(pairs(short)) for short in (0.0, 0.5, 1.0)]
    assert mean[0] > mean[1] > mean[2]


def test_half_of_the_pairs_are_random() -> None:
    drawn = [p for seed in range(20) for p in pairs(short=0.0, seed=seed)]
    share = sum(p.is_random for p in drawn) / len(drawn)
    # Half are drawn to be random, and a single last sentence always is: at most one a document, which only
    # raises the share. The slack is five binomial deviations.
    slack = 5 * math.sqrt(0.25 / len(drawn))
    assert 0.5 - slack < share < 0.5 + slack + 20 * len(DOCUMENTS) / len(drawn)


def test_segments_begin_and_end_with_sentences() -> None:
    begins = {sentence[0] for document in DOCUMENTS for sentence in document}
    ends = {sentence[-1] for document in DOCUMENTS for sentence in document}
    whole = [p for p in pairs() if len(p.first) + len(p.second) < 61]
    assert len(whole) > 50
    assert all(s[0] in begins and s[-1] in ends for p in whole for s in (p.first, p.second))


def test_no_sentence_of_a_document_is_lost() -> None:
    """Sentences displaced by a random B become the next A, so nearly all are used (cutting loses pieces)."""
    used = {piece for p in pairs(short=0.0, length=200) for s in (p.first, p.second) for piece in s}
    assert used >= {s[0] for d in DOCUMENTS for s in d[1:-1]} - _cut(length=200)


def _cut(length: int) -> set[int]:
    """Pieces that truncation may have taken: those in and near pairs that fill the sequence completely."""
    full = [p for p in pairs(short=0.0, length=length) if len(p.first) + len(p.second) == length - 3]
    return {piece + shift for p in full for s in (p.first, p.second) for piece in s for shift in range(-40, 40)}


def test_a_single_document_gives_real_pairs_only() -> None:
    drawn = list(segment_pairs(DOCUMENTS[:1], 64, 0.1, random.Random(1)))
    assert drawn and not any(p.is_random for p in drawn)


def test_single_segments_are_made_as_often_as_asked_and_run_on_where_the_last_one_ended() -> None:
    single = list(segment_pairs(DOCUMENTS, 64, 0.3, random.Random(1), single_segment_prob=1.0))
    assert not any(pair.second or pair.is_random for pair in single)
    assert all(len(pair.first) <= 61 for pair in single)
    pieces = {piece for pair in single for piece in pair.first}
    # Nothing is skipped: missing pieces were cut from runs that are too long for a sequence.
    assert len(pieces) > 0.85 * sum(len(sentence) for document in DOCUMENTS for sentence in document)
    mixed = list(segment_pairs(DOCUMENTS, 64, 0.3, random.Random(1), single_segment_prob=0.5))
    share = sum(not pair.second for pair in mixed) / len(mixed)
    assert abs(share - 0.5) < 5 * math.sqrt(0.25 / len(mixed))
