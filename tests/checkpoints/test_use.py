"""Commands that take a model directory also take a Hugging Face directory and a TF1 checkpoint."""

import json
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli, load_model_directory


@pytest.fixture(scope="module", params=["huggingface", "tf1"])
def elsewhere(request, classifier_directory: Path, tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("elsewhere") / request.param
    flags = [f"--input={classifier_directory}", f"--output={directory}", f"--to={request.param}"]
    assert cli.run(["convert", *flags]) == 0
    return directory


def test_python_loads_it(elsewhere: Path, classifier_directory: Path):
    own, foreign = load_model_directory(classifier_directory), load_model_directory(elsewhere)
    assert own.task == foreign.task and own.tokenizer == foreign.tokenizer
    ids = np.arange(1, 41, dtype=np.int32).reshape(2, 20)
    inputs = {"input_ids": ids, "input_mask": np.ones_like(ids), "segment_ids": 0 * ids}
    np.testing.assert_array_equal(own.model(inputs), foreign.model(inputs))


def test_evaluate_gives_the_same_score(elsewhere: Path, classifier_directory: Path, labelled_table: Path, tmp_path):
    scores = []
    for model in (classifier_directory, elsewhere):
        output = tmp_path / model.name
        assert cli.run(["evaluate", f"--model={model}", f"--input={labelled_table}", f"--output={output}"]) == 0
        scores.append(json.loads((output / "metrics.json").read_text()))
    assert scores[0]["evaluation"] == scores[1]["evaluation"]


def test_finetune_starts_from_it(elsewhere: Path, labelled_table: Path, tmp_path):
    flags = [f"--model={elsewhere}", f"--train={labelled_table}", f"--output={tmp_path / 'tuned'}"]
    assert cli.run(["finetune", *flags, "--max_seq_length=24", "--epochs=1", "--learning_rate=0"]) == 0
    before, after = load_model_directory(elsewhere).model, load_model_directory(tmp_path / "tuned").model
    for one, other in zip(before.encoder.trainable_weights, after.encoder.trainable_weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_export_takes_it(elsewhere: Path, export_directory: Path, tmp_path, labelled_table: Path):
    flags = [f"--model={elsewhere}", f"--output={tmp_path / 'app'}", f"--evaluation={labelled_table}"]
    more = ["--sequence_lengths=48,16", "--recipes=float32", "--rounds=1", "--runs=3"]
    assert cli.run(["export", *flags, *more]) == 0
    assert (tmp_path / "app" / "float32.tflite").read_bytes() == (export_directory / "float32.tflite").read_bytes()
