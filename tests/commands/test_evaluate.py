"""`evaluate`: a model directory and its files get the same score, and it is correct."""

import json
from pathlib import Path

import pytest

from mobilebert_tf import cli


def score(capsys, *flags: str) -> dict:
    assert cli.run(["evaluate", "--json", *flags]) == 0
    return json.loads(capsys.readouterr().out)


def test_directory_and_file_score_as_counted_by_hand(classifier_directory, export_directory, labelled_table, capsys):
    from mobilebert_tf.model_directory import load_model_directory

    loaded = load_model_directory(classifier_directory)
    right = []
    for example in loaded.task.read(labelled_table):
        # One row at a time, so that neither batching nor padding can hide an error.
        features = loaded.task.features([example], loaded.tokenizer)
        right.append(int(loaded.model(features).numpy().argmax()) == example.label)
    accuracy = sum(right) / len(right)

    table = f"--input={labelled_table}"
    in_keras = score(capsys, f"--model={classifier_directory}", table, "--batch_size=7")
    in_litert = score(capsys, f"--model={export_directory / 'float32.tflite'}", table)
    assert in_keras["accuracy"] == pytest.approx(accuracy) and in_keras["examples"] == len(right)
    assert in_litert["confusion"] == in_keras["confusion"]
    assert in_litert["loss"] == pytest.approx(in_keras["loss"], rel=1e-3)


def test_columns_can_be_renamed_and_results_kept(export_directory, labelled_table, tmp_path: Path, capsys):
    table = tmp_path / "dev.jsonl"
    rows = [line.split("\t") for line in labelled_table.read_text().splitlines()[1:11]]
    table.write_text("".join(json.dumps({"sentence": text, "class": label}) + "\n" for text, label in rows))
    output = tmp_path / "score"
    words = ["evaluate", f"--model={export_directory / 'dynamic_int8.tflite'}", f"--input={table}"]
    words += ["--text_column=sentence", "--label_column=class", f"--output={output}"]
    assert cli.run(words) == 0
    assert "accuracy" in capsys.readouterr().out
    metrics = json.loads((output / "metrics.json").read_text())["evaluation"]
    assert metrics["examples"] == 10
    assert (output / "labels.txt").read_text() == "bad\ngood\n"
    assert cli.run(words) == 0
    assert "finished already" in capsys.readouterr().out
    assert cli.run([*words[:-2], f"--output={output}"]) == 2


def test_bad_input_is_one_line_and_leaves_no_directory(export_directory, labelled_table, tmp_path: Path, capsys):
    lonely = tmp_path / "lonely.tflite"
    lonely.write_bytes((export_directory / "float32.tflite").read_bytes())
    text = tmp_path / "text.tflite"
    text.write_text("no flatbuffer")
    unseen = tmp_path / "unseen.csv"
    unseen.write_text("text,label\na b,good\na c,ugly\n")
    good = export_directory / "float32.tflite"
    for model, table, message in (
        (good, unseen, f"{unseen}, line 3: label 'ugly' is not one that training saw"),
        (good, tmp_path / "absent.csv", "no such file"),
        (lonely, labelled_table, "task.json is missing"),
        (text, labelled_table, "is not a .tflite file"),
        (tmp_path / "absent", labelled_table, "no such model directory or .tflite file"),
    ):
        output = tmp_path / "out"
        assert cli.run(["evaluate", f"--model={model}", f"--input={table}", f"--output={output}"]) == 2
        error = capsys.readouterr().err.strip()
        assert message in error and len(error.splitlines()) == 1
        assert not output.exists()


def test_bad_rows_can_be_left_out(
    classifier_directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown class and a row with too many cells are counted, and the first one met is named."""
    table = tmp_path / "dev.tsv"
    table.write_text("text\tlabel\na b\tgood\na c\tugly\na d\tbad\na\te\tbad\n")
    words = ["evaluate", f"--model={classifier_directory}", f"--input={table}", "--json"]
    assert cli.run(words) == 2
    assert "dev.tsv, line 5" in capsys.readouterr().err
    assert cli.run([*words, "--skip_bad_rows"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["examples"] == 2
    assert "2 rows left out; the first: " in captured.err and "dev.tsv, line 5" in captured.err


def test_several_labels_in_one_column_though_trained_on_a_column_each(tmp_path: Path) -> None:
    from mobilebert_tf.answering.fine_tuned import FineTuned
    from mobilebert_tf.tasks.multilabel import MultilabelTask

    (tmp_path / "dev.tsv").write_text("text\ttags\na\tx, y\nb\t\n")
    task = MultilabelTask(labels=("x", "y"), label_columns=("x", "y"))
    model = FineTuned(path="m", task=task, tokenizer=None, run=dict)  # type: ignore[arg-type]
    examples = model.reads(label_column="tags").read(tmp_path / "dev.tsv")
    assert [example.label for example in examples] == [(0, 1), ()]


def test_text_that_the_vocabulary_lacks_is_said_to_be_lost(export_directory, tmp_path: Path, capsys) -> None:
    table, model = tmp_path / "dev.csv", f"--model={export_directory / 'float32.tflite'}"
    table.write_text("text,label\nхорошо это,good\nплохо,bad\n", encoding="utf-8")
    assert cli.run(["evaluate", model, f"--input={table}"]) == 0
    printed = capsys.readouterr().err
    assert f"{table}: " in printed and "lost in [UNK]: the vocabulary of" in printed
    assert cli.run(["predict", model, "--text=хорошо это"]) == 0
    assert "--text: " in (printed := capsys.readouterr().err) and "lost in [UNK]" in printed
    assert cli.run(["predict", model, "--text=a good film that I liked very much \U0001f600"]) == 0
    assert "[UNK]" not in capsys.readouterr().err


@pytest.fixture
def scoring(export_directory: Path, labelled_table: Path) -> list[str]:
    """The command that scores an exported file, without --output."""
    return ["evaluate", f"--model={export_directory / 'float32.tflite'}", f"--input={labelled_table}"]


def test_answers_take_no_place_of_another_file(scoring, tmp_path: Path, complain) -> None:
    notes = tmp_path / "notes.csv"
    notes.write_text("mine\n")
    output = tmp_path / "run"
    words = [*scoring, f"--output={output}"]
    assert f"--predictions={notes}: exists" in complain(*words, f"--predictions={notes}")
    assert notes.read_text() == "mine\n"
    assert f"--predictions={tmp_path}: exists" in complain(*words, f"--predictions={tmp_path}")
    for place in (output, output / "run.json", output / "answers.jsonl"):
        assert "lies in --output" in complain(*words, f"--predictions={place}")
    assert not output.exists()


def test_figures_that_no_run_wrote_are_named(scoring, tmp_path: Path, complain) -> None:
    output = tmp_path / "run"
    words = [*scoring, f"--output={output}"]
    assert cli.run(words) == 0
    for content, what in (("{}", "evaluation is missing"), ('{"evaluation": {"accuracy": "high"}}', "accuracy")):
        (output / "metrics.json").write_text(content)
        line = complain(*words)
        assert "metrics.json: evaluation" in line and what in line and "give another --output" in line
