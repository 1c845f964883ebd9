"""`finetune --min_precision`, and its threshold in answers, in the exported file and in the contract."""

import json
import shutil
from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.tasks.task import NONE

from .conftest import Complain

pytestmark = pytest.mark.usefixtures("timed_here")


@pytest.fixture(scope="module")
def table(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 120 rows, an eighth of whose labels are wrong."""
    rows = (made / "train.tsv").read_text().splitlines()
    rows = [rows[0]] + [row if i % 4 else row[:-1] + "ab"[i % 8 // 4] for i, row in enumerate(rows[1:] * 5)]
    path = tmp_path_factory.mktemp("table") / "noisy.tsv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_from_training_to_answers(made: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out"
    words = ["finetune", f"--model={made / 'student'}", f"--train={table}", f"--eval={table}", f"--output={output}"]
    assert cli.run([*words, "--max_seq_length=16", "--epochs=3", "--min_precision=0.9", "--learning_rate=1e-3"]) == 0
    printed = capsys.readouterr().out
    task = json.loads((output / "task.json").read_text())
    scores = json.loads((output / "metrics.json").read_text())["evaluation"]
    assert 0.5 < task["threshold"] < 1 and f"minimum probability {task['threshold']:.3g}, chosen on it" in printed
    assert scores["accuracy"] < 0.9 <= scores["answered_accuracy"] and 0 < scores["answered"] < 1
    assert (
        f"{scores['answered']:.1%} of the scored rows get a class, "
        f"and {scores['answered_accuracy']:.1%} of these are right" in printed
    )
    assert cli.run(["predict", f"--model={output}", f"--input={table}", "--json"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    declined = [answer for answer in answers if answer["label"] == NONE]
    assert len(declined) == round(120 * (1 - scores["answered"]))
    assert all((answer["probability"] < task["threshold"]) == (answer["label"] == NONE) for answer in answers)
    assert cli.run(["predict", f"--model={output}", f"--text={declined[0]['text']}"]) == 0
    line = capsys.readouterr().out.splitlines()[0]
    # Both classes follow it, with their probabilities.
    assert line.startswith(f"{NONE}  ") and "a " in line and ", " in line and line.count("%") == 3
    assert cli.run(["evaluate", f"--model={output}", f"--input={table}"]) == 0
    printed = capsys.readouterr().out
    assert (
        f"{scores['answered']:.1%}" in printed
        and "accuracy of those answered" in printed
        and "mean risk over coverage" in printed
    )


def test_file_and_contract(
    classifier_directory: Path, labelled_table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], resigned
) -> None:
    """File and contract apply the threshold; `verify` finds a contract with another threshold."""
    model, output = Path(shutil.copytree(classifier_directory, tmp_path / "model")), tmp_path / "exported"
    text = labelled_table.read_text().splitlines()[1].split("\t")[0]
    task = json.loads((model / "task.json").read_text())
    # The threshold divides the table's rows into two halves by probability.
    cli.run(["predict", f"--model={model}", f"--input={labelled_table}", "--json"])
    likely = sorted(json.loads(line)["probability"] for line in capsys.readouterr().out.splitlines())
    threshold = (likely[29] + likely[30]) / 2
    (model / "task.json").write_text(json.dumps({**task, "threshold": threshold}))
    words = ["export", f"--model={model}", f"--evaluation={labelled_table}", f"--output={output}", "--rounds=1"]
    words += ["--runs=1", "--sequence_lengths=48", "--recipes=float32,mediapipe"]
    words.append(f"--contract_examples={labelled_table}")
    assert cli.run(words) == 0
    contract = json.loads((output / "float32.contract.json").read_text())
    assert contract["answer"]["threshold"] == threshold
    for example in contract["examples"]:
        assert (example["answer"] is None) == (max(example["probabilities"]) < threshold)
    assert {example["answer"] is None for example in contract["examples"]} == {True, False}
    # The MediaPipe file has its softmax inside, without a temperature, so the threshold does not apply.
    assert json.loads((output / "mediapipe.contract.json").read_text())["answer"]["threshold"] is None
    report = json.loads((output / "report.json").read_text())
    # MediaPipe's file gives probabilities; a second softmax would put all of them below the threshold.
    assert [row["parity"]["decision_agreement"] for row in report["variants"]] == [1.0, 1.0]
    rows = {row["name"]: row["metrics"] for row in report["variants"]}
    assert rows["float32"]["answered"] == report["keras"]["answered"] == pytest.approx(0.5)
    for metrics in (rows["float32"], rows["mediapipe"], report["keras"]):
        assert 0 < metrics["risk_coverage_area"] < 1 and 0 <= metrics["coverage_at_1"] <= metrics["coverage_at_5"] <= 1
    capsys.readouterr()
    for place in (model, output / "float32.tflite"):
        assert cli.run(["predict", f"--model={place}", f"--text={text}"]) == 0
    # Each answer is followed by two labels with their bars.
    keras, _, _, file, _, _ = capsys.readouterr().out.splitlines()
    assert keras.split()[0] == file.split()[0]
    assert cli.run(["export", "verify", str(output)]) == 0

    def moved(copy: Path) -> None:
        path = copy / "float32.contract.json"
        content = json.loads(path.read_text())
        content["answer"]["threshold"] = 0.999
        path.write_text(json.dumps(content))

    capsys.readouterr()
    assert cli.run(["export", "verify", str(resigned(output, moved))]) == 1
    assert "the answer to" in capsys.readouterr().out


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--min_precision=0.9"], "--min_precision=0.9: needs at least 100 labelled rows; give --eval"),
        (["--min_precision=0.9", "--task=multilabel"], "is for --task=classification, not for multilabel"),
        (["--min_precision=1.5"], "--min_precision=1.5: must be at most 1"),
    ],
)
def test_what_is_refused(flags: list[str], message: str, made: Path, complain: Complain, tmp_path: Path) -> None:
    output, table = tmp_path / "out", made / "train.tsv"
    words = ["finetune", f"--model={made / 'student'}", f"--train={table}", f"--eval={table}", f"--output={output}"]
    assert message in complain(*words, *flags) and not output.exists()


def test_a_class_of_that_name(made: Path, table: Path, complain: Complain, tmp_path: Path) -> None:
    path = tmp_path / "named.tsv"
    path.write_text(table.read_text().replace("\tb\n", f"\t{NONE}\n"))
    words = ["finetune", f"--model={made / 'student'}", f"--train={path}", f"--eval={path}"]
    line = complain(*words, f"--output={tmp_path / 'out'}", "--min_precision=0.9")
    assert f"there is already a class {NONE!r}" in line
