"""The report on tables before training: counts by hand, and each fault in a table with no other fault."""

import json
import random
import time

import numpy as np
import pytest

from mobilebert_tf.data.bad_rows import LeftOut
from mobilebert_tf.data.squad import Answer
from mobilebert_tf.tasks import table_report
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.entities import EntitiesTask, Tagged
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.multilabel import MultilabelTask
from mobilebert_tf.tasks.questions import Asked, QuestionsTask
from mobilebert_tf.tasks.regression import RegressionTask
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer

WORDS = [f"{a}{b}" for a in "bdfgklmnprst" for b in ("an", "el", "ir", "om", "un")]
TOKENIZER = Tokenizer((*SPECIAL_TOKENS, *WORDS, "sport", "news"))
TASK = ClassificationTask(labels=("news", "sport"), max_seq_length=12)


def examples(count, seed=0, labels=2):
    """Distinct texts of three to eight random words, with labels in turn."""
    draw = random.Random(seed)
    texts = {" ".join(draw.choices(WORDS, k=draw.randint(3, 8))): None for _ in range(2 * count)}
    return [Example(text, None, number % labels) for number, text in enumerate(list(texts)[:count])]


def describe(training, evaluation=(), task=TASK, left_out=None, positions=512):
    return table_report.describe(task, training, list(evaluation), TOKENIZER, left_out or LeftOut(), positions)


def test_counts_by_hand():
    training = [
        Example("ban bel bir", None, 0),
        Example("Ban  BEL bir", None, 1),
        Example("dan xyz", None, 1),
        Example("dan " * 12, None, 1),
    ]
    report = describe(training, [Example("ban bel BIR", None, 0), Example("fan", None, 1)])
    assert report.rows == {"training": 4, "evaluation": 2}
    assert report.labels == {
        "news": {"training": 1, "evaluation": 1},
        "sport": {"training": 3, "evaluation": 1},
    }
    # Lengths with [CLS] and [SEP]: 5, 5, 4, 14, 5, 3.
    lengths = report.lengths
    assert (lengths["median"], lengths["longest"], lengths["limit"]) == (5, 14, 12) and lengths["cut"] == 1 / 6
    assert report.unknown == pytest.approx(1 / (36 - 12))
    assert report.duplicates == {"repeated": 1, "contradicting": 1, "on_both_sides": 1}
    held_out = describe(training[1:], [Example("fan", None, 0), Example("fan", None, 1)])
    assert held_out.duplicates == {"repeated": 1, "contradicting": 1, "on_both_sides": 0}
    assert json.loads(json.dumps(report.to_json()))["rows"]["training"] == 4


def test_a_good_table_gets_two_lines():
    report = describe(examples(400), examples(500)[400:])
    assert report.warnings == ()
    counts, lengths = report.lines()
    assert counts == "400 rows to train on, 100 to score; rows by label: news 200, sport 200"
    assert lengths == "word pieces: median 8, 99 % at most 10, longest 10; 0.0% are cut at 12"


def with_word(text, word):
    return f"{text} {word}"


GOOD = examples(400)


@pytest.mark.parametrize(
    "training, evaluation, words",
    [
        (
            [*GOOD, *(Example(e.text.upper(), None, 1 - e.label) for e in GOOD[:3])],
            [],
            ["3 texts with different labels"],
        ),
        (GOOD, [GOOD[0], *examples(420)[400:]], ["1 of 21 rows to score have a text that is also trained on"]),
        (GOOD[1:7:2] + GOOD[::2], [], ["'sport' has fewer than 10 rows"]),
        (GOOD[1:31:2] + GOOD[::2], [], ["'sport' has 15 rows, the most frequent label 13 times", "--class_weights"]),
        (GOOD, [e for e in examples(600)[400:] if e.label], ["'news' is in no row that is scored"]),
        ([*GOOD, *(Example("dan " * 20 + str(i), None, i % 2) for i in range(8))], [], ["2.0% of the texts", "=32"]),
        ([*GOOD, *GOOD[:20]], [], ["20 rows with the text of an earlier row"]),
        (
            [Example(f"{e.text} {'news' * (1 - e.label)}", None, e.label) for e in GOOD],
            [],
            ["the label's own name is in 100% of the texts of 'news' and in 0% of the others"],
        ),
        (
            [Example(f"{'Tag7: ' * e.label}{e.text}", None, e.label) for e in GOOD],
            [],
            ["the word 'tag7' is in 100% of the texts of 'sport' and in 0%"],
        ),
        (
            [Example(f"id-{i:05}", None, i % 2) for i in range(100)],
            [],
            ["column 'text' looks like identifiers, such as 'id-00000'"],
        ),
    ],
)
def test_each_fault_is_said_and_no_other(training, evaluation, words):
    (warning,) = describe(training, evaluation).warnings
    assert all(word in warning for word in words), warning


