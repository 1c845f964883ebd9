"""`finetune --quantization_aware` from the command line to the file, and its refusals."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.model_directory import load_model_directory, save_model_directory
from mobilebert_tf.models import ClassificationModel

from .conftest import TRAINING, Complain

pytestmark = pytest.mark.usefixtures("timed_here")

Words = list[str]
FEW = ["--rounds=1", "--runs=1", "--sequence_lengths=16,48", "--recipes=float32,static_int8"]


@pytest.fixture(scope="session")
def words(classifier_directory: Path, labelled_table: Path) -> Words:
    """The command without its --output."""
    tables = [f"--train={labelled_table}", f"--eval={labelled_table}"]
    return ["finetune", "--quantization_aware", f"--model={classifier_directory}", *tables, *TRAINING]


@pytest.fixture(scope="session")
def aware(words: Words, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier after 15 steps of quantisation-aware training."""
    directory = tmp_path_factory.mktemp("aware") / "classifier"
    assert cli.run([*words, f"--output={directory}", "--learning_rate=1e-3"]) == 0
    return directory


@pytest.fixture
def copy(classifier_directory: Path, tmp_path: Path) -> Path:
    """A copy of the float classifier, to be damaged."""
    return Path(shutil.copytree(classifier_directory, tmp_path / "copy"))


def quantization(directory: Path) -> dict:
    return json.loads((directory / "quantization.json").read_text())


def test_what_is_written(aware: Path, classifier_directory: Path) -> None:
    metrics, stored = json.loads((aware / "metrics.json").read_text()), quantization(aware)
    assert metrics["evaluation"]["examples"] == metrics["quantized_evaluation"]["examples"] == 60
    assert 0.5 < metrics["quantized_agreement"] <= 1.0
    # `before` is the original model. The labels are random, so only memorising them lowers the loss.
    assert metrics["before"]["quantized_evaluation"]["loss"] > metrics["quantized_evaluation"]["loss"] + 0.02
    assert stored["recipe"] == "static_int8"
    assert all(low <= 0.0 <= high and low < high for low, high in stored["ranges"].values())
    # Every weight was trained; of each table at least the rows that some text reads.
    before, after = (load_model_directory(one).model.trainable_weights for one in (classifier_directory, aware))
    same = [one.path for one, other in zip(before, after, strict=True) if np.array_equal(one, other)]
    assert not same


def test_file_has_the_trained_ranges_and_answers(aware: Path, labelled_table: Path, tmp_path: Path) -> None:
    """No texts are needed to calibrate; the report says how close the file is to the trained network."""
    from mobilebert_tf.litert import flatbuffer

    output = tmp_path / "exported"
    assert cli.run(["export", f"--model={aware}", f"--evaluation={labelled_table}", f"--output={output}", *FEW]) == 0
    report = json.loads((output / "report.json").read_text())
    assert report["calibration_examples"].startswith("fine-tuning with --quantization_aware for static_int8")
    float32, static = report["variants"]
    assert float32["trained"] is None and static["trained"]["decision_agreement"] == 1.0
    # The file equals the trained network up to rounding of single numbers; the float network is further away.
    assert static["trained"]["mean_relative_error"] < 0.1 * static["parity"]["mean_relative_error"]
    # The scale of the first product's input in the file is 1 / 255 of the range that was learned.
    low, high = quantization(aware)["ranges"]["embeddings/input"]
    (first, *_) = flatbuffer.read((output / "static_int8.tflite").read_bytes()).subgraphs
    steps = [one.quantization.scale for one in first.tensors if one.quantization and one.quantization.scale is not None]
    assert np.isclose(np.concatenate(steps), (high - low) / 255, rtol=1e-6, atol=0).any()
    for name in ("report.md", "report.html"):
        assert "against fine-tuning: 100.0" in (output / name).read_text()


def test_export_without_any_text(aware: Path, tmp_path: Path) -> None:
    """The model has its ranges, so static recipes need no texts."""
    assert cli.run(["export", f"--model={aware}", f"--output={tmp_path / 'out'}", *FEW]) == 0
    assert (tmp_path / "out" / "static_int8.tflite").exists()


