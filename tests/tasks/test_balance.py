"""Class weights by hand and in the loss; with them, a class of few rows counts as much as the others."""

import json

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.tasks.balance import balanced_weights
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.multilabel import MultilabelTask


def test_by_hand():
    weights = balanced_weights(np.array([0, 0, 0, 2]))
    assert weights.tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 2]) and weights.dtype == np.float32
    several = balanced_weights(np.array([[1, 0], [0, 0], [0, 1], [0, 1]]))
    assert several.tolist() == [pytest.approx(row) for row in ([2, 1], [2 / 3, 1], [2 / 3, 1], [2 / 3, 1])]


def test_as_scikit_learn_has_it():
    class_weight = pytest.importorskip("sklearn.utils.class_weight", reason="scikit-learn is not installed")
    labels = np.random.default_rng(0).choice(5, 200, p=[0.5, 0.3, 0.1, 0.05, 0.05])
    expected = class_weight.compute_sample_weight("balanced", labels)
    np.testing.assert_allclose(balanced_weights(labels), expected, rtol=1e-6)


def test_they_count_in_the_loss():
    tf = pytest.importorskip("tensorflow")
    logits, label = tf.constant([[2.0, 0.0], [0.0, 1.0]]), tf.constant([0, 0])
    weight = tf.constant([0.5, 3.0])
    each = np.log1p(np.exp([-2.0, 1.0]))
    task = ClassificationTask(labels=("a", "b"))
    loss = task.objective(lambda batch: logits)({"label": label, "weight": weight})["loss"]
    assert float(loss) == pytest.approx((0.5 * each[0] + 3 * each[1]) / 2, rel=1e-6)
    several = MultilabelTask(labels=("a", "b"))
    batch = {"label": tf.constant([[1, 0], [0, 1]]), "weight": tf.constant([[1.0, 2.0], [3.0, 4.0]])}
    loss = several.objective(lambda batch: logits)(batch)["loss"]
    each = np.log1p(np.exp([[-2.0, 0.0], [0.0, -1.0]]))
    assert float(loss) == pytest.approx((each * [[1, 2], [3, 4]]).mean(), rel=1e-6)


def test_a_rare_class_counts_as_much(classifier_directory, tmp_path):
    """Texts do not reveal their class, and one in eight is rare. The best answer then is each class's share, at a loss
    of 0.38 nats; with weights it is a half for each, at log 2. The head memorises a little of the 512 rows.
    """
    letters = np.random.default_rng(3).choice(list("abcdefgh"), (512, 6))
    rows = "".join(f"{' '.join(row)}\t{'rare' if i % 8 == 0 else 'often'}\n" for i, row in enumerate(letters))
    (tmp_path / "t.tsv").write_text("text\tlabel\n" + rows)
    words = ["finetune", f"--model={classifier_directory}", f"--train={tmp_path / 't.tsv'}", "--max_seq_length=16"]
    words += [f"--eval={tmp_path / 't.tsv'}", "--epochs=0.3", "--learning_rate=1e-4"]
    loss = {}
    for name, more in (("plain", []), ("balanced", ["--class_weights=balanced"])):
        assert cli.run([*words, *more, f"--output={tmp_path / name}"]) == 0
        loss[name] = json.loads((tmp_path / name / "metrics.json").read_text())["evaluation"]["loss"]
    assert loss["plain"] == pytest.approx(0.377, abs=0.03) and loss["balanced"] == pytest.approx(np.log(2), abs=0.06)
    assert cli.run([*words, "--task=regression", "--class_weights=balanced", f"--output={tmp_path / 'x'}"]) == 2
