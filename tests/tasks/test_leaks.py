"""Phrases that give a label away in scripts without blanks, where word borders are unknown."""

import random

import pytest

from mobilebert_tf.tasks import leaks
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.examples import Example

CHARACTERS = [chr(0x4E00 + 7 * i) for i in range(90)]
THAI = [a + b for a in "กขคงจชซ" for b in ("า", "ะ", "อ")]


def texts(characters: list[str], phrase: str) -> list[Example]:
    """Random clauses; every other one contains the phrase."""
    draw = random.Random(2)
    clauses = ["".join(draw.choices(characters, k=12)) for _ in range(80)]
    return [Example(f"{text[:6]}{phrase * (i % 2)}{text[6:]}。", None, i % 2) for i, text in enumerate(clauses)]


@pytest.mark.parametrize(
    "characters, phrase, labels, line",
    [
        (
            CHARACTERS,
            "差评如潮",
            ("好的", "坏的"),
            "the pair of characters '如潮' is in 100% of the texts of '坏的'",
        ),
        (CHARACTERS, "体育", ("新闻", "体育"), "the label's own name is in 100% of the texts of '体育'"),
        (CHARACTERS, "新闻体育", ("x", "新闻体育"), "the label's own name is in 100% of the texts of '新闻体育'"),
        (CHARACTERS, "tag7", ("新闻", "体育"), "the word 'tag7' is in 100% of the texts of '体育'"),
        (THAI, "ฝันดี", ("x", "y"), "the pair of characters 'นด' is in 100% of the texts of 'y'"),
        (CHARACTERS, "", ("新闻", "体育"), None),
    ],
)
def test_pairs_of_characters_stand_for_words(
    characters: list[str], phrase: str, labels: tuple[str, ...], line: str | None
) -> None:
    task = ClassificationTask(labels=labels, max_seq_length=12)
    remarks = leaks.find(task, texts(characters, phrase))
    assert len(remarks) == bool(line) and (line or "") in "".join(remarks)


def test_texts_with_numbers_are_no_identifiers() -> None:
    task = ClassificationTask(labels=("a", "b"), max_seq_length=12)
    examples = [Example(f"{e.text}{i}", None, e.label) for i, e in enumerate(texts(CHARACTERS, ""))]
    assert not leaks.find(task, examples)
