"""`finetune`: chosen settings, scores during training, kept weights, frozen parts and refused changes."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli

from .conftest import Complain


def test_what_was_chosen_is_said(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "finetune",
        f"--model={made / 'student'}",
        f"--train={made / 'train.tsv'}",
        "--max_seq_length=16",
        "--eval=none",
    ]
    assert cli.run([*words, f"--output={tmp_path / 'a'}", "--epochs=2", "--batch_size=8"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert "6 steps of 8, learning rate 0.00" in first and "(chosen by model and table)" in first
    assert cli.run([*words, f"--output={tmp_path / 'b'}", "--batch_size=8", "--learning_rate=1e-4"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    # A hundred epochs of 24 rows.
    assert "300 steps of 8 (chosen by the size of the table), learning rate 0.0001" in first


def test_scores_are_taken_on_the_way(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scores appear at the chosen steps in progress, log and TensorBoard; the trained weights are bit-identical."""
    words = ["finetune", f"--model={made / 'student'}", f"--train={made / 'train.tsv'}", f"--eval={made / 'train.tsv'}"]
    words += ["--max_seq_length=16", "--batch_size=4", "--epochs=2", "--steps_per_call=2", "--keep=last"]
    weights = []
    for every, steps in ((4, [0, 4, 8, 12]), (1000, [0, 12])):
        output = tmp_path / f"{every}"
        assert cli.run([*words, f"--measure_every={every}", f"--output={output}"]) == 0
        rows = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
        measured = [row for row in rows if "held_out/accuracy" in row]
        assert [row["step"] for row in measured] == steps and all(row["held_out/loss"] > 0 for row in measured)
        score = json.loads((output / "metrics.json").read_text())["evaluation"]
        # The log has six digits; all 24 rows are measured, as up to 512 are.
        assert measured[-1]["held_out/accuracy"] == pytest.approx(score["accuracy"], rel=1e-5)
        assert measured[-1]["held_out/loss"] == pytest.approx(score["loss"], rel=1e-5)
        printed = capsys.readouterr().err
        assert [f"step {step}/12, held out: accuracy " in printed for step in (0, 4, 8, 12)] == [
            s in steps for s in (0, 4, 8, 12)
        ]
        events = b"".join(path.read_bytes() for path in (output / "tensorboard").rglob("events*"))
        assert events.count(b"held_out/accuracy") == len(steps)
        weights.append((output / "model.weights.h5").read_bytes())
    assert weights[0] == weights[1]


def finetuned(made: Path, output: Path, *words: str) -> dict:
    """Fine-tune for twelve steps on 24 rows, measured on the same rows every second step: its metrics."""
    tables = [f"--train={made / 'train.tsv'}", f"--eval={made / 'train.tsv'}", "--max_seq_length=16"]
    short = ["--batch_size=4", "--steps_per_call=2", "--measure_every=2", "--epochs=2", "--learning_rate=5e-3"]
    assert cli.run(["finetune", f"--model={made / 'student'}", f"--output={output}", *tables, *short, *words]) == 0
    return json.loads((output / "metrics.json").read_text())


def measured(output: Path) -> dict[int, tuple[float, float]]:
    """Accuracy and negative loss by step, from the log: the larger the better."""
    rows = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    return {r["step"]: (r["held_out/accuracy"], -r["held_out/loss"]) for r in rows}