def test_relu_becomes_relu6(words: Words, tmp_path: Path) -> None:
    assert cli.run([*words, f"--output={tmp_path / 'six'}", "--hidden_act=relu6", "--epochs=0.2"]) == 0
    assert load_model_directory(tmp_path / "six").config.hidden_act == "relu6"
    ranges = quantization(tmp_path / "six")["ranges"]
    tops = [high for site, (_, high) in ranges.items() if "intermediate/output" in site]
    assert tops and max(tops) <= 6.0


@pytest.mark.parametrize(
    "flag, message",
    [
        ("--pooling=mean", "--pooling=mean: the head of "),
        ("--from_scratch", "--from_scratch=true: does not go with --quantization_aware; leave it out"),
        ("--dtype=bfloat16", "--dtype=bfloat16: does not go with --quantization_aware; leave it out"),
        ("--quantization_recipe=dynamic_int8", "--quantization_recipe=dynamic_int8: has no static activations"),
        ("--quantization_recipe=static", "--quantization_recipe: there is no recipe 'static'"),
        ("--range_decay=1.5", "--range_decay"),
        ("--noquantization_aware --range_decay=0.5", "--range_decay: has no meaning without --quantization_aware"),
    ],
)
def test_flags_that_do_not_fit(flag: str, message: str, words: Words, complain: Complain, tmp_path: Path) -> None:
    assert message in complain(*words, f"--output={tmp_path / 'out'}", *flag.split())
    assert not (tmp_path / "out").exists()


def test_model_that_is_not_fine_tuned(made: Path, words: Words, complain: Complain, tmp_path: Path) -> None:
    line = complain(*words, f"--output={tmp_path / 'out'}", f"--model={made / 'student'}")
    assert f"{made / 'student'}: has no task, and --quantization_aware starts from a fine-tuned model" in line
    assert f"mobilebert-tf finetune --model={made / 'student'}" in line


def test_a_model_that_is_not_there(words: Words, complain: Complain, tmp_path: Path) -> None:
    line = complain(*words, f"--model={tmp_path / 'typo'}", f"--output={tmp_path / 'out'}")
    assert f"--model={tmp_path / 'typo'}: no such model directory" in line


def test_a_threshold_is_not_taken_over(words: Words, copy: Path, complain: Complain, tmp_path: Path) -> None:
    """The threshold is for the probabilities of the float model."""
    task = json.loads((copy / "task.json").read_text())
    (copy / "task.json").write_text(json.dumps({**task, "threshold": 0.8}))
    others = [word for word in words if not word.startswith("--model=")]
    line = complain(*others, f"--model={copy}", f"--output={tmp_path / 'out'}")
    assert "give again the share of its answers that must be right, such as --min_precision=0.95" in line


def test_model_of_another_form(classifier_directory: Path, words: Words, complain: Complain, tmp_path: Path) -> None:
    """LayerNorm cannot be folded, and weights trained with gelu are useless with relu6."""
    loaded = load_model_directory(classifier_directory)
    for change, flags, message in (
        ({"normalization_type": "layer_norm"}, [], ": the model has layer_norm, whose gammas the converter may move"),
        ({"hidden_act": "gelu"}, ["--hidden_act=relu6"], "has gelu, and its weights do not work with another"),
    ):
        config = dataclasses.replace(loaded.config, **change)
        other = tmp_path / next(iter(change))
        save_model_directory(other, ClassificationModel(config, num_labels=2), loaded.tokenizer, loaded.task)
        line = complain(*words, f"--output={tmp_path / 'out'}", f"--model={other}", *flags)
        assert message in line and str(other) in line


def test_label_that_the_model_does_not_know(words: Words, complain: Complain, tmp_path: Path) -> None:
    table = tmp_path / "other.tsv"
    table.write_text("text\tlabel\na b\tgood\nc d\tugly\n")
    line = complain(*words, f"--output={tmp_path / 'out'}", f"--train={table}")
    assert f"{table}, line 3: label 'ugly' is not one that training saw" in line


