"""MediaPipe's tokenizer, by hand from its source; tests marked `mediapipe` run MediaPipe itself."""

import pytest

from mobilebert_tf.export.mediapipe.tokenizer import MediaPipeTokenizer, differing_rules
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer

PIECES = (
    "caf",
    "##e",
    "##\u00e9",
    "cafe",
    "a",
    "##a",
    "b",
    "-",
    "\u4e2d",
    "\u00c4",
    "\u00e4",
    "x\u00a0y",
    "x",
    "y",
    ".",
)
TOKENIZER = Tokenizer((*SPECIAL_TOKENS, *PIECES))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CAFE a", ["cafe", "a"]),
        ("caf\u00e9", ["caf", "##\u00e9"]),
        ("\u00c4", ["\u00c4"]),  # not ASCII, so it is not lower-cased
        ("x\u00a0y", ["x\u00a0y"]),  # MediaPipe does not split at this blank
        ("a-b.\u4e2da", ["a", "-", "b", ".", "\u4e2d", "a"]),
        ("a\x07b", ["[UNK]"]),
        ("a\x00b", ["a"]),
        ("a" * 100, ["a"] + ["##a"] * 99),
        ("a" * 101, ["[UNK]"]),
        ("a\x0bb", ["[UNK]"]),
        ("a\x0cb", ["a", "b"]),
        ("", []),
    ],
)
def test_word_pieces(text, expected):
    assert TOKENIZER.decode(MediaPipeTokenizer(TOKENIZER).ids(text)) == expected


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("cafe a-b", []),
        ("caf\u00e9", ["accents"]),
        ("x\u00a0y", ["white space"]),
        ("a\x07a", ["control characters"]),
        ("a\x00b", ["control characters"]),
        ("a" * 150, ["long words"]),
        ("a" * 201, []),  # [UNK] by both
        ("caf\u00e9 x\u00a0y", ["white space", "accents"]),
    ],
)
def test_rule_by_which_a_text_is_cut_otherwise(text, rules):
    assert differing_rules(TOKENIZER, text) == rules


def test_capitals_are_a_rule_where_accents_stay():
    import dataclasses

    from mobilebert_tf.tokenization import Rules

    tokenizer = dataclasses.replace(TOKENIZER, rules=Rules(strip_accents=False))
    assert differing_rules(tokenizer, "\u00c4") == ["capitals"]
