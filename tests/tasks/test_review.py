"""The examples that are most wrong, worked out by hand."""

import numpy as np
import pytest

from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.multilabel import MultilabelTask
from mobilebert_tf.tasks.prototypes import PrototypesTask
from mobilebert_tf.tasks.regression import RegressionTask
from mobilebert_tf.tasks.review import MOST, Mistake, read_review, review, write_review
from mobilebert_tf.tasks.task import NONE

EXAMPLES = [Example(f"text {i}") for i in range(4)]


def test_classes_by_the_probability_of_the_wrong_one():
    task = ClassificationTask(("x", "y"))
    logits = np.log(np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.8, 0.2]]))
    features = {"label": np.array([0, 0, 1, 1])}
    mistakes = task.review({"logits": logits}, features, EXAMPLES)
    assert (mistakes.measure, mistakes.examples, mistakes.wrong) == ("probability", 4, 2)
    assert [(m.text, m.wanted, m.given, m.size) for m in mistakes.mistakes] == [
        ("text 3", "y", "x", pytest.approx(0.8)),
        ("text 1", "x", "y", pytest.approx(0.6)),
    ]
    logits[2] = np.nan
    worst = task.review({"logits": logits}, features, EXAMPLES).mistakes[0]
    assert (worst.text, worst.size) == ("text 2", None)


def test_figures_of_each_class_by_hand():
    task = ClassificationTask(("x", "y", "never"))
    logits = np.eye(3)[[0, 0, 1, 0]]
    figures = task.score({"logits": logits}, {"label": np.array([0, 1, 1, 0])}).all
    assert figures["by_class"] == {
        "x": {"f1": pytest.approx(0.8), "precision": pytest.approx(2 / 3), "recall": 1.0, "support": 2},
        "y": {"f1": pytest.approx(2 / 3), "precision": 1.0, "recall": 0.5, "support": 2},
        "never": {"f1": 0.0, "precision": 0.0, "recall": 0.0, "support": 0},
    }
    assert figures["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 3)


def test_several_labels_by_the_surest_wrong_decision():
    task = MultilabelTask(("x", "y", "z"))
    likely = np.array([[0.9, 0.2, 0.6], [0.9, 0.2, 0.1], [0.05, 0.2, 0.1], [0.9, 0.9, 0.1]])
    wanted = np.array([[1, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 1]])
    mistakes = task.review({"logits": np.log(likely / (1 - likely))}, {"label": wanted}, EXAMPLES)
    assert mistakes.wrong == 3
    assert [(m.text, m.wanted, m.given, m.size) for m in mistakes.mistakes] == [
        ("text 2", "x", "no label", pytest.approx(0.95)),
        ("text 3", "y, z", "x, y", pytest.approx(0.9)),
        ("text 0", "x", "x, z", pytest.approx(0.6)),
    ]


def test_values_by_the_size_of_their_error():
    task = RegressionTask(offset=3.0, scale=2.0)
    outputs = {"score": np.array([[0.0], [1.0], [-1.0], [0.5]])}
    mistakes = task.review(outputs, {"label": np.float32([3.5, 2.0, 1.0, 4.0])}, EXAMPLES)
    assert (mistakes.measure, mistakes.wrong) == ("error", None)
    assert [(m.text, m.wanted, m.given, m.size) for m in mistakes.mistakes] == [
        ("text 1", "2", "5", 3.0),
        ("text 0", "3.5", "3", -0.5),
        ("text 2", "1", "1", 0.0),
        ("text 3", "4", "4", 0.0),
    ]


def test_prototypes_with_texts_of_no_class():
    task = PrototypesTask(labels=("x", "y"), centroids=((1.0, 0.0), (0.0, 1.0)), threshold=0.9)
    outputs = {"embedding": np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [0.1, 0.995]])}
    labels = np.array([0, 1, 1, 2])
    mistakes = task.review(outputs, {"label": labels}, EXAMPLES)
    assert [(m.wanted, m.given, m.size) for m in mistakes.mistakes] == [
        (NONE, "y", pytest.approx(0.995)),
        ("y", NONE, pytest.approx(0.8)),
    ]
    by_class = task.score(outputs, {"label": labels}).all["by_class"]
    assert by_class["y"] == {"f1": pytest.approx(0.5), "precision": 0.5, "recall": 0.5, "support": 2}


def test_fifty_are_kept_and_read_back(tmp_path):
    size = np.linspace(0, 1, 80)
    kept = review([Example("a", "b")] * 80, ["x"] * 80, ["y"] * 80, size, np.arange(80) % 4 != 0)
    assert (kept.wrong, len(kept.mistakes), kept.mistakes[0].size) == (60, MOST, 1.0)
    assert kept.mistakes[0] == Mistake(text="a", text_pair="b", wanted="x", given="y", size=1.0)
    write_review(tmp_path, kept)
    assert read_review(tmp_path) == kept
    (tmp_path / "mistakes.json").write_text('{"measure": "feeling"}')
    with pytest.raises(UsageError, match="mistakes.json: measure: is 'feeling'"):
        read_review(tmp_path)
    assert read_review(tmp_path / "nowhere") is None
