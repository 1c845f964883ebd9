"""A new head's first weights, against scikit-learn's on the same vectors."""

from typing import Any

import keras
import numpy as np
import pytest

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.models import ClassificationModel
from mobilebert_tf.tasks import head_start
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.multilabel import MultilabelTask
from mobilebert_tf.tasks.regression import RegressionTask
from mobilebert_tf.tasks.task import INPUTS, Task

ROWS = 50


@pytest.fixture(scope="module")
def linear() -> Any:
    return pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")


@pytest.fixture(scope="module")
def features() -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    lengths = random.integers(3, 12, ROWS)
    return {
        "input_ids": random.integers(0, 90, (ROWS, 12)).astype(np.int32),
        "input_mask": (np.arange(12) < lengths[:, None]).astype(np.int32),
        "segment_ids": np.zeros((ROWS, 12), np.int32),
    }


def started(
    task: Task, labels: np.ndarray, features: dict[str, np.ndarray], pooling: str = "cls"
) -> tuple[np.ndarray, np.ndarray]:
    """The vectors that the head reads for each row, scaled to a mean length of one, and the head's outputs."""
    keras.utils.set_random_seed(1)
    config = MobileBertConfig.preset("debug_student", vocab_size=90, classifier_pooling=pooling)
    model = ClassificationModel(config, task.heads.labels)
    before = [weight.numpy() for weight in model.encoder.weights]
    head_start.begin_head(model, task, {**features, "label": labels}, seed=0)
    assert all((weight.numpy() == old).all() for weight, old in zip(model.encoder.weights, before, strict=True))
    batch = {name: features[name] for name in INPUTS}
    read = model.encoder(batch)["pooled_output" if pooling == "cls" else "sequence_output"].numpy().astype(np.float64)
    parts = [read] if pooling == "cls" else of_pairs(read, batch)
    return np.hstack([part / np.linalg.norm(part, axis=1).mean() for part in parts]), model(batch).numpy()


def of_pairs(rows: np.ndarray, batch: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Means of both texts, their absolute difference and their product, computed row by row."""
    real, second = batch["input_mask"] == 1, batch["segment_ids"] == 1
    u, v = (
        np.array([own[chosen].mean(axis=0) for own, chosen in zip(rows, chosen_rows, strict=True)])
        for chosen_rows in (real & ~second, real & second)
    )
    return [u, v, np.abs(u - v), u * v]


# L-BFGS stops when the loss no longer changes in float32; the logits are about one.
CLOSE = dict(atol=5e-3)


def test_classes(features: dict[str, np.ndarray], linear: Any) -> None:
    labels = np.random.default_rng(4).integers(0, 3, ROWS)
    vectors, outputs = started(ClassificationTask(("a", "b", "c")), labels, features)
    expected = linear.LogisticRegression(tol=1e-8, max_iter=1000).fit(vectors, labels).predict_log_proba(vectors)
    outputs = outputs - np.log(np.exp(outputs).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(outputs, expected, **CLOSE)
    # The head has learnt something; otherwise the agreement would prove nothing.
    assert np.ptp(expected) > 0.5


def test_classes_of_pairs(features: dict[str, np.ndarray], linear: Any) -> None:
    labels = np.random.default_rng(4).integers(0, 2, ROWS)
    pairs = {**features, "segment_ids": features["input_mask"] * (np.arange(12) > 1).astype(np.int32)}
    vectors, outputs = started(ClassificationTask(("a", "b")), labels, pairs, "pair")
    # For two classes scikit-learn has one weight vector d; here they are d / 2 and -d / 2, with half the penalty.
    reference = linear.LogisticRegression(C=2.0, tol=1e-8, max_iter=1000).fit(vectors, labels)
    np.testing.assert_allclose(outputs[:, 1] - outputs[:, 0], reference.decision_function(vectors), **CLOSE)
    assert np.ptp(outputs) > 0.5


def test_several_labels(features: dict[str, np.ndarray], linear: Any) -> None:
    labels = np.random.default_rng(5).integers(0, 2, (ROWS, 2))
    vectors, outputs = started(MultilabelTask(("a", "b")), labels, features)
    for column in range(2):
        # The loss is the mean over two labels, so beside each label's loss the penalty counts twice.
        reference = linear.LogisticRegression(C=0.5, tol=1e-8, max_iter=1000).fit(vectors, labels[:, column])
        np.testing.assert_allclose(outputs[:, column], reference.decision_function(vectors), **CLOSE)


def test_values(features: dict[str, np.ndarray], linear: Any) -> None:
    labels = np.random.default_rng(6).normal(3.0, 2.0, ROWS).astype(np.float32)
    vectors, outputs = started(RegressionTask(offset=3.0, scale=2.0), labels, features)
    expected = linear.Ridge(alpha=0.5).fit(vectors, (labels - 3.0) / 2.0).predict(vectors)
    np.testing.assert_allclose(outputs[:, 0], expected, **CLOSE)


def test_rows_beyond_the_most_are_left_out(features: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten of fifty rows are used, the same ones for the same seed."""
    labels = np.random.default_rng(4).integers(0, 2, ROWS)
    task = ClassificationTask(("a", "b"))
    _, of_all = started(task, labels, features)
    monkeypatch.setattr(head_start, "MOST_ROWS", 10)
    _, of_ten = started(task, labels, features)
    _, again = started(task, labels, features)
    assert (of_ten == again).all() and not np.allclose(of_all, of_ten, atol=0.01)
