"""A run that is killed and started again ends with the weights of one that was not, bit for bit."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

WORDS = "the of a model layer tensor value shape returns input output with gradient loss step batch is was".split()


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Records, a labelled table and a trained teacher, all tiny."""
    place = tmp_path_factory.mktemp("resume")
    draw = random.Random(0)

    def sentence():
        return " ".join(draw.choices(WORDS, k=draw.randint(4, 9))) + "."

    documents = ["\n".join(" ".join(sentence() for _ in range(3)) for _ in range(6)) for _ in range(30)]
    (place / "text.txt").write_text("\n\n".join(documents) + "\n")
    rows = [f"{label}\t{WORDS[label]} {sentence()}" for label in (0, 1) for _ in range(60)]
    (place / "train.tsv").write_text("label\ttext\n" + "\n".join(rows) + "\n")
    command("vocab", place, input="text.txt", output="vocab", size=100, min_frequency=1)
    command(
        "records",
        place,
        input="text.txt",
        vocab="vocab/vocab.txt",
        output="records",
        max_seq_length=32,
        max_predictions=5,
        dupe_factor=1,
        workers=1,
    )
    command("pretrain", place, output="teacher", **TRAINING["pretrain"])
    return place


TRAINING = {
    "pretrain": dict(
        records="records", model="debug_teacher", steps=60, batch_size=8, steps_per_call=5, checkpoint_every=10
    ),
    "distill": dict(
        records="records",
        teacher="teacher",
        student="debug_student",
        transfer_steps=20,
        distillation_steps=30,
        batch_size=8,
        steps_per_call=5,
        checkpoint_every=10,
    ),
    "finetune": dict(
        model="teacher",
        train="train.tsv",
        max_seq_length=16,
        batch_size=8,
        epochs=5,
        steps_per_call=5,
        checkpoint_every=10,
    ),
}


def words(name, options):
    return [sys.executable, "-m", "mobilebert_tf", name, *(f"--{key}={value}" for key, value in options.items())]


def command(name, place, **options):
    done = subprocess.run(words(name, options), cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def killed_after(place, name, rows, options):
    """Start the command and kill it once its log has so many rows and a little more time has passed."""
    process = subprocess.Popen(words(name, options), cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = place / options["output"] / "log.jsonl"
    while process.poll() is None:
        if log.exists() and len(log.read_text().splitlines()) >= rows:
            time.sleep(random.random() * 0.3)
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    process.wait()


def weights(directory):
    found = {}
    with h5py.File(directory / "model.weights.h5") as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def assert_same_weights(one, other):
    one, other = weights(one), weights(other)
    assert len(one) > 20 and set(one) == set(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pretrain", "distill", "finetune"])
def test_killed_and_resumed_equals_undisturbed(place, name):
    undisturbed = place / "teacher" if name == "pretrain" else place / f"{name}-undisturbed"
    if name != "pretrain":
        command(name, place, output=undisturbed.name, **TRAINING[name])
    options = {"output": f"{name}-killed", **TRAINING[name]}
    killed_after(place, name, 3, options)
    killed_after(place, name, 8, options)
    out = command(name, place, **options)
    assert "wrote" in out
    assert_same_weights(undisturbed, place / f"{name}-killed")
    # The log is that of one run too: every row once, in order, the same numbers.
    logs = [[json.loads(line) for line in open(d / "log.jsonl")] for d in (undisturbed, place / f"{name}-killed")]
    for row in (*logs[0], *logs[1]):
        row.pop("steps_per_second")
    assert logs[0] == logs[1]
    # And now it is finished: the same command does nothing.
    assert "skipped" in command(name, place, **options)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_signal_saves_and_exits(place, number):
    options = {"output": f"polite-{number}", **TRAINING["pretrain"], "checkpoint_every": 1000}
    process = subprocess.Popen(
        words("pretrain", options), cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    log = place / options["output"] / "log.jsonl"
    while not (log.exists() and log.read_text().count("\n") >= 2):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert f"stopped by {signal.Signals(number).name} at step" in errors.splitlines()[-1] and "Traceback" not in errors
    command("pretrain", place, **options)
    assert_same_weights(place / "teacher", place / options["output"])
