"""Regression: values of a table, loss, answers and figures against values worked out by hand and by SciPy."""

import numpy as np
import pytest
from scipy import stats

from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.files import read_task, write_task
from mobilebert_tf.tasks.regression import RegressionTask, number
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer

TOKENIZER = Tokenizer((*SPECIAL_TOKENS, "a", "b"))


def table(tmp_path, text):
    path = tmp_path / "train.tsv"
    path.write_text(text)
    return path


def test_mean_and_deviation_are_the_tables(tmp_path):
    task = RegressionTask.discover(table(tmp_path, "label\ttext\n1\ta\n4.0\tb\n-2e0\ta b\n"))
    assert (task.offset, task.scale) == (pytest.approx(1.0), pytest.approx(np.sqrt(6.0)))
    assert task.heads.labels == 1 and not task.labels
    write_task(tmp_path, task)
    assert read_task(tmp_path) == task and not (tmp_path / "labels.txt").exists()


@pytest.mark.parametrize("value", ["good", "nan", "inf", "1,5,2"])
def test_a_label_that_is_no_number_is_named_with_its_line(tmp_path, value):
    with pytest.raises(UsageError, match=f"train.tsv, line 3: '{value}' is not a number"):
        RegressionTask.discover(table(tmp_path, f"label\ttext\n1\ta\n{value}\tb\n"))


@pytest.mark.parametrize(
    "cell, value",
    [("0,5", 0.5), ("-12,25", -12.25), ("1e-3", 0.001), ("0,143", 0.143), ("12345,5", 12345.5)],
)
def test_numbers_as_programs_write_them(cell, value):
    assert number("a.csv", 2, cell) == value


@pytest.mark.parametrize(
    "cell, said",
    [
        ("1,234", "thousands"),
        ("1_000", "not a number"),
        ("1e31", "larger than"),
        ("1,2,3", "not a number"),
        ("nan", "not a number"),
    ],
)
def test_numbers_that_may_mean_something_else(cell, said):
    with pytest.raises(UsageError, match=f"a.csv, line 2: .*{said}"):
        number("a.csv", 2, cell)


def test_a_table_of_one_value_teaches_nothing(tmp_path):
    with pytest.raises(UsageError, match="column 'label' has 3 in every row"):
        RegressionTask.discover(table(tmp_path, "label\ttext\n3\ta\n3.0\tb\n"))


def test_the_loss_is_in_units_of_the_deviation():
    tf = pytest.importorskip("tensorflow")
    task = RegressionTask(offset=10.0, scale=2.0)
    outputs = tf.constant([[0.0], [1.0]])
    figures = task.objective(lambda batch: outputs)({"label": tf.constant([10.0, 16.0])})
    # Labels are 0 and 3 deviations from the mean, so the errors are 0 and 2.
    assert float(figures["loss"]) == pytest.approx(2.0)
    assert float(figures["root_mean_square_error"]) == pytest.approx(2.0 * np.sqrt(2.0))


def test_answers_and_figures_are_in_the_labels_unit():
    task = RegressionTask(offset=10.0, scale=2.0)
    outputs = {"score": np.array([[0.0], [1.0], [-3.0], [0.5]], np.float32)}
    wanted = np.array([9.0, 13.0, 5.0, 12.0])
    assert [answer["value"] for answer in task.decode(outputs, {})] == [10.0, 12.0, 4.0, 11.0]
    scores = task.score(outputs, {"label": wanted})
    assert scores.name == "spearman" and scores.whole(scores.per_example) == scores.primary
    assert scores.primary == pytest.approx(stats.spearmanr([10, 12, 4, 11], wanted).statistic)
    assert scores.all["pearson"] == pytest.approx(np.corrcoef([10, 12, 4, 11], wanted)[0, 1])
    assert scores.all["root_mean_square_error"] == pytest.approx(1.0)
    assert scores.all["mean_absolute_error"] == pytest.approx(1.0)


def test_the_same_answer_to_everything_is_worth_nothing():
    scores = RegressionTask().score({"score": np.ones((3, 1), np.float32)}, {"label": np.array([1.0, 2.0, 3.0])})
    assert scores.primary == 0.0


def test_values_agree_within_a_twentieth_of_their_range():
    reference = {"score": np.array([[0.0], [1.0], [0.5]], np.float32)}
    candidate = {"score": np.array([[0.04], [1.06], [np.nan]], np.float32)}
    assert RegressionTask(offset=3.0, scale=7.0).agreement(reference, candidate, {}).tolist() == [1.0, 0.0, 0.0]


def test_a_model_that_says_the_same_of_every_text_has_a_file_too():
    """The answers' range is zero: float32 rounding still agrees, a hundredth of the deviation does not."""
    reference = {"score": np.full((2, 1), 0.3, np.float32)}
    candidate = {"score": np.array([[0.3 + 1e-7], [0.31]], np.float32)}
    assert RegressionTask(scale=7.0).agreement(reference, candidate, {}).tolist() == [1.0, 0.0]


def test_pairs_are_read_as_one_input():
    task = RegressionTask(max_seq_length=8, text_pair_column="second")
    features = task.features([Example("a b", "b", 2.5)], TOKENIZER)
    assert features["input_ids"].tolist() == [[2, 5, 6, 3, 6, 3, 0, 0]]
    assert features["label"].dtype == np.float32 and features["label"].tolist() == [2.5]
