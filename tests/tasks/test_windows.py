"""Windows on long texts, against Google's rules written out again."""

import functools
import importlib.util
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf.export.ship import check_answers
from mobilebert_tf.tasks.windows import best_seen, locate, windows
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer

TOKENIZER = Tokenizer((*SPECIAL_TOKENS, "a", "##b", "c"))


@functools.cache
def reference():
    """BERT's tokenizer as written for the tests in tests/data."""
    path = Path(__file__).parents[1] / "data" / "bert_reference_tokenizer.py"
    spec = importlib.util.spec_from_file_location("bert_reference_tokenizer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def spans_of_google(pieces: int, room: int, stride: int) -> list[tuple[int, int]]:
    """The windows of `convert_examples_to_features` in Google's `run_squad.py`."""
    spans, start = [], 0
    while start < pieces:
        length = min(pieces - start, room)
        spans.append((start, length))
        if start + length == pieces:
            break
        start += min(length, stride)
    return spans


def best_span_of_google(spans: list[tuple[int, int]], position: int) -> int:
    """The best window by `_check_is_max_context` in `run_squad.py`."""
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
    parts, spans = windows(pieces, room, stride), spans_of_google(pieces, room, stride)
    assert [(window.start, window.count) for window in parts] == spans
    seen = best_seen(parts)
    for position in range(pieces):
        holders = [n for n, window in enumerate(parts) if window.start <= position < window.start + window.count]
        best = [n for n in holders if seen[n][position - parts[n].start]]
        assert best == [best_span_of_google(spans, position)]
    # The rule that contracts state for apps gives the same.
    stated = [{"offsets": [None, *[[0, 1]] * one.count, None], "start": one.start} for one in parts]
    counted = check_answers._counted(stated)
    assert counted == [[1 + place for place in np.flatnonzero(one)] for one in seen]


def test_a_book_takes_no_more_memory_than_its_pieces():
    tracemalloc.start()
    passage_windows = windows(200_000, 128, 64)
    seen = best_seen(passage_windows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(int(row.sum()) for row in seen) == 200_000
    assert peak < 50 * 2**20, "a table of windows by pieces would take 5 GB"


def test_a_text_without_a_piece_has_one_window():
    assert [(window.start, window.count) for window in windows(0, 5, 2)] == [(0, 0)]
    assert [window.tolist() for window in best_seen(windows(0, 5, 2))] == [[]]


def test_pieces_are_found_in_the_text_as_it_was_given():
    text = "  A\u0301B  \U0001f600 c\u200b"
    (located, again) = locate([text, text], TOKENIZER)
    assert located is again, "a passage of several questions is cut once"
    assert TOKENIZER.decode(located.ids.tolist()) == ["a", "##b", "[UNK]", "c"]
    places = [text[start:end] for start, end in located.offsets]
    assert places == ["A\u0301", "B", "\U0001f600", "c"], "an accent that is dropped belongs to its letter"


@pytest.mark.parametrize("text", ["", "\u200b", "\ufeff \x07\u0301"])
def test_a_text_without_a_piece_has_no_places(text: str):
    (located,) = locate([text], TOKENIZER)
    assert located.ids.shape == (0,) and located.offsets.shape == (0, 2)


SCRIPTS = (
    "Crème brûlée, naïve façade — Ångström's 5 € café",
    "Cafe\u0301 Zu\u0308rich re\u0301sume\u0301",
    "İstanbul'da ışık ve ŞİŞLİ",
    "Москва — столица России, основана в 1147 году.",
    "Ελλάδα και Οδυσσεύς ΆΜΜΟΣ",
    "اللغة العربيّة لُغَةٌ جميلةٌ، نعم",
    "עברית שָׁלוֹם עולם",
    "हिन्दी भाषा में प्रश्नोत्तर है।",
    "ภาษาไทยไม่มีช่องว่างระหว่างคำ",
    "中文文本和东京的日本語テキスト。",
    "한국어 텍스트와 ㅎㅏㄴ글",
    "ქართული ენა, Հայերեն լեզու",
    "தமிழ் மொழி, తెలుగు భాష",
    "emoji 😀 👨‍👩‍👧 🇩🇪 done",
    "zero\u200bwidth soft\u00adhyphen bell\x07 and \ufffd",
    "full ＡＢＣ，！ and ﬁne ﬂow",
    "a" * 201 + " and on",
)


@pytest.mark.parametrize("text", SCRIPTS, ids=range(len(SCRIPTS)))
def test_offsets_point_at_the_characters_of_their_piece(text):
    """The text at a piece's offsets is that piece again, by BERT's rules as written for the tests."""
    letters = sorted({letter for script in SCRIPTS for word in reference().words(script) for letter in word})
    tokenizer = Tokenizer((*SPECIAL_TOKENS, *letters, *(f"##{letter}" for letter in letters), "and", "on", "##an"))
    (located,) = locate([text], tokenizer)
    whole, began, covered = "", 0, set()
    for piece, (start, end) in zip(tokenizer.decode(located.ids.tolist()), located.offsets, strict=True):
        assert began <= start < end <= len(text), "pieces stand one behind another"
        began = start
        own = "".join(reference().words(text[start:end]))
        # A Hangul syllable decomposes into letters, each with the syllable's offsets.
        assert piece == "[UNK]" or piece.removeprefix("##") in own
        whole += "" if start in covered else own
        covered.update(range(start, end))
    # Only white space and dropped characters lie between pieces.
    # A final sigma is lower-cased differently when its word is cut, so both forms count as one.
    assert whole.replace("\u03c2", "\u03c3") == "".join(reference().words(text)).replace("\u03c2", "\u03c3")
    assert reference().words("".join(letter for place, letter in enumerate(text) if place not in covered)) == []
