"""The tokenizer against an independent implementation of the published rules."""

import importlib.util
import itertools
import json
import lzma
import re
from pathlib import Path

import pytest
import tokenizers

from mobilebert_tf.errors import UsageError
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Rules, Tokenizer, read_vocab

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


def real_text(shared_data: Path, shards: int | None) -> list[str]:
    strings = json.loads((shared_data / "unicode" / "blns.json").read_text(encoding="utf-8"))
    strings += (shared_data / "unicode" / "blns.txt").read_text(encoding="utf-8").split("\n")
    for path in sorted((shared_data / "pretrain_text").glob("*.txt.xz"))[:shards]:
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            strings += itertools.islice(lines, None if shards is None else 2000)
    return strings


@pytest.mark.parametrize("shards", [1, pytest.param(None, marks=pytest.mark.slow)])
def test_ids_and_offsets_are_the_librarys(shards: int | None, shared_data: Path) -> None:
    """Compare with the BERT tokenizer that the `tokenizers` library builds itself, with Hugging Face's limit."""
    vocab = shared_data / "vocab" / "vocab.txt"
    own = Tokenizer(Tokenizer.from_vocab(vocab).vocab, Rules(max_characters_per_word=100))
    reference_tokenizer = tokenizers.implementations.BertWordPieceTokenizer(str(vocab), lowercase=True)
    texts = real_text(shared_data, shards)
    assert len(texts) > 2500
    for start in range(0, len(texts), 10_000):
        some = texts[start : start + 10_000]
        for text, expected in zip(some, reference_tokenizer.encode_batch(some, add_special_tokens=False), strict=True):
            encoding = own.encode(text)
            assert (encoding.ids, encoding.offsets) == (expected.ids, expected.offsets), text


@pytest.mark.parametrize(
    "pieces, message",
    [
        (["\u2581the", "\u2581a", "s"], "line 6: '\u2581the' is a SentencePiece piece"),
        (["s", "\u0120the", "\u0120a", "\u010a"], "line 7: '\u0120the' is a byte-level BPE piece"),
        (["a", "", ""], "line 8: is blank, as line 7 is; delete the blank lines"),
        (["a", "##b", "\u2581", "\u0120", "##c"], None),  # single characters of a text
    ],
)
def test_pieces_of_other_tokenizers(pieces: list[str], message: str | None, tmp_path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join([*SPECIAL_TOKENS, *pieces]) + "\n", encoding="utf-8")
    if message is None:
        assert read_vocab(path)[5:] == tuple(pieces)
        return
    with pytest.raises(UsageError, match=re.escape(message)):
        read_vocab(path)


def test_a_byte_order_mark_is_no_part_of_the_first_piece(tmp_path, vocab_file):
    marked = tmp_path / "vocab.txt"
    marked.write_bytes(b"\xef\xbb\xbf" + vocab_file.read_bytes())
    assert read_vocab(marked) == read_vocab(vocab_file)
