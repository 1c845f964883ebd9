"""Warnings about text that a tokenizer loses in [UNK]."""

import unicodedata
from pathlib import Path

import pytest

from mobilebert_tf import cli, notes
from mobilebert_tf.data import lost_text
from mobilebert_tf.data.lost_text import Lost
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Rules, Tokenizer

TOKENIZER = Tokenizer((*SPECIAL_TOKENS, "ab", "##c", "é", "##é"), Rules(strip_accents=False, max_characters_per_word=9))
DECOMPOSED = unicodedata.normalize("NFD", "é")


@pytest.mark.parametrize(
    "text, lost",
    [
        ("ab\tabc  é", Lost(6)),
        ("ab xyz abc", Lost(8, 3)),
        (f"ab {'abcc' * 3} abc", Lost(17, 12, too_long=12)),
        (f"ab {DECOMPOSED} {DECOMPOSED}", Lost(6, 4, decomposed=4)),
        (f"ab x{DECOMPOSED}", Lost(5, 3)),
    ],
)
def test_characters_are_counted_by_reason(text: str, lost: Lost) -> None:
    ids, counted = lost_text.encode(TOKENIZER, [text, "ab"])
    assert counted == lost + Lost(2)
    assert ids == TOKENIZER.encode_batch([text, "ab"])


@pytest.mark.parametrize(
    "text, line",
    [
        ("ab xyz abc", "t.tsv: 30.0% of the characters are lost in [UNK]: the vocabulary of m lacks characters"),
        (f"ab {'abcc' * 3}", "words of more than 9 characters are not split; put blanks between"),
        (f"ab {DECOMPOSED}", "compose them: unicodedata.normalize('NFC', text)"),
        (f"{'ab ' * 100}x", ""),
    ],
)
def test_the_reason_is_named(text: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    notes.start()
    lost_text.say_of("t.tsv", [Example("ab", text)], TOKENIZER, "m")
    printed = capsys.readouterr().err
    assert line in printed and bool(printed) == bool(line)


def test_long_words_are_few_pieces_and_much_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A Thai clause that is too long is one of some hundreds of pieces, but a third of the characters."""
    clauses = " ".join(["กรุงเทพมหานครเป็นเมืองหลวง"] * 20) + " " + "กาแฟเย็นแล้ว" * 20
    (tmp_path / "text.txt").write_text(f"{clauses}\n\n" * 8, encoding="utf-8")
    vocab, records = tmp_path / "vocab", tmp_path / "records"
    assert cli.run(["vocab", f"--input={tmp_path}/text.txt", f"--output={vocab}", "--size=120"]) == 0
    share = "31.6% of the characters are lost in [UNK]: words of more than 200 characters"
    assert share in capsys.readouterr().err
    words = [f"--input={tmp_path}/text.txt", f"--vocab={vocab}", f"--output={records}", "--workers=1", "--shards=1"]
    assert cli.run(["records", *words]) == 0
    assert share in capsys.readouterr().err
