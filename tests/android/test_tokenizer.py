"""Kotlin's word pieces against Python's, on more texts than the repository can hold."""

import json
import lzma
import random
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobilebert_tf.added_tokens import AddedToken
from mobilebert_tf.tasks.windows import locate
from mobilebert_tf.tokenization import Rules, Tokenizer, read_vocab

pytestmark = [pytest.mark.android, pytest.mark.slow]

TURKISH = ("-Duser.language=tr", "-Duser.country=TR")
"""A default locale in which Java's lower case of I is not i."""


def checksums(texts: Sequence[str], tokenizer: Tokenizer) -> Iterator[str]:
    """The line that `Lines.kt` must print for each text."""
    located = locate(texts, tokenizer)
    for text, encoding, whole in zip(texts, tokenizer.locate_batch(texts), located, strict=True):
        assert encoding.ids == whole.ids.tolist(), text
        places = np.array(encoding.offsets, np.int32).reshape(-1, 2)
        numbers = np.concatenate([encoding.ids, places[:, 0], places[:, 1], whole.offsets[:, 1]]).astype("<i4")
        yield str(zlib.crc32(numbers.tobytes()))


def differing(kotlin: Any, texts: Sequence[str], tokenizer: Tokenizer, vocabulary: Path) -> list[str]:
    """The texts for which Kotlin's pieces differ."""
    vocabulary.write_text(tokenizer.lines, encoding="utf-8")
    lines = "".join(json.dumps(text, ensure_ascii=False) + "\n" for text in texts)
    printed = kotlin("LinesKt", str(vocabulary), json.dumps(tokenizer.stated_rules), given=lines, options=TURKISH)
    return [text for text, a, b in zip(texts, printed.split(), checksums(texts, tokenizer), strict=True) if a != b]


def test_paragraphs_of_wikipedia_and_books(kotlin: Any, shared_data: Path, tmp_path: Path) -> None:
    """In at least 50,000 paragraphs no id and no offset differs."""
    tokenizer = Tokenizer(read_vocab(shared_data / "vocab" / "vocab.txt"))
    texts: list[str] = []
    for name in ("wiki_en_00", "gutenberg_en_00"):
        with lzma.open(shared_data / "pretrain_text" / f"{name}.txt.xz", "rt", encoding="utf-8") as file:
            texts += [line.rstrip("\n") for line in file if line.strip()]
    assert len(texts) >= 50_000, len(texts)
    assert differing(kotlin, texts, tokenizer, tmp_path / "vocab.txt") == []


ADDED = (
    AddedToken("[MASK]", 103, lstrip=True),
    AddedToken("[SEP]", 102, single_word=True),
    AddedToken("the", 1996, rstrip=True, normalized=True),
    AddedToken("<NEW>", 30522, normalized=True, special=False, word_piece=False),
    AddedToken("<NEWER", 30523, single_word=True, lstrip=True, rstrip=True, word_piece=False),
)
RULES = {
    "uncased": Rules(),
    "cased": Rules(lower_case=False, strip_accents=False),
    "accents kept": Rules(strip_accents=False),
    "capitals kept": Rules(lower_case=False),
    "no CJK": Rules(split_cjk=False, max_characters_per_word=100),
}


def characters() -> list[str]:
    """Every character that is assigned in Python's Unicode, except most ideographs, and a few unassigned ones."""
    known = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    drawn = random.Random(5)
    rare = {"Cn": 0.002, "Co": 0.002, "Lo": 0.05}
    return [one for one in known if drawn.random() < rare.get(unicodedata.category(one), 1.0)]


def random_texts(count: int, pool: Sequence[str]) -> list[str]:
    """Texts of rare characters among common ones, with marks in any order and added tokens."""
    drawn = random.Random(6)
    common = list("abcdeèéABC  ..,,'\t\n0123ßİıΣς") + ["the", "[MASK]", "[SEP]", "<new>", "<NEWER", " ", "中", "한"]
    marks = [one for one in pool if unicodedata.combining(one)]
    choices = (common, common, pool, marks)
    return ["".join(drawn.choice(drawn.choice(choices)) for _ in range(drawn.randrange(1, 40))) for _ in range(count)]


@pytest.mark.parametrize("added", [(), ADDED], ids=["plain", "added tokens"])
@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_any_character(
    rules: Rules, added: tuple[AddedToken, ...], kotlin: Any, shared_data: Path, tmp_path: Path
) -> None:
    """Naughty strings, every character between two letters and alone, and random texts."""
    pieces = read_vocab(shared_data / "vocab" / "vocab.txt") + tuple(one.content for one in added if not one.word_piece)
    tokenizer = Tokenizer(pieces, rules, added)
    naughty = json.loads((shared_data / "unicode" / "blns.json").read_text(encoding="utf-8"))
    pool = characters()
    assert len(pool) > 20_000
    texts = [*naughty, *(f"a{one}b {one}" for one in pool), *random_texts(20_000, pool)]
    assert differing(kotlin, texts, tokenizer, tmp_path / "vocab.txt") == []


SCRIPTS = {
    "Latin": ("LATIN",),
    "Greek": ("GREEK",),
    "Cyrillic": ("CYRILLIC",),
    "Arabic and Hebrew": ("ARABIC", "HEBREW"),
    "of India": ("DEVANAGARI", "BENGALI", "TAMIL", "THAI"),
    "of East Asia": ("CJK UNIFIED IDEOGRAPH-4", "HIRAGANA", "KATAKANA", "HANGUL SYLLABLE", "HANGUL JONGSEONG"),
}


def words_of(prefixes: tuple[str, ...], count: int, pieces: frozenset[str]) -> Iterator[str]:
    """Sentences of random words in a script's letters and marks, among digits, signs and English words.

    Most letters are word pieces, so that most words are not [UNK].
    """
    drawn = random.Random(prefixes[0])
    own = [chr(code) for code in range(0x20000) if unicodedata.name(chr(code), "").startswith(prefixes)]
    known = [one for one in own if {one, f"##{one}"} <= pieces]
    marks = [one for one in own if unicodedata.combining(one)] + ["\u0301", "\u0327", "\u05b8", "\u093c", "\u3099"]
    between = [
        " ",
        " ",
        " ",
        ", ",
        ". ",
        "\u00a0",
        "-",
        "",
        "\u3002",
        "\u061f ",
        " the ",
        " 1984 ",
        "\t",
        "'",
        "\u200c",
    ]

    def word() -> str:
        letters = (
            drawn.choice(known if drawn.random() < 0.97 else own)
            + (drawn.choice(marks) if drawn.random() < 0.1 else "")
            for _ in range(drawn.randint(1, 8))
        )
        text = "".join(letters)
        return drawn.choice((text, text, text.lower(), text.upper(), unicodedata.normalize("NFD", text)))

    for _ in range(count):
        yield "".join(word() + drawn.choice(between) for _ in range(drawn.randint(1, 12)))


@pytest.mark.parametrize("name", ["uncased", "cased"])
def test_sentences_of_six_scripts(name: str, kotlin: Any, shared_data: Path, tmp_path: Path) -> None:
    """In 24,000 texts of letters that are word pieces no id and no offset differs."""
    pieces = read_vocab(shared_data / "vocab" / "vocab.txt")
    tokenizer = Tokenizer(pieces, RULES[name])
    texts = [text for prefixes in SCRIPTS.values() for text in words_of(prefixes, 4_000, frozenset(pieces))]
    assert len(set(texts)) > 23_000
    assert differing(kotlin, texts, tokenizer, tmp_path / "vocab.txt") == []