@pytest.mark.parametrize(
    "rules, message",
    [
        (
            [{"activations": "int8"}, {"layers": "^block_1/qery"}],
            "its rule for layers '^block_1/qery' matches no FULLY",
        ),
        ([{"activations": "int8"}, {"operators": "EMBEDDING_LOOKUP", "layers": "wrds"}], "matches no EMBEDDING_LOOKUP"),
        ([{"activations": "int8"}, {"weights": "float32"}], "leaves no layer with static activations"),
    ],
)
def test_rules_that_find_no_layer(rules: list, message: str, words: Words, complain: Complain, tmp_path: Path) -> None:
    recipe = tmp_path / "own.json"
    recipe.write_text(json.dumps({"name": "own", "rules": rules}))
    line = complain(*words, f"--output={tmp_path / 'out'}", f"--quantization_recipe={recipe}")
    assert "recipe own: " in line and message in line
    assert not (tmp_path / "out").exists()  # free for the next command


def test_columns_are_those_of_the_model(words: Words, copy: Path, complain: Complain, tmp_path: Path) -> None:
    """A model for pairs continues with its own columns; a flag names those of another table."""
    task = json.loads((copy / "task.json").read_text())
    (copy / "task.json").write_text(json.dumps({**task, "text_column": "one", "text_pair_column": "two"}))
    table = tmp_path / "pairs.tsv"
    table.write_text("one\ttwo\tthree\tlabel\n" + "a b\tc\td\tgood\nd\te f\tg\tbad\n" * 4)
    command = [*words, f"--model={copy}", f"--train={table}", f"--eval={table}"]
    assert cli.run([*command, f"--output={tmp_path / 'out'}"]) == 0
    written = json.loads((tmp_path / "out" / "task.json").read_text())
    assert (written["text_column"], written["text_pair_column"], written["label_column"]) == ("one", "two", "label")
    assert "'text'" in complain(*command, f"--output={tmp_path / 'other'}", "--text_column=text")


@pytest.mark.parametrize("spoil", ["weights", "cut"])
def test_ranges_of_another_model(
    spoil: str, aware: Path, copy: Path, complain: Complain, labelled_table: Path, tmp_path: Path
) -> None:
    """The weights were trained further without ranges, or the file is cut short: its ranges are never used."""
    content = (aware / "quantization.json").read_text()
    (copy / "quantization.json").write_text(content if spoil == "weights" else content[: len(content) // 2])
    line = complain("export", f"--model={copy}", f"--evaluation={labelled_table}", f"--output={tmp_path / 'out'}", *FEW)
    assert f"{copy / 'quantization.json'}" in line
    if spoil == "weights":
        assert "its ranges were trained with other weights than those of model.weights.h5; " in line
        assert "; fine-tune again with --quantization_aware" in line
    assert not (tmp_path / "out").exists()


def test_export_without_a_rewrite(aware: Path, complain: Complain, tmp_path: Path) -> None:
    line = complain("export", f"--model={aware}", f"--output={tmp_path / 'out'}", *FEW, "--without_rewrites=fold_norms")
    assert f"--without_rewrites: the ranges of {aware} need all rewrites" in line


def test_best_weights_come_with_their_ranges(words: Words, tmp_path: Path) -> None:
    """At this high rate steps undo each other, so a measurement before the last is the best."""
    flags = ["--learning_rate=2e-2", "--measure_every=2", "--steps_per_call=2", "--epochs=2"]
    assert cli.run([*words, f"--output={tmp_path / 'out'}", *flags]) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    kept = metrics["kept"]
    assert kept["weights"] == "best" and kept["step"] < kept["trained_steps"]
    # The restored weights and ranges are scored again; ranges of another step would decide some texts otherwise.
    assert metrics["quantized_evaluation"]["accuracy"] == kept["score"]
    logged = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    (row,) = (row for row in logged if row["step"] == kept["step"])
    # On some processors the last weights have the same score with a higher loss.
    assert (kept["score"], -row["held_out/loss"]) > (kept["last_score"], -logged[-1]["held_out/loss"])
    # The log has six digits.
    assert metrics["quantized_evaluation"]["loss"] == pytest.approx(row["held_out/loss"], rel=1e-5)
