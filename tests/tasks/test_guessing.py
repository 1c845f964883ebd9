"""Scores no better than a model that does not read the texts are recognised."""

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
    """Two deviations are 10 points at 100 rows and 1 at 10,000; both classes have the same share right."""
    labels = np.arange(rows) % 2
    answers = np.where(np.arange(rows) // 2 < right // 2, labels, 1 - labels)
    assert bool(no_better_than_guessing(metrics(labels, answers))) == guessing


@pytest.mark.parametrize("shares", [(0.5, 0.3, 0.2), (0.1, 0.1, 0.8), (1 / 3, 1 / 3, 1 / 3)])
@pytest.mark.parametrize("answered", [(1, 0, 0), (0, 0, 1), (0.6, 0.2, 0.2)])
def test_answers_without_reading_are_found_whatever_the_shares(shares, answered) -> None:
    """Answers are drawn independently of labels, also with other class shares. The seed is not an unlucky one."""
    random = np.random.default_rng(1)
    labels, answers = (random.choice(3, 600, p=p) for p in (shares, answered))
    remark = no_better_than_guessing(metrics(labels, answers))
    assert NO_BETTER in remark or "on 600 rows it may be chance" in remark


def test_a_good_model_on_unequal_classes_is_not_called_a_guesser() -> None:
    """92 % of rows are of class c; the model gets 9 in 10 right, of c and of the others."""
    labels = np.repeat([0, 1, 2], [24, 24, 552])
    answers = np.where(np.arange(600) % 10 == 0, (labels + 1) % 3, labels)
    remark = no_better_than_guessing(metrics(labels, answers))
    assert UNEQUAL in remark and "92.0%" in remark and NO_BETTER not in remark


def test_one_class_says_nothing() -> None:
    labels = np.zeros(40, int)
    assert ONE_CLASS in no_better_than_guessing(metrics(labels, labels))


def test_all_right_on_three_rows_is_not_called_wrong() -> None:
    """Three right answers are too few to tell, and are not no better than two of three."""
    labels = np.array([0, 0, 1])
    remark = no_better_than_guessing(metrics(labels, labels))
    assert "better than always answering with the most frequent class, which is right on 66.7%" in remark
    assert "on 3 rows it may be chance" in remark and NO_BETTER not in remark
