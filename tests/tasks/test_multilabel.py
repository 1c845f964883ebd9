"""Several labels per text: reading, loss, thresholds and figures against values worked out by hand."""

import json

import numpy as np
import pytest

from mobilebert_tf.commands.data_options import DataOptions
from mobilebert_tf.commands.labelled_data import read
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks import multilabel
from mobilebert_tf.tasks.files import read_task, write_task
from mobilebert_tf.tasks.inference import short_figures
from mobilebert_tf.tasks.multilabel import MultilabelTask, sigmoid
from mobilebert_tf.tokenization import SPECIAL_TOKENS, Tokenizer

TOKENIZER = Tokenizer((*SPECIAL_TOKENS, "a", "b"))
TASK = MultilabelTask(labels=("x", "y", "z"))


def table(tmp_path, rows, name="train.tsv"):
    path = tmp_path / name
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows))
    return path


def logits(*rows):
    likely = np.array(rows)
    return {"logits": np.log(likely / (1 - likely))}


def test_labels_are_found_in_the_cells(tmp_path):
    path = table(tmp_path, [("a", "y, x"), ("b", ""), ("a b", "z,y,")])
    task = MultilabelTask.discover(path, max_seq_length=5)
    assert task.labels == ("x", "y", "z")
    features = task.features(task.read(path), TOKENIZER)
    assert features["label"].tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 1]]
    write_task(tmp_path, task)
    assert read_task(tmp_path) == task
    with pytest.raises(UsageError, match=r"dev.tsv, line 2: label 'w' is not one that training saw \(x, y, z\)"):
        task.read(table(tmp_path, [("a", "x,w")], "dev.tsv"))
    with pytest.raises(UsageError, match="has no label in any row"):
        MultilabelTask.discover(table(tmp_path, [("a", " "), ("b", ",")]))


def test_cells_may_hold_lists(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "label": ["x, or so", "y"]}\n{"text": "b", "label": "[2]"}\n{"text": "a"}\n')
    path.write_text(path.read_text().replace('{"text": "a"}', '{"text": "a", "label": null}'))
    task = MultilabelTask.discover(path)
    assert task.labels == ("2", "x, or so", "y")
    examples = task.read(path)
    assert [example.label for example in examples] == [(1, 2), (0,), ()]
    # Held-out rows read back the same, also if a label contains the separator.
    path.write_text("".join(json.dumps(task.row(example)) + "\n" for example in examples))
    assert task.read(path) == examples


def test_labels_that_differ_in_how_they_are_written_are_said(tmp_path, capsys):
    MultilabelTask.discover(table(tmp_path, [("a", "x, y"), ("b", "X"), ("c", "nan")]))
    printed = capsys.readouterr().err
    assert "'X' (1 row), 'x' (1 row) differ only" in printed and "'nan' (1 row): taken as a label" in printed


def test_another_separator(tmp_path):
    task = MultilabelTask.discover(table(tmp_path, [("a", "x, or so|y")]), separator="|")
    assert task.labels == ("x, or so", "y")


def test_the_loss_is_that_of_each_label():
    tf = pytest.importorskip("tensorflow")
    outputs, label = logits([0.9, 0.2], [0.6, 0.5])["logits"], [[1, 0], [0, 1]]
    figures = TASK.objective(lambda batch: tf.constant(outputs, tf.float32))({"label": tf.constant(label)})
    assert float(figures["loss"]) == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.5]).mean(), rel=1e-6)
    extreme = TASK.objective(lambda batch: tf.constant([[1e4, -1e4]]))({"label": tf.constant([[1, 0]])})
    assert float(extreme["loss"]) == 0.0


