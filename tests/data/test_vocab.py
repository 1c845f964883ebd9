"""`vocab`: special tokens, coverage, and the same vocabulary from the same text."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.data import vocabulary
from mobilebert_tf.data.lost_text import Lost
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer


def made_text() -> list[str]:
    """Random words of few letters, so that many pairs are equally frequent."""
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghij", k=rng.randint(2, 8))) for _ in range(400)]
    return [" ".join(rng.choices(words, k=12)) + "." for _ in range(300)] + ["Ünïcode 世界 (x)"]


def test_special_tokens_first_then_all_characters() -> None:
    vocab = vocabulary.learn(made_text, 400, 2)
    assert len(vocab) == len(set(vocab)) == 400
    assert vocab[:5] == SPECIAL_TOKENS
    assert set("abcdefghij.(世界x") <= set(vocab)
    assert "##a" in vocab and "##(" not in vocab and "##世" not in vocab
    assert vocabulary.coverage(vocab, made_text()).lost.lost == 0


def test_learned_pieces_are_better_than_characters() -> None:
    text = made_text()
    small, large = (vocabulary.coverage(vocabulary.learn(made_text, n, 2), text) for n in (100, 600))
    assert small.words == large.words
    assert large.pieces_per_word < 0.5 * small.pieces_per_word


def test_coverage_counts_by_hand() -> None:
    counted = vocabulary.coverage((*SPECIAL_TOKENS, "ab", "##c", "."), ["Abc ab.", "xyz abcc"])
    # ab ##c | ab | . | [UNK] | ab ##c ##c
    assert (counted.words, counted.pieces, counted.lost) == (5, 8, Lost(13, 3))


def test_same_text_same_vocabulary_in_every_process(tmp_path: Path, root: Path) -> None:
    """Use several processes, since each seeds its hash tables anew and a single one would show no difference."""
    (tmp_path / "text.txt").write_text("\n".join(made_text()), encoding="utf-8")
    for i in range(3):
        words = ["vocab", f"--input={tmp_path}/text.txt", f"--output={tmp_path}/v{i}", "--size=300"]
        subprocess.run([sys.executable, "-m", "mobilebert_tf", *words], check=True, cwd=root, capture_output=True)
    texts = {(tmp_path / f"v{i}" / "vocab.txt").read_bytes() for i in range(3)}
    assert len(texts) == 1
    assert Tokenizer.from_vocab(tmp_path / "v0" / "vocab.txt").size == 300


@pytest.mark.parametrize("size, message", [(20, "at least 100"), (None, "--size=100: the characters")])
def test_too_small(size: int | None, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text("abc def ghi\n")
    assert cli.run(["vocab", f"--input={tmp_path}/text.txt", f"--output={tmp_path}/v", f"--size={size or 100}"]) == (
        2 if size else 0
    )
    assert size is None or message in capsys.readouterr().err


@pytest.mark.parametrize(
    "text, other, keeps",
    [
        ("ปีนี้ปูมีน้อย น้ำทะเลอุ่นขึ้น", ("ปี", "ปู"), True),
        ("किताब मेज़ पर है। दिन में दीन लोग काम करते हैं।", ("दिन", "दीन"), True),
        ("мой край у моря. чай и час.", ("край", "краи"), True),
        ("がく かく ぎん きん", ("が", "か"), True),
        ("한국어 문장", ("한", "하ᄂ"), True),
        ("schöne Grüße an alle, die hier wohnen und arbeiten", ("schön", "schon"), True),
        (
            "plain English text with a single café among a lot of words " + "and more of them " * 30,
            ("café", "cafe"),
            False,
        ),
    ],
)
def test_marks_are_kept_where_they_make_other_words(tmp_path: Path, text: str, other: tuple[str, str], keeps: bool):
    (tmp_path / "text.txt").write_text("\n".join([text] * 40), encoding="utf-8")
    flags = [f"--input={tmp_path}/text.txt", "--size=300"]
    assert cli.run(["vocab", *flags, f"--output={tmp_path}/v"]) == 0
    first, second = Tokenizer.from_vocab(tmp_path / "v" / "vocab.txt").encode_batch(other)
    assert (first != second) is keeps
    # Flags are obeyed, whatever the text.
    assert cli.run(["vocab", *flags, f"--output={tmp_path}/w", f"--strip_accents={keeps}", "--nolower_case"]) == 0
    rules = Tokenizer.from_vocab(tmp_path / "w" / "vocab.txt").rules
    assert (rules.lower_case, rules.strip_accents) == (False, keeps)


@pytest.mark.parametrize(
    "text, marked, apart, keeps",
    [
        ("나는 밥을", 0.0, 1.0, True),
        ("I love this \u2764\ufe0f", 0.0, 0.0, False),
        ("áb a\u0301b", 0.4, 0.0, True),
        ("กิน", 1 / 3, 0.0, True),
    ],
)
def test_what_stripping_accents_changes(text: str, marked: float, apart: float, keeps: bool) -> None:
    counts = vocabulary.count_characters([text])
    assert vocabulary.changed_by_stripping(counts) == vocabulary.Changed(pytest.approx(marked), apart)
    assert vocabulary.choose_rules(counts, True, None).strip_accents is not keeps


def test_korean_has_no_marks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text("나는 밥을 좋아합니다\n" * 9, encoding="utf-8")
    for flag, said in (("--nostrip_accents", "would be taken apart"), ("--strip_accents", "100.00% are taken apart")):
        output = f"--output={tmp_path}/{flag}"
        assert cli.run(["vocab", f"--input={tmp_path}/text.txt", output, "--size=100", flag]) == 0
        line = capsys.readouterr().out
        assert "0.00% of the letters have marks" in line and said in line


def test_all_characters_that_fit_are_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(5)
    characters = [chr(0x4E00 + i) for i in range(1800)]
    lines = ["".join(rng.choices(characters, k=30)) + "。" for _ in range(1500)]
    (tmp_path / "text.txt").write_text("\n".join(lines), encoding="utf-8")
    for size, unknown in ((3000, 0), (1000, 10_000)):
        output = tmp_path / str(size)
        assert cli.run(["vocab", f"--input={tmp_path}/text.txt", f"--output={output}", f"--size={size}"]) == 0
        tokenizer = Tokenizer.from_vocab(output / "vocab.txt")
        pieces = [piece for ids in tokenizer.encode_batch(lines) for piece in ids]
        assert (pieces.count(tokenizer.id("[UNK]")) > 0) == (unknown > 0)
        printed = capsys.readouterr().err
        assert ("lost in [UNK]" in printed and "lack 806 of its characters" in printed) if unknown else not printed


def test_letters_that_unicode_takes_apart_are_seen_as_they_are_typed(tmp_path: Path) -> None:
    """Unicode's composed form splits these letters, but texts to be tokenized are not brought into that form."""
    lines = ["बड़ा बाज़ार पढ़ना फ़िल्म", "যায় বাড়ি", "Й и́ ñ ñ"]
    lines = [line.replace("ड़", "\u095c").replace("ज़", "\u095b").replace("फ़", "\u095e") for line in lines]
    (tmp_path / "text.txt").write_text("\n\n".join(lines * 5), encoding="utf-8")
    words = ["vocab", f"--input={tmp_path / 'text.txt'}", "--size=200", "--nostrip_accents"]
    assert cli.run([*words, f"--output={tmp_path / 'v'}"]) == 0
    tokenizer = Tokenizer.from_vocab(tmp_path / "v" / "vocab.txt")
    unknown = tokenizer.id("[UNK]")
    assert [tokenizer.encode(line).ids.count(unknown) for line in lines] == [0, 0, 0]
