"""Baselines that a classifier has to beat, on tables that are easy to classify, and the choice of a few rows."""

import json

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.benchmarks.library import baselines
from mobilebert_tf.data.few import few_of_each
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer

TASK = ClassificationTask(labels=("cold", "warm"))
WORDS = {0: ("snow", "ice", "frost"), 1: ("sun", "fire", "beach")}
TRAINING = [Example(f"the {word} today", label=label) for label, words in WORDS.items() for word in words]
HELD_OUT = [Example("much snow and ice", label=0), Example("sun on the beach", label=1), Example("fire", label=1)]


def test_words_tell_classes_apart():
    scores = baselines.tfidf(TASK, TRAINING, HELD_OUT)
    assert scores["accuracy"] == 1.0 and scores["examples"] == 3 and scores["majority_accuracy"] == pytest.approx(2 / 3)


def test_texts_without_words_of_two_letters_are_refused():
    with pytest.raises(
        UsageError, match="--train: its texts have no word of two or more letters, and tf-idf counts no others"
    ):
        baselines.tfidf(TASK, [Example("a b", label=0), Example("c", label=1)], HELD_OUT)


def test_static_vectors_are_means_of_pieces():
    tokenizer = Tokenizer((*SPECIAL_TOKENS, "the", "today", *WORDS[0], *WORDS[1]))
    table = np.zeros((tokenizer.size, 2))
    for label, words in WORDS.items():
        for word in words:
            table[tokenizer.id(word), label] = 1.0
    assert baselines.static(TASK, TRAINING, HELD_OUT, tokenizer, table)["accuracy"] == 1.0
    pairs = [Example(one.text, two.text, float(one.label == two.label)) for one in TRAINING for two in TRAINING]
    same = [Example(one.text, one.text_pair, int(one.label)) for one in pairs]
    assert baselines.static(TASK, same, same, tokenizer, table)["accuracy"] == 1.0


def test_the_table_has_principal_components_weighted_by_rank():
    random = np.random.default_rng(0)
    embeddings = random.normal(size=(50, 3)) * [5.0, 1.0, 0.2]
    table = baselines.static_table(embeddings)
    flat = table / np.log(1 + np.arange(1, 51))[:, None]
    centred = embeddings - embeddings.mean(axis=0)
    # The table is a rotation: distances stay, and the axes are ordered by variance.
    np.testing.assert_allclose(flat @ flat.T, centred @ centred.T, atol=1e-9)
    assert list(np.argsort(-flat.var(axis=0))) == [0, 1, 2]


def test_few_rows_are_balanced_and_nested():
    examples = [Example(str(number), label=int(number % 10 == 0)) for number in range(100)]
    eight, forty = few_of_each(examples, 8, 3), few_of_each(examples, 40, 3)
    assert [sum(one.label == label for one in eight) for label in (0, 1)] == [4, 4]
    assert [sum(one.label == label for one in forty) for label in (0, 1)] == [30, 10], "there are no more of the rare"
    assert set(eight) <= set(forty) and few_of_each(examples, 8, 4) != eight
    assert few_of_each(examples, 1000, 0) == examples


def test_of_more_labels_than_rows_the_labels_are_drawn() -> None:
    """Labels are grades; if they were taken in order, 16 of a thousand rows would all have the lowest grades."""
    examples = [Example(f"text {number}", None, number / 200) for number in range(1000)]
    draws = [[one.label for one in few_of_each(examples, 16, seed)] for seed in range(20)]
    assert len({tuple(draw) for draw in draws}) == 20
    means = [np.mean(draw) for draw in draws]
    # 2.5 is the middle; a mean of 16 grades has a deviation of 0.36, the mean of twenty such means 0.08.
    assert np.mean(means) == pytest.approx(2.5, abs=0.3) and min(means) > 1.0
    assert set(few_of_each(examples, 16, 1)) <= set(few_of_each(examples, 40, 1))


def test_the_command(tmp_path, capsys):
    table = tmp_path / "table.tsv"
    table.write_text("text\tlabel\n" + "".join(f"{one.text}\t{TASK.labels[one.label]}\n" for one in TRAINING))
    words = ["benchmark", "baseline", "--kind=tfidf", f"--train={table}", f"--eval={table}"]
    assert cli.run([*words, f"--output={tmp_path / 'out'}", "--rows=4"]) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["training_examples"] == 4 and metrics["evaluation"]["examples"] == 6
    assert cli.run([*words, f"--output={tmp_path / 'one'}", "--rows=1"]) == 2
    assert "--rows=1: all rows drawn are of one class; give more" in capsys.readouterr().err
    assert cli.run([*words, f"--output={tmp_path / 'other'}", "--teacher=x"]) == 2
    assert "--kind=static: needs --teacher" in capsys.readouterr().err
    table.write_text("text\tlabel\n" + "".join(f"t {number}\t{number / 7:.1f}\n" for number in range(60)))
    assert cli.run([*words, f"--output={tmp_path / 'numbers'}"]) == 2
    assert "some with decimals: --task=regression; this command is for classes" in capsys.readouterr().err
    assert not (tmp_path / "numbers").exists()
