"""`export` of a classifier from Hugging Face: its configuration is used, and all assumptions are printed."""

import json
import shutil
from pathlib import Path

import pytest

from mobilebert_tf import cli

from .conftest import Complain

pytestmark = pytest.mark.usefixtures("timed_here")

FLAGS = ["--recipes=float32", "--rounds=1", "--runs=1", "--parity_examples=4"]


@pytest.fixture(scope="module")
def directory(classifier_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The classifier as Hugging Face would save it: labels in config.json, no file of this project."""
    place = tmp_path_factory.mktemp("elsewhere") / "hf"
    assert cli.run(["convert", f"--input={classifier_directory}", f"--output={place}", "--to=huggingface"]) == 0
    for name in ("task.json", "labels.txt", "run.json"):
        (place / name).unlink()
    return place


@pytest.fixture(scope="module")
def table(labelled_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows of `labelled_table` in columns of other names, with labels as numbers in the order of id2label."""
    rows = [line.split("\t") for line in labelled_table.read_text().splitlines()[1:]]
    path = tmp_path_factory.mktemp("table") / "dev.tsv"
    numbers = {"bad": 0, "good": 1}
    path.write_text("sentence\ttarget\n" + "".join(f"{text}\t{numbers[label]}\n" for text, label in rows))
    return path


def test_labels_columns_and_length(directory: Path, table: Path, export_directory: Path, tmp_path: Path, capsys):
    output = tmp_path / "app"
    columns = ["--text_column=sentence", "--label_column=target"]
    words = ["export", f"--model={directory}", f"--evaluation={table}", *columns, *FLAGS]
    assert cli.run([*words, "--sequence_lengths=48,16", f"--output={output}"]) == 0
    printed = capsys.readouterr().out
    assert f"export: {directory} has no task.json, so its labels are taken to be bad, good" in printed
    for said in ("'target' (--label_column)", "'sentence' (--text_column", "48 word pieces (--sequence_lengths)"):
        assert said in printed
    # Weights, rows and lengths are those of the export of the model directory.
    own = json.loads((export_directory / "report.json").read_text())
    foreign = json.loads((output / "report.json").read_text())
    # Several threads sum float32 in any order, so loss and confidence may differ in the last digit.
    for figure in ("loss", "calibration_error"):
        assert foreign["keras"].pop(figure) == pytest.approx(own["keras"].pop(figure), rel=1e-6)
    assert foreign["keras"] == own["keras"]
    assert (output / "float32.tflite").read_bytes() == (export_directory / "float32.tflite").read_bytes()
    assert (output / "labels.txt").read_text() == "bad\ngood\n"
    capsys.readouterr()
    # The exported file reads the same columns and numbers as the directory did.
    assert cli.run(["evaluate", f"--model={output / 'float32.tflite'}", f"--input={table}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == own["keras"]["accuracy"]


def test_other_columns_are_one_line_with_the_way_out(directory: Path, table: Path, tmp_path: Path, complain: Complain):
    line = complain("export", f"--model={directory}", f"--evaluation={table}", f"--output={tmp_path / 'app'}", *FLAGS)
    missing = "no column 'text'; it has sentence, target; choose others with --text_column and --label_column"
    assert f"{table}, line 1: {missing}" in line
    assert not (tmp_path / "app").exists()


def test_length_is_128_or_what_fits(directory: Path, tmp_path: Path):
    assert cli.run(["export", f"--model={directory}", f"--output={tmp_path / 'app'}", *FLAGS]) == 0
    assert json.loads((tmp_path / "app" / "report.json").read_text())["sequence_lengths"] == [32, 64]


def test_pairs(directory: Path, tmp_path: Path, capsys):
    table, output = tmp_path / "pairs.jsonl", tmp_path / "app"
    rows = [{"premise": "a b", "hypothesis": "c", "label": 1}, {"premise": "d", "hypothesis": "e f", "label": "bad"}]
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    columns = ["--text_column=premise", "--text_pair_column=hypothesis"]
    words = ["export", f"--model={directory}", f"--evaluation={table}", f"--output={output}", *columns, *FLAGS]
    assert cli.run([*words, "--sequence_lengths=16"]) == 0
    assert "columns 'premise' and 'hypothesis'" in capsys.readouterr().out
    predict = ["predict", f"--model={output / 'float32.tflite'}", "--text=a b"]
    assert cli.run([*predict, "--context=c"]) == 0
    assert cli.run(predict) == 2
    capsys.readouterr()
    # MediaPipe cannot take pairs, also where only flags say that the model takes them.
    assert cli.run([*words, f"--output={tmp_path / 'other'}", "--recipes=mediapipe"]) == 2
    assert "judges one text at a time, this model judges pairs" in capsys.readouterr().err


def test_labels_that_are_numbers_mean_what_they_say(tmp_path: Path):
    from mobilebert_tf.tasks.classification import ClassificationTask

    table = tmp_path / "stars.tsv"
    table.write_text("text\tlabel\na\t1\nb\t3\n")
    stars = ClassificationTask(("1", "2", "3"), labels_by_number=True)
    assert [example.label for example in stars.read(table)] == [0, 2]
    words = ClassificationTask(("one", "two", "three", "four"), labels_by_number=True)
    assert [example.label for example in words.read(table)] == [1, 3]


def test_no_vocabulary(directory: Path, tmp_path: Path, complain: Complain):
    bare = Path(shutil.copytree(directory, tmp_path / "bare"))
    for name in ("vocab.txt", "tokenizer.json"):
        (bare / name).unlink()
    line = complain("export", f"--model={bare}", f"--output={tmp_path / 'app'}", *FLAGS)
    assert f"{bare}: has no vocab.txt; put the vocabulary it was trained with there" in line


def test_pairs_are_judged_where_no_task_says_one_text(directory: Path, tmp_path: Path, capsys):
    table = tmp_path / "pairs.tsv"
    table.write_text("premise\thypothesis\tlabel\na b\tc\t1\nd\te f\tbad\n")
    columns = [f"--input={table}", "--text_column=premise", "--text_pair_column=hypothesis"]
    assert cli.run(["evaluate", f"--model={directory}", *columns, "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["examples"] == 2 and "0 as bad, 1 as good" in captured.err
    assert cli.run(["predict", f"--model={directory}", *columns, "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["context"] for answer in answers] == ["c", "e f"]
    assert cli.run(["predict", f"--model={directory}", "--text=a b", "--context=c", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["probabilities"] == pytest.approx(answers[0]["probabilities"])
