"""The tokenizer against an independent implementation of the published rules."""

import importlib.util
from pathlib import Path

import pytest

from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer

_spec = importlib.util.spec_from_file_location(
    "bert_reference_tokenizer", Path(__file__).with_name("bert_reference_tokenizer.py")
)
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
VOCAB = (
    *SPECIAL_TOKENS,
    *LETTERS,
    *(f"##{c}" for c in LETTERS),
    *"!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
    *("hello", "world", "un", "##aff", "##able", "naive", "cafe", "世", "界", "ß", "##ß", "–", "的"),
)
TEXTS = [
    "Hello, world!",
    "unaffable  UNAFFABLE\tun\u00a0affable",
    "Naïve café – cafe\u0301",
    "你好世界 hello世界world",
    "straße STRASSE İstanbul",
    "a\u200bb c\u0000d e\ufffdf g\u0007h",
    "x" * 200,
    "x" * 201,
    "don't [MASK] e-mail: a@b.c, $1,000.00 (50%)",
    "\u0645\u0631\u062d\u0628\u0627 привет",
    "",
    "   ",
]


@pytest.mark.parametrize("text", TEXTS)
def test_agrees_with_the_published_rules(text: str) -> None:
    tokenizer = Tokenizer(VOCAB)
    assert tokenizer.decode(tokenizer.encode(text).ids) == reference.tokenize(text, set(VOCAB))


def test_agrees_on_naughty_strings(shared_data: Path) -> None:
    tokenizer = Tokenizer.from_vocab(shared_data / "vocab" / "vocab.txt")
    vocab = set(tokenizer.vocab)
    lines = (shared_data / "unicode" / "blns.txt").read_text(encoding="utf-8").split("\n")
    assert len(lines) > 500
    assert [tokenizer.decode(ids) for ids in tokenizer.encode_batch(lines)] == [
        reference.tokenize(line, vocab) for line in lines
    ]


def test_offsets_are_those_of_the_original_text() -> None:
    text = "Café  UNAFFABLE, 世界"
    encoding = Tokenizer(VOCAB).encode(text)
    assert [text[a:b] for a, b in encoding.offsets] == ["Café", "UN", "AFF", "ABLE", ",", "世", "界"]
