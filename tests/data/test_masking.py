"""BERT's masking rules, counted over many examples."""

import math
import random

import pytest

from mobilebert_tf.data.masking import Pieces, mask_pieces
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer

WORDS = [f"w{i}" for i in range(500)]
VOCAB = (*SPECIAL_TOKENS, *WORDS, *(f"##{i}" for i in range(500)))
PIECES = Pieces.of(Tokenizer(VOCAB))
CLS, SEP, MASK = (VOCAB.index(token) for token in ("[CLS]", "[SEP]", "[MASK]"))
FIRST_WORD, FIRST_INSIDE = len(SPECIAL_TOKENS), len(SPECIAL_TOKENS) + len(WORDS)


def sequence(rng: random.Random, words: int = 30) -> list[int]:
    """[CLS] words [SEP] words [SEP]; a word has one to four pieces."""
    ids = [CLS]
    for _ in range(2):
        for _ in range(words // 2):
            ids.append(rng.randrange(FIRST_WORD, FIRST_INSIDE))
            ids += [rng.randrange(FIRST_INSIDE, len(VOCAB)) for _ in range(rng.choice((0, 0, 0, 1, 2, 3)))]
        ids.append(SEP)
    return ids


@pytest.mark.parametrize("whole_word", [False, True])
def test_masks_follow_the_rules(whole_word: bool) -> None:
    rng = random.Random(1)
    masked = random_ = kept = chosen = 0
    for _ in range(3000):
        ids = sequence(rng)
        result = mask_pieces(ids, PIECES, whole_word, 0.15, 20, rng)
        wanted = min(20, max(1, round(0.15 * len(ids))))
        assert len(result.positions) <= wanted if whole_word else len(result.positions) == wanted
        assert result.positions == sorted(set(result.positions))
        restored = list(result.ids)
        for position, label in zip(result.positions, result.labels, strict=True):
            assert ids[position] not in (CLS, SEP)
            if result.ids[position] == MASK:
                masked += 1
            elif result.ids[position] == label:
                kept += 1
            else:
                random_ += 1
                assert VOCAB[result.ids[position]] not in SPECIAL_TOKENS
            restored[position] = label
        assert restored == ids
        chosen += len(result.positions)
    assert chosen > 15_000
    # Choices are independent, so counts are binomial. Five standard deviations are exceeded by chance about
    # once in a million runs, and the seed is fixed anyway. A random piece equals the original once in 1,000,
    # far below these bounds.
    for count, share in ((masked, 0.8), (random_, 0.1), (kept, 0.1)):
        assert abs(count - share * chosen) < 5 * math.sqrt(chosen * share * (1 - share))


def test_whole_words_are_chosen_together() -> None:
    rng = random.Random(2)
    of_many_pieces = 0
    for _ in range(500):
        ids = sequence(rng)
        chosen = set(mask_pieces(ids, PIECES, True, 0.15, 20, rng).positions)
        for position in range(1, len(ids)):
            if ids[position] >= FIRST_INSIDE:
                of_many_pieces += position in chosen
                assert (position in chosen) == (position - 1 in chosen)
    assert of_many_pieces > 500


def test_single_pieces_are_chosen_apart() -> None:
    rng = random.Random(2)
    split = 0
    for _ in range(100):
        ids = sequence(rng)
        chosen = set(mask_pieces(ids, PIECES, False, 0.15, 20, rng).positions)
        split += any(ids[p] >= FIRST_INSIDE and (p in chosen) != (p - 1 in chosen) for p in range(1, len(ids)))
    assert split > 50


def test_a_piece_inside_a_word_that_begins_a_segment_is_no_part_of_what_is_before_the_separator() -> None:
    ids = [CLS, FIRST_WORD, SEP, FIRST_INSIDE, SEP]
    for seed in range(20):
        assert len(mask_pieces(ids, PIECES, True, 0.15, 20, random.Random(seed)).positions) == 1


def test_every_position_is_equally_likely() -> None:
    rng = random.Random(3)
    ids = [CLS, *range(FIRST_WORD, FIRST_WORD + 20), SEP, *range(FIRST_WORD, FIRST_WORD + 18), SEP]
    counts = [0] * len(ids)
    rounds = 5000
    for _ in range(rounds):
        for position in mask_pieces(ids, PIECES, False, 0.15, 20, rng).positions:
            counts[position] += 1
    share = round(0.15 * len(ids)) / 38
    bound = 5 * math.sqrt(rounds * share * (1 - share))  # binomial, as above
    assert all(abs(count - rounds * share) < bound for i, count in enumerate(counts) if ids[i] not in (CLS, SEP))


def test_at_most_max_predictions_and_at_least_one() -> None:
    rng = random.Random(4)
    ids = sequence(rng, words=200)
    assert len(mask_pieces(ids, PIECES, False, 0.15, 7, rng).positions) == 7
    assert len(mask_pieces([CLS, 6, SEP, 7, SEP], PIECES, False, 0.01, 7, rng).positions) == 1


def test_in_scripts_without_blanks_each_piece_is_as_likely_as_any() -> None:
    """By its blanks a Thai clause is one word, longer than the share to mask; the numbers between clauses are not."""
    letters, numbers = "กขคงจฉชซฌญ", [str(i) for i in range(10)]
    pieces = Pieces.of(Tokenizer((*SPECIAL_TOKENS, *numbers, *letters, *(f"##{c}" for c in letters))))
    inside = [i for i, is_inside in enumerate(pieces.inside_word) if is_inside]
    clauses = [[inside[0] - 1, *inside, *inside[: 2 * size]] for size in range(3)]
    ids = [pieces.cls, *(piece for i, clause in enumerate(clauses) for piece in (*clause, 5 + i)), pieces.sep]
    counts, side_by_side, rng = [0] * len(ids), 0, random.Random(6)
    rounds = 4000
    for _ in range(rounds):
        positions = mask_pieces(ids, pieces, True, 0.15, 20, rng).positions
        side_by_side += sum(b == a + 1 for a, b in zip(positions, positions[1:], strict=False))
        for position in positions:
            counts[position] += 1
    wanted = round(0.15 * len(ids))
    assert sum(counts) == rounds * wanted
    share = wanted / (len(ids) - 2)
    assert all(0.85 * share < count / rounds < 1.15 * share for count in counts[1:-1])
    # Runs of one to three pieces give half a pair of neighbours per piece; single pieces would give a sixth of that.
    assert side_by_side > rounds * wanted / 3


def test_of_words_that_are_all_too_long_a_part_is_hidden() -> None:
    inside = [i for i in PIECES.ordinary if PIECES.inside_word[i]][0]
    ids = [PIECES.cls, FIRST_INSIDE - 1, *[inside] * 20, PIECES.sep]
    rng = random.Random(1)
    for _ in range(100):
        positions = mask_pieces(ids, PIECES, True, 0.15, 20, rng).positions
        assert positions == list(range(positions[0], positions[0] + 3))
        assert 1 <= positions[0] and positions[-1] <= 21
