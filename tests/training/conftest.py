"""Tiny records, tables and models for tests that run whole commands as processes."""

import random
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

WORDS = "the of a model layer tensor value shape returns input output with gradient loss step batch is was".split()


@pytest.fixture(scope="session")
def place(once) -> Path:
    return once("resume", prepared)


def prepared(place: Path) -> Path:
    """Records, a labelled table and a trained teacher, all tiny."""
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
    "finetune_best": dict(
        model="teacher",
        train="train.tsv",
        eval="train.tsv",
        max_seq_length=16,
        batch_size=8,
        epochs=5,
        steps_per_call=5,
        checkpoint_every=35,
        measure_every=5,
        learning_rate=3e-3,
        patience=9,
    ),
    "finetune_quantized": dict(
        model="classifier",
        train="train.tsv",
        quantization_aware="true",
        batch_size=8,
        epochs=3,
        steps_per_call=5,
        checkpoint_every=10,
    ),
}


def words(name, options):
    return [sys.executable, "-m", "mobilebert_tf", name, *(f"--{key}={value}" for key, value in options.items())]


def command(name, place, **options):
    process = subprocess.run(words(name, options), cwd=place, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return process.stdout


def weights(directory):
    by_name = {}
    with h5py.File(directory / "model.weights.h5") as file:
        file.visititems(lambda name, item: by_name.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return by_name


def assert_same_weights(one, other):
    one, other = weights(one), weights(other)
    assert len(one) > 20 and set(one) == set(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)
