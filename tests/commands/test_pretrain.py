"""`pretrain`: its schedule, and resuming after a kill."""

import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.commands.pretrain import Pretrain


@pytest.mark.parametrize("steps, warmup", [(900, 90), (100_000, 10_000), (500_000, 10_000), (5, 0)])
def test_the_rate_comes_down_again_however_few_the_steps(steps: int, warmup: int) -> None:
    """BERT's warm-up of 10,000 steps would take up the whole of a short run."""
    schedule = Pretrain(output="x", records="x", steps=steps)._schedule()
    assert schedule.warmup_steps == warmup
    assert float(schedule.at(steps - 1)) < 0.21 * schedule.peak
    assert float(schedule.at(warmup)) == pytest.approx(schedule.peak, rel=1e-4)


KILLED = """
import os, signal, sys
from mobilebert_tf import cli, quiet
quiet.start_tensorflow()
from mobilebert_tf.training.checkpoints import Checkpoints
save = Checkpoints.save
def killed(self, step):
    save(self, step)
    os.kill(os.getpid(), signal.SIGKILL)
Checkpoints.save = killed
cli.run(sys.argv[1:])
"""


@pytest.mark.traced
def test_killed_after_a_checkpoint_and_resumed_equals_undisturbed(made: Path, tmp_path: Path) -> None:
    """Weights are bit-identical, and the log has every step once. Slow tests kill all trainings at random moments."""
    student = tmp_path / "student"
    words = json.loads((made / "student" / "run.json").read_text())["options"]
    words = [f"--{name}={value}" for name, value in words.items() if value is not None and name != "output"]
    command = ["pretrain", *words, f"--output={student}"]
    process = subprocess.run([sys.executable, "-c", KILLED, *command], capture_output=True, text=True)
    assert process.returncode == -9, process.stderr
    assert not (student / "model.weights.h5").exists()
    assert cli.run(command) == 0

    journal = [json.loads(line) for line in (student / "journal.jsonl").read_text().splitlines()]
    assert ("resumed", 2) in [(line["event"], line["step"]) for line in journal]
    resumed, undisturbed = weights(student), weights(made / "student")
    assert len(resumed) > 20 and set(resumed) == set(undisturbed)
    for name, values in resumed.items():
        np.testing.assert_array_equal(values, undisturbed[name], err_msg=name)
    logs = [[json.loads(line) for line in open(directory / "log.jsonl")] for directory in (made / "student", student)]
    for row in (*logs[0], *logs[1]):
        row.pop("steps_per_second")
    assert logs[0] == logs[1] and [row["step"] for row in logs[0]] == sorted({row["step"] for row in logs[0]})


def weights(directory: Path) -> dict[str, np.ndarray]:
    by_name: dict[str, np.ndarray] = {}
    with h5py.File(directory / "model.weights.h5") as file:
        file.visititems(lambda name, item: by_name.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return by_name
