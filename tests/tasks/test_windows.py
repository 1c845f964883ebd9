"""Windows on long texts, held to Google's rules written down once more."""

import numpy as np
import pytest

from mobilebert_tf.export.ship import check_answers
from mobilebert_tf.tasks.windows import best_seen, locate, windows
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer

TOKENIZER = Tokenizer((*SPECIAL_TOKENS, "a", "##b", "c"))


def spans_of_google(pieces: int, room: int, stride: int) -> list[tuple[int, int]]:
    """`run_squad.py`, `convert_examples_to_features`."""
    spans, start = [], 0
    while start < pieces:
        length = min(pieces - start, room)
        spans.append((start, length))
        if start + length == pieces:
            break
        start += min(length, stride)
    return spans


def best_span_of_google(spans: list[tuple[int, int]], position: int) -> int:
    """`_check_is_max_context`."""
    best, best_number = None, -1
    for number, (start, length) in enumerate(spans):
        if not start <= position < start + length:
            continue
        score = min(position - start, start + length - 1 - position) + 0.01 * length
        if best is None or score > best:
            best, best_number = score, number
    return best_number


@pytest.mark.parametrize(
    "pieces, room, stride", [(1, 5, 2), (5, 5, 2), (6, 5, 2), (97, 20, 7), (60, 11, 11), (50, 8, 20)]
)
def test_windows_are_those_of_google(pieces, room, stride):
    made, spans = windows(pieces, room, stride), spans_of_google(pieces, room, stride)
    assert [(window.start, window.count) for window in made] == spans
    seen = best_seen(made)
    for position in range(pieces):
        holders = [n for n, window in enumerate(made) if window.start <= position < window.start + window.count]
        best = [n for n in holders if seen[n][position - made[n].start]]
        assert best == [best_span_of_google(spans, position)]
    # The app's rule, which a contract states, is the same.
    stated = [{"offsets": [None, *[[0, 1]] * one.count, None], "start": one.start} for one in made]
    counted = check_answers._counted(stated)
    assert counted == [[1 + place for place in np.flatnonzero(one)] for one in seen]


def test_a_text_without_a_piece_has_one_window():
    assert [(one.start, one.count) for one in windows(0, 5, 2)] == [(0, 0)]
    assert [one.tolist() for one in best_seen(windows(0, 5, 2))] == [[]]


def test_pieces_are_found_in_the_text_as_it_was_given():
    text = "  A\u0301B  \U0001f600 c\u200b"
    (found, again) = locate([text, text], TOKENIZER)
    assert found is again, "a passage of several questions is cut once"
    assert TOKENIZER.decode(found.ids.tolist()) == ["a", "##b", "[UNK]", "c"]
    places = [text[start:end] for start, end in found.offsets]
    assert places == ["A\u0301", "B", "\U0001f600", "c"], "an accent that is dropped belongs to its letter"