def test_figures_by_hand():
    outputs = logits([0.9, 0.2, 0.6], [0.6, 0.5, 0.1])
    label = np.array([[1, 0, 0], [0, 1, 0]])
    scores = TASK.score(outputs, {"label": label})
    # The answers are x z and x y. Two of the four are right, and both wanted labels are among them.
    assert scores.all["micro_f1"] == pytest.approx(2 * 2 / (4 + 2))
    assert scores.whole(scores.per_example) == scores.primary
    by_class = scores.all["by_class"]
    assert {label: one["f1"] for label, one in by_class.items()} == pytest.approx({"x": 2 / 3, "y": 1.0, "z": 0.0})
    assert by_class["x"] == {"f1": pytest.approx(2 / 3), "precision": 0.5, "recall": 1.0, "support": 1}
    assert scores.all["macro_f1"] == pytest.approx(5 / 9) and scores.all["exact"] == 0.0
    assert scores.all["loss"] == pytest.approx(-np.log([0.9, 0.8, 0.4, 0.4, 0.5, 0.9]).mean())
    # A label in no text and no answer counts as 0, as in its own line and in scikit-learn.
    without = TASK.score(logits([0.9, 0.2, 0.1], [0.6, 0.5, 0.1]), {"label": label})
    assert without.all["macro_f1"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert [answer["labels"] for answer in TASK.decode(outputs, {})] == [["x", "z"], ["x", "y"]]
    assert TASK.agreement(outputs, logits([0.9, 0.2, 0.4], [0.6, 0.5, 0.1]), {}).tolist() == pytest.approx([2 / 3, 1.0])


def test_thresholds_are_the_best_of_all_that_differ():
    random = np.random.default_rng(0)
    likely, wanted = random.uniform(0.05, 0.95, (30, 3)), random.random((30, 3)) < 0.4
    wanted[:, 2] = False
    likely[wanted] = np.minimum(likely[wanted] + 0.2, 0.98)
    outputs = logits(*likely)
    features = {"label": wanted.astype(int)}
    tuned = TASK.tuned(outputs, features)
    assert tuned.thresholds[2] == 0.5
    found = sigmoid(outputs["logits"])
    # Label 2 is in no example; the other two thresholds are all pairs of a grid finer than the probabilities differ.
    grid = [found[:, :2] >= threshold for threshold in np.linspace(0, 1, 501)]
    third = found[:, 2] >= 0.5
    pairs = (np.stack([a[:, 0], b[:, 1], third], axis=1) for a in grid for b in grid)
    best = max(2 * (pair & wanted).sum() / (pair.sum() + wanted.sum()) for pair in pairs)
    assert tuned.score(outputs, features).primary == pytest.approx(best)
    assert tuned.score(outputs, features).primary > TASK.score(outputs, features).primary


def test_a_column_for_each_label(tmp_path):
    """The examples equal those from a single column of labels, and held-out rows read back the same."""
    path = tmp_path / "columns.csv"
    path.write_text("text,red,blue,large\na,1,0,yes\nb,0,,No\na b,1.0,true,0\n")
    task = MultilabelTask.discover(path, label_columns=("red", "large", "blue"), max_seq_length=5)
    assert task.labels == ("red", "large", "blue")
    rows = task.read(path)
    assert [row.label for row in rows] == [(0, 1), (), (0, 2)]
    assert task.features(rows, TOKENIZER)["label"].tolist() == [[1, 1, 0], [0, 0, 0], [1, 0, 1]]
    write_task(tmp_path, task)
    assert read_task(tmp_path) == task
    held = tmp_path / "held.jsonl"
    held.write_text("".join(json.dumps(task.row(row)) + "\n" for row in rows))
    assert task.read(held) == rows and json.loads(held.read_text().splitlines()[0])["large"] == 1
    assert [row.label for row in task.read(path, labelled=False)] == [None] * 3


@pytest.mark.parametrize(
    "content, columns, message",
    [
        (
            "text,a,b\nx,1,0\ny,2,0\n",
            ("a", "b"),
            "t.csv, line 3: column 'a' holds '2'; a label's column must hold 0 or 1",
        ),
        ("text,a,b\nx,1,0\n", ("a", "c"), "t.csv, line 1: no column 'c'; it has text, a, b"),
        ("text,a,b\nx,0,0\n", ("a", "b"), "t.csv: columns a, b are 0 in every row"),
        ("text,a,b\nx,0,0\n", ("a", "a"), "--label_columns: names 'a' twice"),
    ],
)
def test_wrong_columns(tmp_path, content, columns, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(UsageError) as refused:
        MultilabelTask.discover(tmp_path / "t.csv", label_columns=columns)
    assert message in str(refused.value)


def test_a_flag_that_names_no_column(tmp_path):
    path = table(tmp_path, [("a", "x")])
    with pytest.raises(UsageError, match="--label_columns=,: names no column"):
        read(DataOptions(train=str(path), eval="none", label_columns=","))


def test_columns_as_flags(tmp_path):
    (tmp_path / "t.csv").write_text(
        "text,a,b\n" + "".join(f"x{i},{i % 2},{i % 3}\n".replace(",2", ",1") for i in range(40))
    )
    data = read(DataOptions(train=str(tmp_path / "t.csv"), label_columns="a,b", eval_share=0.25))
    assert data.task.labels == ("a", "b") and 8 <= len(data.evaluation) <= 14
    for wrong in ({"task": "regression"}, {"label_column": "a"}):
        with pytest.raises(UsageError, match="--label_columns: is for --task=multilabel"):
            read(DataOptions(train=str(tmp_path / "t.csv"), label_columns="a,b", **wrong))


def test_a_rare_label_that_was_not_learned_does_not_lower_the_score():
    """On its own it is best given to every text; of 100 texts 97 would then have it wrongly."""
    random = np.random.default_rng(1)
    wanted = np.zeros((100, 2), int)
    wanted[:40, 0], wanted[:3, 1] = 1, 1
    likely = np.stack([np.where(wanted[:, 0], 0.9, 0.1), random.uniform(0.02, 0.03, 100)], axis=1)
    likely[:3, 1] = 0.02
    task = MultilabelTask(("a", "rare"))
    tuned = task.tuned(logits(*likely), {"label": wanted})
    assert tuned.score(logits(*likely), {"label": wanted}).primary == pytest.approx(80 / 83)
    assert tuned.thresholds == (0.5, 0.5)


def test_an_early_model_is_ranked_by_what_it_would_be_reported_with():
    """Probabilities below a half in the right order: without thresholds of their own, nothing is answered."""
    wanted = np.array([[1, 0], [0, 1], [0, 0], [1, 1]])
    outputs, features = logits(*np.where(wanted, 0.4, 0.2)), {"label": wanted}
    task = MultilabelTask(("a", "b"))
    assert task.score(outputs, features).primary == 0.0
    assert short_figures(task, outputs, features)["micro_f1"] == 1.0


def test_thresholds_are_those_of_every_border_tried():
    """Score every border by itself, on rounded probabilities that have ties as a classifier's do."""
    task = MultilabelTask(("a",))
    random = np.random.default_rng(0)
    for largest in [1.0] * 20 + [0.4] * 20:  # a weak classifier's probabilities stay below a half
        likely = np.clip((largest * random.random(60)).round(2), 0.001, 0.999)
        wanted = random.random(60) < 0.2 + 0.5 * likely
        values = np.unique(likely)
        borders = [0.5, values[0] / 2, *((values[1:] + values[:-1]) / 2)]
        (threshold,) = task.tuned(logits(*likely[:, None]), {"label": wanted[:, None].astype(int)}).thresholds
        assert max(multilabel.f1(wanted, likely >= border) for border in np.linspace(0, 1, 501)) == pytest.approx(
            multilabel.f1(wanted, likely >= threshold)
        )
        worth = [multilabel.f1(wanted, likely >= border) for border in borders]
        best = [border for border, own in zip(borders, worth, strict=True) if own >= max(worth) - 1e-12]
        assert abs(threshold - 0.5) == pytest.approx(min(abs(border - 0.5) for border in best))


def test_an_answer_that_is_no_number_is_wrong_in_every_label():
    outputs = logits([0.9, 0.1, 0.1], [0.1, 0.1, 0.1])
    outputs["logits"][1] = np.nan
    figures = TASK.score(outputs, {"label": np.array([[1, 0, 0], [0, 0, 0]])}).all
    # One right answer, of one wanted and four given: NaN counts as every label decided wrongly.
    assert figures["micro_f1"] == pytest.approx(2 / 5) and figures["exact"] == 0.5
