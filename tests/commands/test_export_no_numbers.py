"""`export` of a network whose float16 file overflows: files are valid JSON, and no figure is made up."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli

pytestmark = pytest.mark.usefixtures("timed_here")


@pytest.fixture(scope="module")
def large(classifier_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier with weights beyond float16's 65,504; its logits are finite in float32."""
    from mobilebert_tf.model_directory import load_model_directory, save_model_directory

    loaded = load_model_directory(classifier_directory)
    for weight in loaded.model.trainable_weights:
        if weight.path == "classifier/dense/kernel":
            weight.assign(weight / np.abs(weight).max() * 1e6)
    directory = tmp_path_factory.mktemp("large") / "model"
    save_model_directory(directory, loaded.model, loaded.tokenizer, loaded.task)
    return directory


def read(path: Path) -> dict:
    return json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{path}: {name} is no JSON"))


def test_float16_that_overflows(large: Path, labelled_table: Path, tmp_path: Path, capsys):
    output = tmp_path / "out"
    words = ["export", f"--model={large}", f"--evaluation={labelled_table}", f"--output={output}", "--rounds=1"]
    words += ["--runs=1", "--sequence_lengths=16", "--parity_examples=4", "--explain", "--explain_examples=4"]
    assert cli.run([*words, "--recipes=float32,float16"]) == 1
    captured = capsys.readouterr()
    assert "float16 missed the gate" in captured.err and "Warning" not in captured.err

    good, bad = read(output / "report.json")["variants"]
    assert good["passed"] and good["parity"]["without_numbers"] == 0 and good["metrics"]["accuracy"] > 0
    assert bad["file"] == "rejected/float16.tflite" and not bad["passed"]
    assert bad["reason"] == "gives values that are not finite in 4 of 4 examples"
    parity = bad["parity"]
    assert parity.pop("examples") == parity.pop("without_numbers") == 4
    # NumPy's argmax of NaN is class 0, but that does not count as a decision.
    assert parity.pop("decision_agreement") == 0.0 and set(parity.values()) == {None}
    assert bad["metrics"] is None and bad["difference"] is None

    (explained,) = read(output / "explain.json")["recipes"].values()
    assert explained["logits_error"] is None and explained["decision_agreement"] == 0.0
    worst = explained["layers"][0]
    assert (worst["name"], worst["added_error"], worst["relative_error"]) == ("classifier/MatMul", None, None)
    assert explained["parts"][0]["name"] == "classifier" and explained["parts"][0]["logits_error"] < 1e-2
    assert explained["mended"]["rules"][-1] == {"operators": ["*"], "layers": r"\bclassifier/", "weights": "float32"}
    read(output / "run.json")

    assert "float16: gave no numbers, same decision 0.0%" in captured.out and "nan" not in captured.out
    row = next(line for line in captured.out.splitlines() if line.startswith("float16 (rejected)"))
    assert "no numbers" in row
    for name in ("report.html", "report.md"):
        page = (output / name).read_text()
        assert "gave no numbers" in page and "NaN" not in page and "nan %" not in page
    reread = tmp_path / "page.html"
    assert cli.run(["report", f"--input={output}", f"--output={reread}"]) == 0
    assert "gave no numbers" in reread.read_text()


def test_only_a_labelled_example_overflows(tmp_path: Path, classifier_directory: Path):
    """Parity uses only some of the scored examples; a NaN among the others rejects the file too."""
    from mobilebert_tf.benchmarks.files.host import Settings
    from mobilebert_tf.export.make import variants
    from mobilebert_tf.export.recipes import RECIPES
    from mobilebert_tf.litert.runtime import TfliteModel
    from mobilebert_tf.model_directory import load_model_directory
    from mobilebert_tf.tasks.examples import Example

    class Overflowing(TfliteModel):
        def run(self, features, length=None, show_progress=False):
            outputs = super().run(features, length)
            outputs["logits"][features["input_ids"][:, 1] == unknown] = np.nan
            return outputs

    loaded = load_model_directory(classifier_directory)
    unknown = loaded.tokenizer.id("[UNK]")
    rows = [Example("a b c", label=0), Example("d e", label=1), Example("\N{SNOWMAN}", label=1)]
    features = loaded.task.features(rows, loaded.tokenizer)
    few = {name: values[:2] for name, values in features.items() if name != "label"}
    checks = variants.Checks(
        calibration_features=None,
        parity_features=few,
        scored_features=features,
        task=loaded.task,
        tokenizer=loaded.tokenizer,
        latency=Settings(),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variants, "TfliteModel", Overflowing)
        patch.setattr(variants, "_timed", lambda rows, *_: rows)
        result = variants.make_variants(loaded.model, [16], [RECIPES["float32"]], checks, tmp_path)
    (row,) = result.variants
    assert row.reason == "gives values that are not finite in 1 of the labelled examples"
    assert row.parity["without_numbers"] == 0 and not row.metrics and result.keras


def test_only_an_example_of_the_contract_overflows(classifier_directory: Path, tmp_path: Path, capsys):
    """The contract's texts are run after all comparisons; a contract with NaN is not written."""
    from mobilebert_tf.export.ship import golden

    real = golden.File.answer

    def answer(self, interpreter, shows, example):
        right = real(self, interpreter, shows, example)
        return dataclasses.replace(right, output=[float("nan")] * 2) if example.text == golden.FOREIGN else right

    output = tmp_path / "out"
    words = ["export", f"--model={classifier_directory}", f"--output={output}", "--sequence_lengths=16"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(golden.File, "answer", answer)
        assert cli.run([*words, "--recipes=float32", "--rounds=1", "--runs=1", "--parity_examples=2"]) == 1
    assert "recipe float32: gives values that are not finite for one of the texts" in capsys.readouterr().err
    assert not output.exists()
