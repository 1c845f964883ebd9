"""A score that a model without eyes would have as well is told from one that is worth something."""

import numpy as np
import pytest

from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.guessing import no_better_than_guessing

NO_BETTER, ONE_CLASS, UNEQUAL = "no better than always answering", "all rows of the table", "macro F1 says more"


def metrics(labels: np.ndarray, answers: np.ndarray) -> dict:
    return ClassificationTask(labels=("a", "b", "c")).score({"logits": np.eye(3)[answers]}, {"label": labels}).all


@pytest.mark.parametrize(
    "right, rows, guessing",
    [(50, 100, True), (58, 100, True), (62, 100, False), (5_300, 10_000, False), (4_000, 10_000, True)],
)
def test_two_deviations_of_a_half(right: int, rows: int, guessing: bool) -> None:
    """10 points for 100 rows, 1 for 10,000; the same share of both classes is right."""
    labels = np.arange(rows) % 2
    answers = np.where(np.arange(rows) // 2 < right // 2, labels, 1 - labels)
    assert bool(no_better_than_guessing(metrics(labels, answers))) == guessing


@pytest.mark.parametrize("shares", [(0.5, 0.3, 0.2), (0.1, 0.1, 0.8), (1 / 3, 1 / 3, 1 / 3)])
@pytest.mark.parametrize("answered", [(1, 0, 0), (0, 0, 1), (0.6, 0.2, 0.2)])
def test_answers_without_reading_are_found_whatever_the_shares(shares, answered) -> None:
    """Also where training had other shares: the answers are drawn by themselves. Seeds of which none is unlucky."""
    random = np.random.default_rng(1)
    labels, answers = (random.choice(3, 600, p=p) for p in (shares, answered))
    assert NO_BETTER in no_better_than_guessing(metrics(labels, answers))


def test_a_good_model_on_unequal_classes_is_not_called_a_guesser() -> None:
    """92 % of class c, of which it gets 9 in 10 right, and 9 in 10 of the others."""
    labels = np.repeat([0, 1, 2], [24, 24, 552])
    answers = np.where(np.arange(600) % 10 == 0, (labels + 1) % 3, labels)
    found = no_better_than_guessing(metrics(labels, answers))
    assert UNEQUAL in found and "92.0%" in found and NO_BETTER not in found


def test_one_class_says_nothing() -> None:
    labels = np.zeros(40, int)
    assert ONE_CLASS in no_better_than_guessing(metrics(labels, labels))