def test_what_names_its_topic_now_and_then_is_no_leak():
    """A third of a class's texts contain its name, and nine in ten texts of every class contain one word."""
    draw = random.Random(1)
    training = [
        Example(
            " ".join(
                [
                    e.text,
                    *(["sport"] if e.label and draw.random() < 0.3 else []),
                    *(["a"] if draw.random() < 0.9 else []),
                ]
            ),
            None,
            e.label,
        )
        for e in GOOD
    ]
    assert describe(training).warnings == ()


def test_values_and_several_labels():
    task = RegressionTask(max_seq_length=12)
    report = describe([Example(e.text, "fan", float(i)) for i, e in enumerate(GOOD)], task=task)
    assert report.values == pytest.approx({"least": 0, "mean": 199.5, "most": 399, "deviation": np.arange(400).std()})
    assert "values 0 to 399, mean 200, deviation 115" in report.lines()[0] and not report.labels
    several = MultilabelTask(labels=("news", "sport"), max_seq_length=12)
    training = [Example(with_word(e.text, "tag" * e.label), None, (0, 1) if e.label else (0,)) for e in GOOD]
    report = describe(training, task=several)
    assert {label: of["training"] for label, of in report.labels.items()} == {"news": 400, "sport": 200}
    (warning,) = report.warnings
    assert "the word 'tag' is in 100% of the texts of 'sport'" in warning


def test_questions_and_entities():
    """Passages and kinds take the place of texts and labels; long texts get windows and lose nothing."""
    tagged = [
        Tagged("Ban dan", words=((0, 3), (4, 7)), tags=("B-person", "O")),
        *(Tagged("ban " * 14 + "x", words=((0, 3),), tags=("O",)) for _ in range(2)),
        Tagged("Dan fan", words=((0, 3), (4, 7)), tags=("B-place", "B-person")),
    ]
    report = describe(tagged[:3], tagged[3:], task=EntitiesTask(labels=("O", "B-person", "B-place"), max_seq_length=12))
    assert report.labels == {"person": {"training": 1, "evaluation": 1}, "place": {"training": 0, "evaluation": 1}}
    assert report.lines()[-1].endswith("50.0% have several windows of 12")
    asked = [Asked(f"{word} ?", "ban bel bir", answers=(Answer("bel", 4),)) for word in WORDS[:40]]
    other = [Asked("dan ?", "fan fel fir", answers=()), Asked("dan ?", "ban bel bir", answers=(Answer("ban", 0),))]
    report = describe(asked, other, task=QuestionsTask(max_seq_length=12))
    assert report.labels["answered"] == {"training": 40, "evaluation": 1}
    # One of the two passages is trained on as well; forty questions on one passage do not count as repeated.
    assert report.duplicates == {"repeated": 0, "contradicting": 0, "on_both_sides": 1}
    assert not report.leaks and any("1 of 2 rows to score have a text" in line for line in report.warnings)


def test_rows_that_were_left_out_are_said():
    left_out = LeftOut(bad={("t.tsv", 7): "t.tsv, line 7: the label, column 'label', is empty"})
    report = describe(GOOD, left_out=left_out)
    assert report.warnings == (
        "1 unusable row left out, the first: t.tsv, line 7: the label, column 'label', is empty",
    )
    assert report.left_out == {"bad": 1, "first": left_out.bad["t.tsv", 7], "without_text": 0}


@pytest.mark.slow
def test_many_rows_take_seconds():
    """200,000 rows of 60 labels may take ten seconds of processor time (not wall time, since cores are shared)."""
    draw = random.Random(0)
    task = ClassificationTask(labels=tuple(f"label {i}" for i in range(60)))
    rows = [Example(" ".join(draw.choices(WORDS, k=20)) + f" {i}", None, i % 60) for i in range(200_000)]
    start = time.process_time()
    describe(rows, task=task)
    assert time.process_time() - start < 10
