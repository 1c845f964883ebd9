"""Every command that loads a model checks the files beside it, and refuses weights and answers that are NaN."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.answering.fine_tuned import load_fine_tuned


def words(command: str, model: Path, table: Path) -> list[str]:
    more = {"predict": "--text=a b", "evaluate": f"--input={table}"}[command]
    return [command, f"--model={model}", more]


def write_labels(*labels: str) -> Callable[[Path], object]:
    return lambda place: (place / "labels.txt").write_text("".join(label + "\n" for label in labels))


def cut_vocabulary(place: Path) -> None:
    lines = (place / "vocab.txt").read_text().splitlines(keepends=True)
    (place / "vocab.txt").write_text("".join(lines[:-8]))


def swap_words(place: Path) -> None:
    """Swap two pieces, and remove the vocabulary's hash."""
    lines = (place / "vocab.txt").read_text().splitlines(keepends=True)
    lines[6], lines[20] = lines[20], lines[6]
    (place / "vocab.txt").write_text("".join(lines))
    rules = json.loads((place / "tokenizer.json").read_text())
    (place / "tokenizer.json").write_text(json.dumps({k: v for k, v in rules.items() if k != "vocab_sha256"}))


def tell_capitals_apart(place: Path) -> None:
    rules = json.loads((place / "tokenizer.json").read_text())
    (place / "tokenizer.json").write_text(json.dumps({**rules, "lower_case": False}))


def change(name: str, *places: str, value: object) -> Callable[[Path], object]:
    """A function that sets a field of a JSON file."""

    def changed(place: Path) -> None:
        content = json.loads((place / name).read_text())
        inner = content
        for key in places[:-1]:
            inner = inner[key]
        inner[places[-1]] = value
        (place / name).write_text(json.dumps(content))

    return changed


CONTRACT = "float32.contract.json"


def take_another_file(place: Path) -> None:
    shutil.copyfile(place / "dynamic_int8.tflite", place / "float32.tflite")


@pytest.mark.parametrize("command", ["predict", "evaluate"])
@pytest.mark.parametrize(
    "spoil, said",
    [
        (write_labels("bad", "good", "ugly"), "labels.txt: names 3 labels, float32.tflite has 2 outputs"),
        (write_labels("good", "bad"), "labels.txt: does not match float32.contract.json"),
        (cut_vocabulary, "vocab.txt: has 1,992 pieces, tokenizer.json beside it says vocab_size=2,000"),
        (swap_words, "vocab.txt: does not match float32.contract.json"),
        (tell_capitals_apart, "tokenizer.json: does not match float32.contract.json"),
        (take_another_file, "float32.tflite: does not match float32.contract.json"),
        (change("task.json", "temperature", value=3.0), "task.json: does not match float32.contract.json"),
        (change("task.json", "max_seq_length", value=40), "task.json: does not match float32.contract.json"),
        (change(CONTRACT, "answer", "temperature", value=3.0), "task.json: does not match float32.contract.json"),
        (change(CONTRACT, "task", value="qa"), "task.json: does not match float32.contract.json"),
        (change(CONTRACT, "text", "truncation", value="none"), "task.json: does not match float32.contract.json"),
        (change(CONTRACT, "schema", value=3), "has schema 3, this version reads 1 and 2; use the version that"),
        (lambda place: (place / CONTRACT).write_text("{}"), "has no 'schema'; export again"),
    ],
)
def test_a_file_beside_what_belongs_to_another(
    command: str, spoil, said: str, export_directory: Path, labelled_table: Path, tmp_path: Path, complain
) -> None:
    copy = shutil.copytree(export_directory, tmp_path / "copy")
    spoil(copy)
    assert said in complain(*words(command, copy / "float32.tflite", labelled_table))


def test_an_export_may_be_called_rejected(export_directory: Path, tmp_path: Path) -> None:
    """Elsewhere a directory of this name is inside an export, for files that missed their gate."""
    copy = shutil.copytree(export_directory, tmp_path / "rejected")
    assert cli.run(["predict", f"--model={copy / 'float32.tflite'}", "--text=a b"]) == 0
    inside = copy / "rejected"
    inside.mkdir()
    shutil.copyfile(copy / "float32.tflite", inside / "float32.tflite")
    assert cli.run(["predict", f"--model={inside / 'float32.tflite'}", "--text=a b"]) == 0


def test_a_file_without_its_contract_is_held_to_its_outputs(export_directory: Path, tmp_path: Path, complain) -> None:
    """Only the number of labels is checked, since nothing else is known."""
    copy = shutil.copytree(export_directory, tmp_path / "copy")
    (copy / "float32.contract.json").unlink()
    model = load_fine_tuned(str(copy / "float32.tflite"))
    assert model.task.labels == ("bad", "good")
    write_labels("only")(copy)
    line = complain("predict", f"--model={copy / 'float32.tflite'}", "--text=a")
    assert "labels.txt: names 1 label, float32.tflite has 2 outputs" in line


@pytest.mark.parametrize("command", ["predict", "evaluate", "export"])
def test_weights_that_are_no_numbers(
    command: str, classifier_directory: Path, labelled_table: Path, tmp_path: Path, complain
) -> None:
    copy = shutil.copytree(classifier_directory, tmp_path / "copy")
    with h5py.File(copy / "model.weights.h5", "r+") as file:
        file["classifier/dense/kernel"][0, 0] = np.nan
    if command == "export":
        line = complain("export", f"--model={copy}", f"--output={tmp_path / 'out'}")
        assert not (tmp_path / "out").exists()
    else:
        line = complain(*words(command, copy, labelled_table))
    assert f"{copy}: classifier/dense/kernel: 1 of 64 values are NaN or infinite, so the model is unusable" in line


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_sums_that_are_no_numbers(
    command: str, classifier_directory: Path, labelled_table: Path, tmp_path: Path, complain
) -> None:
    copy = shutil.copytree(classifier_directory, tmp_path / "copy")
    with h5py.File(copy / "model.weights.h5", "r+") as file:
        file["classifier/dense/kernel"][...] = 3e38
    line = complain(*words(command, copy, labelled_table), status=1)
    assert f"{copy}: gives logits that are NaN or infinite for " in line


@pytest.mark.parametrize("label", ["x\ny", "x\ry"])
def test_labels_that_are_no_lines(label: str, made: Path, tmp_path: Path, complain) -> None:
    table = tmp_path / "t.jsonl"
    table.write_text("".join(json.dumps({"text": "a", "label": text_label}) + "\n" for text_label in ("z", label)))
    line = complain("finetune", f"--model={made / 'student'}", f"--train={table}", f"--output={tmp_path / 'out'}")
    assert f"{table}, line 2: the label {label!r} has a line break" in line
    assert not (tmp_path / "out").exists()


def test_numbers_for_labels_are_told(
    classifier_directory: Path, labelled_table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(classifier_directory, tmp_path / "copy")
    (copy / "task.json").unlink()  # a model from elsewhere has none
    table = tmp_path / "dev.tsv"
    table.write_text(labelled_table.read_text().replace("\tbad\n", "\t0\n").replace("\tgood\n", "\t1\n"))
    captured = []
    for input_table in (labelled_table, table):
        assert cli.run(["evaluate", f"--model={copy}", f"--input={input_table}", "--json"]) == 0
        captured.append(capsys.readouterr())
    assert captured[0].out == captured[1].out and json.loads(captured[1].out)["examples"] == 60
    assert captured[0].err == ""
    assert captured[1].err.startswith(f"{table}: numeric labels are read in the model's order, 0 as bad, 1 as good;")
