"""The classification task: labels, features and metrics against values worked out by hand."""

import json

import numpy as np
import pytest

from mobilebert_tf.data import bad_rows
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks import metrics
from mobilebert_tf.tasks.classification import ClassificationTask
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.files import read_task, write_labels, write_task
from mobilebert_tf.tasks.label_spelling import plain
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer

TOKENIZER = Tokenizer((*SPECIAL_TOKENS, "a", "b", "c", "##c"))  # [CLS] 2, [SEP] 3, a 5, b 6, c 7, ##c 8


def table(tmp_path, text, name="train.tsv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_labels_are_discovered_and_sorted(tmp_path):
    path = table(tmp_path, "label\ttext\nno\ta\nyes\tb\nno\tc\n")
    task = ClassificationTask.discover(path)
    assert task.labels == ("no", "yes")
    assert [e.label for e in task.read(path)] == [0, 1, 0]


def test_a_label_that_training_never_saw_is_named_with_its_line(tmp_path):
    task = ClassificationTask(labels=("no", "yes"))
    with pytest.raises(UsageError, match=r"dev.tsv, line 3: label 'maybe'.*no, yes"):
        task.read(table(tmp_path, "label\ttext\nno\ta\nmaybe\tb\n", "dev.tsv"))


@pytest.mark.parametrize("text, word", [("label\ttext\nno\ta\n", "at least two"), ("label\ttext\n", "and no rows")])
def test_too_few_labels_are_refused(tmp_path, text, word):
    with pytest.raises(UsageError, match=word):
        ClassificationTask.discover(table(tmp_path, text))


def test_features_of_single_texts():
    features = ClassificationTask(("x", "y"), max_seq_length=6).features(
        [Example("a bc", label=1), Example("a b c a b c", label=0)], TOKENIZER
    )
    assert features["input_ids"].tolist() == [[2, 5, 6, 8, 3, 0], [2, 5, 6, 7, 5, 3]]
    assert features["input_mask"].tolist() == [[1, 1, 1, 1, 1, 0], [1] * 6]
    assert features["segment_ids"].tolist() == [[0] * 6] * 2
    assert features["label"].tolist() == [1, 0]
    assert all(values.dtype == np.int32 for values in features.values())


def test_of_a_pair_the_longer_side_is_cut():
    features = ClassificationTask(("x", "y"), max_seq_length=8, text_pair_column="second").features(
        [Example("a a a a a", "b c")], TOKENIZER
    )
    assert features["input_ids"].tolist() == [[2, 5, 5, 5, 3, 6, 7, 3]]
    assert features["segment_ids"].tolist() == [[0, 0, 0, 0, 0, 1, 1, 1]]
    assert "label" not in features


def test_metrics_by_hand():
    task = ClassificationTask(("x", "y"))
    logits = np.log(np.array([[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8]]))
    scores = task.score({"logits": logits}, {"label": np.array([0, 0, 1, 1])})
    metrics = scores.all
    assert (scores.name, scores.primary, list(scores.per_example)) == ("accuracy", 0.75, [1, 0, 1, 1])
    assert metrics["accuracy"] == 0.75 and metrics["majority_accuracy"] == 0.5
    assert metrics["confusion"] == [[1, 1], [0, 2]]
    assert metrics["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert metrics["loss"] == pytest.approx(-np.log([0.9, 0.4, 0.7, 0.8]).mean())


def test_probabilities_are_as_often_right_as_they_say():
    """Logits are three times those from which labels were drawn, so the temperature must be three."""
    random = np.random.default_rng(0)
    true = 1.5 * random.normal(size=(20_000, 3))
    shares = np.exp(true) / np.exp(true).sum(axis=1, keepdims=True)
    labels = (random.random((20_000, 1)) > shares.cumsum(axis=1)).sum(axis=1)
    outputs, features = {"logits": 3 * true}, {"label": labels}
    task = ClassificationTask(("x", "y", "z"))
    tuned = task.tuned(outputs, features)
    # With this many examples the estimate has a deviation of 2 %; the bound is three of them.
    assert tuned.temperature == pytest.approx(3.0, rel=0.06)
    before, after = (scored.score(outputs, features).all for scored in (task, tuned))
    assert before["accuracy"] == after["accuracy"] and after["loss"] < before["loss"]
    assert before["calibration_error"] > 0.1 and after["calibration_error"] < 0.015
    likely = tuned.decode({"logits": 3 * true[:1]}, {})[0]["probabilities"]
    np.testing.assert_allclose(list(likely.values()), shares[0], rtol=0.1)
    # Fewer than a hundred examples are too few to find a temperature.
    assert task.tuned({"logits": 3 * true[:99]}, {"label": labels[:99]}) == task


def test_calibration_error_by_hand():
    confidence, right = np.array([0.95, 0.97, 0.61, 0.65]), np.array([1, 0, 1, 0])
    # Two bins, with mean confidences of 0.96 and 0.63; in each half of the answers are right.
    assert metrics.calibration_error(confidence, right) == pytest.approx((0.92 + 0.26) / 4)


def test_decode_and_json_round_trip(tmp_path):
    task = ClassificationTask(("x", "y"), max_seq_length=9, text_column="t")
    answer = task.decode({"logits": np.log(np.array([[0.25, 0.75]]))}, {})[0]
    assert answer["label"] == "y" and answer["probability"] == pytest.approx(0.75)
    write_task(tmp_path, task)
    assert read_task(tmp_path) == task


def test_labels_that_are_numbers_are_ordered_by_number(tmp_path):
    path = table(tmp_path, "label\ttext\n" + "".join(f"{n}\ta\n" for n in ("10", "2", "-1", "1.5")))
    assert ClassificationTask.discover(path).labels == ("-1", "1.5", "2", "10")


@pytest.mark.parametrize("break_", ["\n", "\r"])
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_label_with_a_line_break_is_refused_with_its_line(tmp_path, name, break_):
    path = tmp_path / name
    label = f"x{break_}y"
    lines = [json.dumps({"text": "a", "label": value}) for value in ("z", label)]
    content = "\n".join(lines) if name.endswith("jsonl") else f'text,label\na,"{label}"\nb,z\n'
    path.write_bytes(content.encode())
    with pytest.raises(UsageError, match=rf"{name}, line 2: the label {label!r} has a line break".replace("\\", r"\\")):
        ClassificationTask.discover(path)
    with pytest.raises(UsageError, match="cannot be written as a line"):
        write_labels(tmp_path, ("z", label))
    assert not (tmp_path / "labels.txt").exists()


@pytest.mark.parametrize("value", ["null", '""', '" "', "NaN"])
def test_a_missing_label_is_refused_and_a_missing_text_is_left_out(tmp_path, capsys, value):
    path = tmp_path / "t.jsonl"
    path.write_text(
        '{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}\n' + f'{{"text": "c", "label": {value}}}\n'
    )
    with pytest.raises(UsageError, match="line 3: the label, column 'label', is empty"):
        ClassificationTask.discover(path)
    path.write_text(path.read_text().replace(f'"c", "label": {value}', f'{value}, "label": "x"'))
    task = ClassificationTask.discover(path)
    assert [example.text for example in task.read(path)] == ["a", "b"]
    assert "1 row without text in column 'text' left out, the first in line 3" in capsys.readouterr().err
    assert [example.text.strip() for example in task.read(path, labelled=False, every_row=True)] == ["a", "b", ""]


def test_labels_that_differ_in_capitals_and_blanks_are_said_and_merged_by_a_flag(tmp_path, capsys):
    path = table(tmp_path, "label\ttext\nGood\ta\n good\tb\nGood\tc\nbad\td\nBAD\te\nbad\tf\n")
    apart = ClassificationTask.discover(path)
    assert apart.labels == (" good", "BAD", "Good", "bad")
    printed = capsys.readouterr().err
    assert "'Good' (2 rows), ' good' (1 row)" in printed and "--merge_labels" in printed
    merged = ClassificationTask.discover(path, merge_labels=True)
    assert merged.labels == ("Good", "bad") and not capsys.readouterr().err
    assert [example.label for example in merged.read(path)] == [0, 0, 0, 1, 1, 1]
    other = table(tmp_path, "label\ttext\nGOOD \ta\n", "dev.tsv")
    write_task(tmp_path, merged)
    assert read_task(tmp_path).read(other)[0].label == 0
    with pytest.raises(UsageError, match="'GOOD ' differs from 'Good' only in spelling; spell it the same, or give"):
        ClassificationTask(("Good", "bad")).read(other)


@pytest.mark.parametrize(
    "one, other",
    [("caf\u00e9", "cafe\u0301"), ("pos", "\u200bpos"), ("pos", "pos\u00a0"), ("1", "1.0")],
)
def test_labels_that_look_alike(one, other):
    assert plain(one) == plain(other)


def test_what_may_mean_that_there_is_no_label_is_said(tmp_path, capsys):
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,NaN\nb,pos\nc,NaN\n")
    assert ClassificationTask.discover(path).labels == ("NaN", "pos")
    assert "'NaN' (2 rows): taken as a label like any other" in capsys.readouterr().err


def test_numbers_for_labels_are_said(tmp_path, capsys):
    path = table(tmp_path, "label\ttext\n0\ta\n1\tb\n")
    task = ClassificationTask(("contradiction", "entailment"), labels_by_number=True)
    assert [example.label for example in task.read(path)] == [0, 1]
    assert "0 as contradiction, 1 as entailment" in capsys.readouterr().err


def test_rows_of_no_class_are_named_and_can_be_left_out(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("text\tlabel\na\tx\nb\tnone of these\nc\tz\n")
    task = ClassificationTask(labels=("x", "y"))
    fix = "finetune and evaluate leave such rows out with --skip_bad_rows"
    with pytest.raises(UsageError, match=f"line 3: label 'none of these' is of texts without a class, .*; {fix}"):
        task.read(path)
    with bad_rows.counting(skips=True) as left_out:
        assert [example.text for example in task.read(path)] == ["a"]
    assert left_out.bad[str(path), 4].endswith(f"label 'z' is not one that training saw (x, y); {fix}")


def test_of_many_labels_some_are_listed_and_the_one_that_is_like_is_named(tmp_path):
    task = ClassificationTask(labels=tuple(f"intent_{number:03}" for number in range(150)) + ("book_flight",))
    with pytest.raises(UsageError) as refused:
        task.read(table(tmp_path, "text\tlabel\na\tbook_fligth\n"))
    assert "label 'book_fligth' is not one that training saw (intent_000, " in str(refused.value)
    assert "intent_011 and 139 more; most similar: 'book_flight')" in str(refused.value)
    assert "intent_012" not in str(refused.value)


def test_a_classifier_that_declines_is_scored_on_texts_of_no_class(tmp_path):
    """Two of three texts without a class are declined; the other figures are as if the three were not there."""
    text = "text\tlabel\na\tx\nb\tnone of these\nc\ty\na b\tnone of these\nb c\tnone of these\n"
    path = table(tmp_path, text)
    task = ClassificationTask(labels=("x", "y"), threshold=0.7)
    examples = task.read(path)
    features = task.features(examples, TOKENIZER)
    assert features["label"].tolist() == [0, 2, 1, 2, 2]
    # Probabilities of the likelier class: 0.88, 0.5, 0.73, 0.62, 0.95.
    outputs = {"logits": np.array([[2, 0], [0, 0], [1, 0], [0.5, 0], [0, 3]], np.float32)}
    scores = task.score(outputs, features)
    own = task.score({"logits": outputs["logits"][[0, 2]]}, {"label": np.array([0, 1])})
    assert {name: value for name, value in scores.all.items() if name != "none_found"} == own.all
    assert scores.all["none_found"] == 2 / 3
    assert scores.per_example.tolist() == own.per_example.tolist() == [1.0, 0.0]
    mistakes = task.review(outputs, features, examples)
    assert [(mistake.text, mistake.wanted, mistake.given) for mistake in mistakes.mistakes] == [
        ("b c", "none of these", "y"),
        ("c", "y", "x"),
    ]


def test_a_table_of_texts_of_no_class_alone_is_refused(tmp_path):
    task = ClassificationTask(labels=("x", "y"), threshold=0.7)
    with pytest.raises(UsageError, match="every row is labelled 'none of these'; add rows of the classes"):
        task.read(table(tmp_path, "text\tlabel\na\tnone of these\n"))


def test_an_answer_that_is_no_number_is_wrong_in_every_figure():
    task = ClassificationTask(labels=("x", "y"))
    outputs = {"logits": np.array([[np.nan, np.nan], [2, 0], [0, 2]], np.float32)}
    figures = task.score(outputs, {"label": np.array([0, 0, 1])}).all
    # The first counts as an answer y: F1 is 2 / (1 + 2) for x, and 2 / (2 + 1) for y.
    assert figures["accuracy"] == pytest.approx(2 / 3) and figures["macro_f1"] == pytest.approx(2 / 3)
    assert figures["confusion"] == [[1, 1], [0, 1]]
    assert figures["matthews"] == pytest.approx(0.5)


def test_a_threshold_below_which_nothing_but_no_numbers_lies_is_a_number():
    sure = np.tile(np.float32([9, 0]), (50, 1))
    outputs = {"logits": np.concatenate([sure, np.full((1, 2), np.nan, np.float32)])}
    labels = np.zeros(51, int)
    declining = ClassificationTask(labels=("x", "y")).declining(outputs, {"label": labels}, 0.99)
    assert declining.threshold == 0.0, "all that is a number is sure enough, and right"


def test_rows_to_score_that_are_all_of_no_class_are_refused():
    task = ClassificationTask(labels=("x", "y"), threshold=0.7)
    with pytest.raises(UsageError, match="none of the 2 rows to score has a class"):
        task.score({"logits": np.zeros((2, 2), np.float32)}, {"label": np.array([2, 2])})
