"""Risk over coverage, and the threshold for answers, against trying every threshold."""

import numpy as np
import pytest

from mobilebert_tf.tasks import metrics
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.task import NONE


def test_by_hand():
    confidence = np.array([0.9, 0.8, 0.8, 0.6, np.nan])
    right = np.array([True, True, False, True, False])
    figures = metrics.risk_coverage(confidence, right)
    # Thresholds 0.9, 0.8, 0.6 and none have risks of 0, 1/3, 1/4 and 2/5, and add 1, 2, 1 and 1 examples.
    assert figures["risk_coverage_area"] == pytest.approx((0 + 2 / 3 + 1 / 4 + 2 / 5) / 5)
    assert (figures["coverage_at_1"], figures["coverage_at_5"]) == (0.2, 0.2)


def test_ends_of_the_scale():
    draw = np.random.default_rng(0)
    right = draw.random(5000) < 0.8
    perfect = metrics.risk_coverage(right + 0.1 * draw.random(5000), right)
    # In perfect order all right answers come first, then wrong ones until they are 1 or 5 % of all answered.
    assert perfect["coverage_at_1"] == pytest.approx(right.mean() / 0.99, abs=1e-3)
    assert perfect["coverage_at_5"] == pytest.approx(right.mean() / 0.95, abs=1e-3)
    # An uninformative confidence has the same risk everywhere.
    assert metrics.risk_coverage(np.ones(5000), right)["risk_coverage_area"] == pytest.approx(1 - right.mean())
    # Only the first few hundred of five thousand have a risk that deviates, as a share of so few does.
    assert metrics.risk_coverage(draw.random(5000), right)["risk_coverage_area"] == pytest.approx(0.2, abs=0.03)
    assert metrics.risk_coverage(np.ones(3), np.zeros(3, bool))["coverage_at_5"] == 0.0


def drawn(seed: int, classes: int = 3):
    draw = np.random.default_rng(seed)
    logits = np.round(2 * draw.normal(size=(400, classes)), 1)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (draw.random((400, 1)) > shares.cumsum(axis=1)).sum(axis=1)
    return {"logits": logits}, {"label": labels}


@pytest.mark.parametrize("seed", range(5))
def test_coverage_and_threshold_are_the_largest_of_all(seed):
    outputs, features = drawn(seed)
    task = ClassificationTask(tuple("abc"), temperature=1.5)
    likely = task._probabilities(outputs)
    confidence, right = likely.max(axis=1), likely.argmax(axis=1) == features["label"]
    figures = task.score(outputs, features).all
    for percent in (1, 2, 5):
        best = 0.0
        for threshold in np.unique(confidence):
            chosen = confidence >= threshold
            if (~right[chosen]).mean() <= percent / 100:
                best = max(best, chosen.mean())
        assert figures[f"coverage_at_{percent}"] == pytest.approx(best)
    declining = task.declining(outputs, features, 0.95)
    assert declining.temperature == 1.5 and 0 < declining.threshold < 1
    scored = declining.score(outputs, features).all
    assert scored["answered"] == pytest.approx(figures["coverage_at_5"]) and scored["answered_accuracy"] >= 0.95
    assert scored["accuracy"] == figures["accuracy"] and "answered" not in figures
    answers = [answer["label"] for answer in declining.decode(outputs, features)]
    answered = [label != NONE for label in answers]
    assert np.mean(answered) == pytest.approx(scored["answered"])
    # No probability is so near the threshold that rounding would decide.
    assert np.abs(confidence - declining.threshold).min() > 1e-6


def test_all_or_nothing():
    outputs, features = drawn(0)
    task = ClassificationTask(tuple("abc"))
    accuracy = task.score(outputs, features).primary
    assert task.declining(outputs, features, accuracy).threshold == 0.0, "all answers together are good enough"
    features["label"] = (outputs["logits"].argmax(axis=1) + 1) % 3
    assert task.declining(outputs, features, 0.5).threshold == 0.0, "none is"


def test_agreement_is_one_of_decisions():
    task = ClassificationTask(("a", "b"), threshold=0.8)
    sure, unsure = [3.0, 0.0], [0.5, 0.0]
    reference, candidate = ({"logits": np.array(rows)} for rows in ([sure, sure, unsure], [sure, unsure, [0.4, 0.0]]))
    assert task.agreement(reference, candidate, {}).tolist() == [1.0, 0.0, 1.0]
