"""Float16 arithmetic, run on processors that may compute in float32 instead."""

import json

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.export.make import variants
from mobilebert_tf.litert.half import half_outputs
from mobilebert_tf.litert.runtime import TfliteModel
from mobilebert_tf.litert.runtime_process import SeparateModel


@pytest.fixture(scope="module")
def features(classifier_directory, labelled_table):
    from mobilebert_tf.tasks.files import load_task_files

    tokenizer, task = load_task_files(classifier_directory)
    return task.features(task.read(labelled_table), tokenizer)


@pytest.fixture(scope="module")
def in_half(export_directory, features):
    outputs = half_outputs(export_directory / "float32.tflite", features, 48)
    if outputs is None:
        pytest.skip("XNNPACK does not compute in float16 on this processor")
    return outputs


def test_numbers_are_those_of_float16(export_directory, features, in_half):
    exact = TfliteModel(export_directory / "float32.tflite").run(features, 48)["logits"]
    error = np.abs(in_half["logits"] - exact).max() / np.abs(exact).max()
    # float16 has 11 bits: an error of 5e-4 in each of some twenty successive operations.
    assert 1e-5 < error < 2e-2
    # The results themselves are float16 values.
    np.testing.assert_array_equal(in_half["logits"], in_half["logits"].astype(np.float16).astype(np.float32))


def test_where_float32_is_computed_all_the_same_nothing_is_said(export_directory, features, monkeypatch):
    monkeypatch.setattr(SeparateModel, "in_half", lambda self, *rest: TfliteModel(self.path).run(*rest))
    assert half_outputs(export_directory / "float32.tflite", features, 48) is None


def test_a_file_that_float16_would_spoil_does_not_allow_it(
    classifier_directory, labelled_table, tmp_path, monkeypatch, in_half
):
    def spoiled(path, features, length):
        values = half_outputs(path, features, length)
        return values and {name: -array for name, array in values.items()}

    words = ["export", f"--model={classifier_directory}", f"--evaluation={labelled_table}", "--recipes=float16"]
    words += ["--sequence_lengths=16,48", "--rounds=1", "--runs=1"]
    contracts = []
    for name, outputs in (("allowed", half_outputs), ("spoiled", spoiled)):
        monkeypatch.setattr(variants, "half_outputs", outputs)
        assert cli.run([*words, f"--output={tmp_path / name}"]) == 0
        (row,) = json.loads((tmp_path / name / "report.json").read_text())["variants"]
        assert row["passed"] and row["half"] == (name == "allowed")
        assert (row["half_parity"]["max_relative_error"] < 0.05) == (name == "allowed")
        contracts.append(json.loads((tmp_path / name / "float16.contract.json").read_text()))
        marked = b"fp16accfp16" in (tmp_path / name / "float16.tflite").read_bytes()
        assert marked == (name == "allowed")
    allowed, without = (contract["tolerance"] for contract in contracts)
    assert [contract["runtime"]["float16_arithmetic"] for contract in contracts] == [True, False]
    assert 0 < allowed["in_float16"] <= allowed["output"] / 1.5 * 1.01 and without["in_float16"] is None
    assert "does not allow that: ARM processors" in (tmp_path / "spoiled" / "report.md").read_text()
    assert cli.run(["export", "verify", str(tmp_path / "allowed")]) == 0
