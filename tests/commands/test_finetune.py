"""What `finetune` says of what it chose, and of a score that is worth nothing."""

import json
from pathlib import Path

import pytest

from mobilebert_tf import cli


def test_what_was_chosen_is_said(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["finetune", f"--model={made / 'student'}", f"--train={made / 'train.tsv'}", "--max_seq_length=16"]
    assert cli.run([*words, f"--output={tmp_path / 'a'}", "--epochs=2", "--batch_size=8"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert "6 steps of 8, learning rate 0.00" in first and "(chosen by the size of the model)" in first
    assert cli.run([*words, f"--output={tmp_path / 'b'}", "--batch_size=8", "--learning_rate=1e-4"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    # 24 rows are passed a hundred times.
    assert "300 steps of 8 (chosen by the size of the table), learning rate 0.0001" in first


def test_scores_are_taken_on_the_way(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every so many steps, in progress, log and TensorBoard; what is trained is the same to the bit."""
    words = ["finetune", f"--model={made / 'student'}", f"--train={made / 'train.tsv'}", f"--eval={made / 'train.tsv'}"]
    words += ["--max_seq_length=16", "--batch_size=4", "--epochs=2", "--steps_per_call=2"]
    weights = []
    for every, steps in ((4, [0, 4, 8, 12]), (1000, [0, 12])):
        output = tmp_path / f"{every}"
        assert cli.run([*words, f"--measure_every={every}", f"--output={output}"]) == 0
        rows = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
        measured = [row for row in rows if "held_out/accuracy" in row]
        assert [row["step"] for row in measured] == steps and all(row["held_out/loss"] > 0 for row in measured)
        score = json.loads((output / "metrics.json").read_text())["evaluation"]
        # The log has six digits; all 24 rows are within the 512.
        assert measured[-1]["held_out/accuracy"] == pytest.approx(score["accuracy"], rel=1e-5)
        assert measured[-1]["held_out/loss"] == pytest.approx(score["loss"], rel=1e-5)
        told = capsys.readouterr().err
        assert [f"step {step}/12, held out: accuracy " in told for step in (0, 4, 8, 12)] == [
            s in steps for s in (0, 4, 8, 12)
        ]
        events = b"".join(path.read_bytes() for path in (output / "tensorboard").rglob("events*"))
        assert events.count(b"held_out/accuracy") == len(steps)
        weights.append((output / "model.weights.h5").read_bytes())
    assert weights[0] == weights[1]
