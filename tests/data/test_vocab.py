"""`vocab`: special tokens, coverage, and the same vocabulary from the same text."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.data import vocabulary
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer


def made_text() -> list[str]:
    """Random words of few letters: many pairs are equally frequent, so ties abound."""
    rng = random.Random(1)
    words = ["".join(rng.choices("abcdefghij", k=rng.randint(2, 8))) for _ in range(400)]
    return [" ".join(rng.choices(words, k=12)) + "." for _ in range(300)] + ["Ünïcode 世界 (x)"]


def test_special_tokens_first_then_all_characters() -> None:
    vocab = vocabulary.learn(made_text, 400, 2)
    assert len(vocab) == len(set(vocab)) == 400
    assert vocab[:5] == SPECIAL_TOKENS
    assert set("abcdefghij.(世界x") <= set(vocab)
    assert "##a" in vocab and "##(" not in vocab and "##世" not in vocab
    assert vocabulary.coverage(vocab, made_text()).unknown == 0


def test_learned_pieces_are_better_than_characters() -> None:
    text = made_text()
    small, large = (vocabulary.coverage(vocabulary.learn(made_text, n, 2), text) for n in (100, 600))
    assert small.words == large.words
    assert large.pieces_per_word < 0.5 * small.pieces_per_word


def test_coverage_counts_by_hand() -> None:
    found = vocabulary.coverage((*SPECIAL_TOKENS, "ab", "##c", "."), ["Abc ab.", "xyz abcc"])
    # ab ##c | ab | . | [UNK] | ab ##c ##c
    assert (found.words, found.pieces, found.unknown) == (5, 8, 1)


def test_same_text_same_vocabulary_in_every_process(tmp_path: Path, root: Path) -> None:
    """Hash tables are seeded anew in each process, so one process could not show a difference."""
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
