"""What `finetune` says of what it chose, and of a score that is worth nothing."""

from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.commands import finetune
from mobilebert_tf.training.schedules import Schedule
from mobilebert_tf.training.stage import Stage

STAGE = Stage(name="finetune", index=0, steps=10, batch_size=4, schedule=Schedule(peak=2e-4, steps=10))


@pytest.mark.parametrize(
    "accuracy, examples, guessing",
    [(0.5, 100, True), (0.59, 100, True), (0.61, 100, False), (0.53, 10_000, False), (0.4, 10_000, True)],
)
def test_a_score_that_cannot_be_told_from_guessing(accuracy: float, examples: int, guessing: bool) -> None:
    """Two binomial deviations of a half: 10 points for 100 examples, 1 for 10,000."""
    scores = {"accuracy": accuracy, "majority_accuracy": 0.5, "examples": examples}
    advice = finetune._if_no_better_than_guessing(scores, STAGE)
    assert bool(advice) == guessing
    assert not guessing or "--learning_rate=0.0006" in advice


def test_what_was_chosen_is_said(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["finetune", f"--model={made / 'student'}", f"--train={made / 'train.tsv'}", "--max_seq_length=16"]
    assert cli.run([*words, f"--output={tmp_path / 'a'}", "--epochs=2", "--batch_size=8"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert "6 steps of 8, learning rate 0.00" in first and "(chosen by the size of the model)" in first
    assert cli.run([*words, f"--output={tmp_path / 'b'}", "--batch_size=8", "--learning_rate=1e-4"]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    # 24 rows are passed a hundred times.
    assert "300 steps of 8 (chosen by the size of the table), learning rate 0.0001" in first
