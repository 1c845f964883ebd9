"""Classifiers of two texts, from a table to files: the head reads the same wherever the model goes."""

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.checkpoints.conversion import open_checkpoint
from mobilebert_tf.model_directory import load_model_directory

from ..conftest import write_classifier
from .conftest import Complain


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose head reads means, and a table of pairs, which are alike if they have a letter in common."""
    place = tmp_path_factory.mktemp("pairs")
    write_classifier(place / "model", classifier_pooling="mean", num_hidden_layers=1, num_feedforward_networks=1)
    draw = random.Random(0)
    lines = ["first\tsecond\tlabel\n"]
    for _ in range(64):
        first, second = (draw.choices("abcdefgh", k=draw.randint(1, 5)) for _ in range(2))
        lines.append(f"{' '.join(first)}\t{' '.join(second)}\t{'alike' if set(first) & set(second) else 'other'}\n")
    (place / "pairs.tsv").write_text("".join(lines))
    return place


def train(pairs: Path, output: Path, *more: str) -> int:
    words = ["finetune", f"--model={pairs / 'model'}", f"--train={pairs / 'pairs.tsv'}", "--text_column=first"]
    words += ["--eval=none", "--max_seq_length=16", "--batch_size=16", "--epochs=1", f"--output={output}"]
    return cli.run([*words, *more])


@pytest.fixture(scope="module")
def trained(pairs: Path) -> Path:
    assert train(pairs, pairs / "trained", "--text_pair_column=second") == 0
    return pairs / "trained"


def test_a_head_that_reads_means_reads_one_of_each_text(trained: Path, pairs: Path, tmp_path: Path) -> None:
    assert open_checkpoint(trained).config.classifier_pooling == "pair"
    kernel = load_model_directory(trained).model.classifier.dense.kernel
    assert kernel.shape == (4 * open_checkpoint(trained).config.hidden_size, 2)
    assert train(pairs, tmp_path / "one", f"--model={trained}", "--task=classification") == 0
    assert open_checkpoint(tmp_path / "one").config.classifier_pooling == "mean", "of one text there is one"


def test_a_flag_decides(pairs: Path, tmp_path: Path, complain: Complain) -> None:
    assert train(pairs, tmp_path / "mean", "--text_pair_column=second", "--pooling=mean") == 0
    assert open_checkpoint(tmp_path / "mean").config.classifier_pooling == "mean"
    words = ["finetune", f"--model={pairs / 'model'}", f"--train={pairs / 'pairs.tsv'}", "--text_column=first"]
    assert "--pooling=pair: is for two texts; --text_pair_column names" in complain(
        *words, "--pooling=pair", f"--output={tmp_path / 'none'}"
    )


def test_files_answer_as_the_model_does(trained: Path, pairs: Path, tmp_path: Path) -> None:
    words = ["export", f"--model={trained}", f"--evaluation={pairs / 'pairs.tsv'}", f"--output={tmp_path / 'out'}"]
    words += ["--recipes=float32,float16,dynamic_int8,static_int8", "--sequence_lengths=8,16", "--rounds=1", "--runs=1"]
    assert cli.run([*words, "--max_error=0.2", "--min_agreement=0.9"]) == 0
    assert cli.run(["export", "verify", str(tmp_path / "out")]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    errors = {variant["file"]: variant["parity"]["max_relative_error"] for variant in report["variants"]}
    assert errors["float32.tflite"] < 1e-4 and errors["dynamic_int8.tflite"] < 0.1, errors


@pytest.mark.parametrize("kind", ["huggingface", "tf1"])
def test_other_kinds_of_files_keep_it(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    converted, back = tmp_path / "there", tmp_path / "back"
    assert cli.run(["convert", f"--input={trained}", f"--to={kind}", f"--output={converted}"]) == 0
    assert "nothing there has such a head, or loads it" in capsys.readouterr().out
    shutil.copy(trained / "task.json", converted)
    assert cli.run(["convert", f"--input={converted}", f"--output={back}"]) == 0
    before, after = (load_model_directory(directory).model.trainable_weights for directory in (trained, back))
    assert all(np.array_equal(old, new) for old, new in zip(before, after, strict=True))
    assert open_checkpoint(back).config.classifier_pooling == "pair"