def test_the_best_weights_are_kept(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The best step by the log's figures is kept, metrics name it, and the written weights have the score claimed."""
    metrics = finetuned(made, tmp_path / "best")
    course = measured(tmp_path / "best")
    kept = metrics["kept"]
    assert list(course) == [0, 2, 4, 6, 8, 10, 12] and kept["measurements"] == 7
    step = max(course, key=lambda step: course[step])
    assert 1 < len(set(course.values())) and (kept["weights"], kept["step"]) == ("best", step)
    assert kept["score"] == metrics["evaluation"]["accuracy"] == pytest.approx(course[step][0], rel=1e-5)
    assert kept["last_score"] == pytest.approx(course[12][0], rel=1e-5)
    assert kept["measured_examples"] == kept["evaluation_examples"] == 24
    printed = capsys.readouterr().out
    assert "best of 7 measured: accuracy" in printed and "on all 24 rows that are scored" in printed
    last = finetuned(made, tmp_path / "last", "--keep=last")
    assert measured(tmp_path / "last") == course
    assert last["kept"] == {"weights": "last", "step": 12, "trained_steps": 12, "planned_steps": 12}
    assert last["evaluation"]["accuracy"] == pytest.approx(course[12][0], rel=1e-5)
    assert cli.run(["evaluate", f"--model={tmp_path / 'best'}", f"--input={made / 'train.tsv'}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["accuracy"] == kept["score"]


def test_patience_ends_early(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At a rate of zero the first measurement, before any step, stays the best."""
    kept = finetuned(made, tmp_path / "out", "--learning_rate=0", "--patience=2")["kept"]
    assert (kept["step"], kept["trained_steps"], kept["planned_steps"]) == (0, 4, 12)
    assert "ended early, at step 4 of 12; kept the weights of step 0 of 4" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, message",
    [
        (["--keep=best", "--eval=none"], "--keep=best: needs scores on the way; leave --eval=none out"),
        (["--patience=3", "--eval=none"], "--patience=3: needs scores on the way; leave --eval=none out"),
        (["--patience=3", "--keep=last", "--eval"], "--patience=3: keeps the best weights; leave --keep=last out"),
    ],
)
def test_what_does_not_go_together(words: list[str], message: str, made: Path, complain: Complain, tmp_path) -> None:
    table = made / "train.tsv"
    words = [f"--eval={table}" if word == "--eval" else word for word in words]
    output = tmp_path / "out"
    line = complain("finetune", f"--model={made / 'student'}", f"--train={table}", f"--output={output}", *words)
    assert message in line and not output.exists()


def weights(directory: Path) -> dict:
    from mobilebert_tf.weights_file import WeightsFile

    file = WeightsFile(directory / "model.weights.h5")
    return {name: file.read(name) for name in file.shapes}


def test_frozen_parts_stay_and_lower_ones_move_less(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one step of Adam the weight of each part that moves most moves by that part's rate."""
    words = ["finetune", f"--model={made / 'student'}", f"--train={made / 'train.tsv'}", "--max_seq_length=16"]
    words += ["--batch_size=24", "--epochs=1", "--learning_rate=1e-3", "--warmup_proportion=0", "--weight_decay=0"]
    words += ["--keep=last"]
    before = weights(made / "student")
    for flag, factors in {
        "--freeze=embeddings,block_0": {"embeddings": 0.0, "block_0": 0.0, "block_1": 1.0},
        "--layer_decay=0.5": {"embeddings": 0.125, "block_0": 0.25, "block_1": 0.5},
    }.items():
        output = tmp_path / flag
        assert cli.run([*words, flag, f"--output={output}"]) == 0
        after = weights(output)
        for part, factor in factors.items():
            moved = [np.abs(after[name] - before[name]).max() for name in after if name.startswith(f"{part}/")]
            # Weights near one have float32 steps of 6e-8; Adam adds an epsilon of 1e-6 to the gradient's size.
            assert max(moved) == pytest.approx(1e-3 * factor, rel=2e-2) and len(moved) > 3
    printed = capsys.readouterr().out
    assert "of them are trained; embeddings, block_0 stay as they are" in printed


def test_accumulated_batches_are_one_large_batch(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Compare three batches of eight with one of 24, in a model without dropout."""
    from mobilebert_tf.model_directory import load_model_directory, save_model_directory
    from mobilebert_tf.models import build_model

    loaded = load_model_directory(made / "student")
    none = {name: 0.0 for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout_prob")}
    model = build_model(dataclasses.replace(loaded.config, **none), loaded.model.heads)
    for source, target in zip(loaded.model.trainable_weights, model.trainable_weights, strict=True):
        target.assign(source)
    save_model_directory(tmp_path / "student", model, loaded.tokenizer)
    words = ["finetune", f"--model={tmp_path / 'student'}", f"--train={made / 'train.tsv'}", "--max_seq_length=16"]
    words += ["--epochs=6", "--learning_rate=1e-3", "--eval=none"]
    for name, flags in {"one": ["--batch_size=24"], "three": ["--batch_size=8", "--accumulate_steps=3"]}.items():
        assert cli.run([*words, *flags, f"--output={tmp_path / name}"]) == 0
        assert "6 steps of 24" in capsys.readouterr().out
    one, three, before = (weights(tmp_path / name) for name in ("one", "three", "student"))
    for name in before.keys() & one.keys():
        # Six steps of Adam at 1e-3, which turns the rounding of a tiny gradient into a visible part of a step.
        np.testing.assert_allclose(three[name], one[name], atol=2e-4)
    assert max(np.abs(one[name] - before[name]).max() for name in before if name in one) > 2e-3


def test_a_finished_run_takes_no_change_that_trains_nothing(made: Path, tmp_path: Path, complain: Complain) -> None:
    """The record would name a rate that was never used; and rows that were trained on must not be scored later."""
    words = ["finetune", f"--model={made / 'student'}", f"--train={made / 'train.tsv'}", "--eval=none"]
    words += ["--max_seq_length=16", "--batch_size=8", f"--output={tmp_path / 'a'}", "--accept_changes"]
    assert cli.run([*words, "--epochs=1"]) == 0
    files = {path: path.read_bytes() for path in (tmp_path / "a").iterdir() if path.is_file()}
    for changed in (["--epochs=0.5"], ["--epochs=1", "--learning_rate=0.5"], ["--epochs=1", "--pooling=mean"]):
        line = complain(*words, *changed)
        assert "is finished, so another --" in line and "ask for more --epochs" in line
    scored = [word for word in words if not word.startswith("--eval=")]
    line = complain(*scored, "--epochs=2", f"--eval={made / 'train.tsv'}")
    assert "has trained already, so --eval must stay as it was; `evaluate` scores it on other tables" in line
    line = complain(*scored, "--epochs=2")
    assert "has trained already, so --eval must stay as it was" in line, "rows that it has learned would be held out"
    (tmp_path / "other.tsv").write_text((made / "train.tsv").read_text().replace("\ta\n", "\tz\n"))
    others = [word for word in words if not word.startswith("--train=")]
    assert "--train must stay as it was" in complain(*others, f"--train={tmp_path / 'other.tsv'}", "--epochs=2")
    assert "--from_scratch must stay as it was" in complain(*words, "--epochs=2", "--from_scratch")
    assert {path: path.read_bytes() for path in files} == files
    assert cli.run([*words, "--epochs=2", "--learning_rate=1e-3"]) == 0
    assert (tmp_path / "a" / "model.weights.h5").read_bytes() != files[tmp_path / "a" / "model.weights.h5"]


def test_the_length_is_that_of_the_whole_table(made: Path, tmp_path: Path) -> None:
    """The length does not depend on which few rows are trained on, since the others are scored."""
    word = (made / "train.tsv").read_text().splitlines()[1].split()[0]
    rows = [f"{' '.join([word] * (40 if i % 4 == 0 else 2))}\t{'ab'[i % 2]}\n" for i in range(40)]
    (tmp_path / "table.tsv").write_text("text\tlabel\n" + "".join(rows))
    lengths = []
    for seed in range(3):
        output = tmp_path / f"{seed}"
        words = ["finetune", f"--model={made / 'student'}", f"--train={tmp_path / 'table.tsv'}", "--train_rows=2"]
        assert cli.run([*words, "--eval=none", "--epochs=1", f"--seed={seed}", f"--output={output}"]) == 0
        assert json.loads((output / "metrics.json").read_text())["training_examples"] == 2
        lengths.append(json.loads((output / "task.json").read_text())["max_seq_length"])
    assert lengths == [lengths[0]] * 3 and lengths[0] >= 40
