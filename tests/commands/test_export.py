"""`export`: its files, its refusals, and files that miss their gate."""

import dataclasses
import hashlib
import inspect
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli, run_directory
from mobilebert_tf.export import recipes
from mobilebert_tf.export.rewrite.rules import REWRITES
from mobilebert_tf.export.ship import publish
from mobilebert_tf.litert import flatbuffer

pytestmark = pytest.mark.usefixtures("timed_here")


def test_report_agrees_with_an_independent_run(export_directory: Path, labelled_table: Path):
    from ai_edge_litert.interpreter import Interpreter

    from mobilebert_tf.tokenization import Tokenizer

    report = json.loads((export_directory / "report.json").read_text())
    assert report["sequence_lengths"] == [16, 48]
    assert [row["name"] for row in report["variants"]] == ["float32", "float16", "dynamic_int8", "static_int8"]
    tokenizer = Tokenizer.from_vocab(export_directory / "vocab.txt")
    labels = (export_directory / "labels.txt").read_text().split()
    rows = [line.split("\t") for line in labelled_table.read_text().splitlines()[1:]]
    accuracies = {}
    for variant in report["variants"]:
        path = export_directory / variant["file"]
        assert variant["bytes"] == path.stat().st_size
        assert variant["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert variant["passed"] and variant["reason"] is None
        assert set(variant["changes"].values()) == {0}
        assert variant["parity"]["examples"] == 60 * 2
        assert set(variant["latency_ms"]) == set(variant["parity_of_lengths"]) == {"16", "48"}
        latency = variant["latency_ms"]["48"]
        assert latency["runs"] == 3 and latency["min"] <= latency["median"] <= latency["p90"]
        assert sum(variant["bytes_of_lengths"].values()) == variant["bytes"]
        # Features are built by hand for the longest signature; of the package only the tokenizer is used.
        run = Interpreter(str(path)).get_signature_runner("tokens_48")
        right = 0
        for text, label in rows:
            pieces = [tokenizer.id("[CLS]"), *tokenizer.encode(text).ids[:46], tokenizer.id("[SEP]")]
            ids = np.zeros((1, 48), np.int32)
            ids[0, : len(pieces)] = pieces
            mask = (np.arange(48) < len(pieces)).astype(np.int32)[None]
            logits = run(input_ids=ids, input_mask=mask, segment_ids=np.zeros_like(ids))["logits"]
            right += labels[int(logits[0].argmax())] == label
        accuracies[variant["name"]] = right / len(rows)
        assert variant["metrics"]["accuracy"] == pytest.approx(accuracies[variant["name"]])
        difference = variant["difference"]["score"]
        assert difference == pytest.approx(accuracies[variant["name"]] - accuracies["float32"])
    assert report["keras"]["accuracy"] == pytest.approx(accuracies["float32"])
    sizes = {row["name"]: row["bytes"] for row in report["variants"]}
    assert sizes["dynamic_int8"] < sizes["float16"] < 0.75 * sizes["float32"]


def test_finished_export_is_left_alone(export_directory, classifier_directory, labelled_table, tmp_path, capsys):
    directory = shutil.copytree(export_directory, tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in directory.iterdir()}
    words = ["export", f"--model={classifier_directory}", f"--output={directory}"]
    again = [f"--evaluation={labelled_table}", "--sequence_lengths=48,16", "--rounds=1", "--runs=3"]
    assert cli.run(words + again) == 0
    assert "finished already" in capsys.readouterr().out
    assert cli.run([*words, *again, "--recipes=float32"]) == 2
    assert "--recipes" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in directory.iterdir()} == before


def test_broken_gate_and_interruption(classifier_directory, tmp_path: Path, monkeypatch, capsys):
    from mobilebert_tf.export.make import variants

    strict = dataclasses.replace(recipes.RECIPES["float32"], gate=recipes.Gate(max_relative_error=0.0))
    monkeypatch.setitem(recipes.RECIPES, "float32", strict)
    output = tmp_path / "out"
    words = ["export", f"--model={classifier_directory}", f"--output={output}", "--sequence_lengths=16"]
    words += ["--rounds=1", "--runs=1", "--parity_examples=8", "--recipes=float32,dynamic_int8"]
    with monkeypatch.context() as patch:
        patch.setattr(variants, "_timed", _interrupt)
        assert cli.run(words) == 1
    assert not list(output.glob("*.tflite"))

    for message in ("float32: relative error", "finished already"):
        capsys.readouterr()
        assert cli.run(words) == 1
        captured = capsys.readouterr()
        assert message in captured.out
        assert f"float32 missed the gate; {output / 'report.json'} has the reason" in captured.err.splitlines()[-1]
    assert sorted(path.name for path in output.iterdir()) == [
        "SHA256SUMS", "dynamic_int8.contract.json", "dynamic_int8.tflite", "labels.txt", "rejected", "report.html",
        "report.json", "report.md", "run.json", "task.json", "tokenizer.json", "vocab.txt",
    ]  # fmt: skip
    assert [path.name for path in (output / "rejected").iterdir()] == ["float32.tflite"]
    report = json.loads((output / "report.json").read_text())
    assert [row["passed"] for row in report["variants"]] == [False, True]
    assert report["keras"] is None and "random ids" in report["parity_examples"]
    assert report["calibration_examples"] is None


def test_a_kill_at_any_step_shows_and_the_same_command_finishes(classifier_directory, tmp_path: Path, capsys):
    from mobilebert_tf.commands import export

    output = tmp_path / "out"
    words = ["export", f"--model={classifier_directory}", f"--output={output}", "--sequence_lengths=16"]
    words += ["--rounds=1", "--runs=1", "--parity_examples=4", "--recipes=float32"]

    def publish_half(building: Path, directory: Path, _) -> None:
        for path in sorted(building.iterdir())[:3]:
            path.replace(directory / path.name)
        raise KeyboardInterrupt

    def leave_aside(run) -> None:
        (output / ".4711.SHA256SUMS").write_text("half of i")
        raise KeyboardInterrupt

    for holder, name, interrupted in (
        (publish, "publish", publish_half),
        (run_directory.Run, "finish", _interrupt),
        (export, "_sign", leave_aside),
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(holder, name, interrupted)
            assert cli.run(words) == 1
        assert (output / "float32.contract.json").exists()
        capsys.readouterr()
        assert cli.run(["export", "verify", str(output)]) == 1
        printed = capsys.readouterr().err
        assert "the export has not finished" in printed and printed.count("\n") == 1
    # Only the list of sums is still to be written; the files are not made again.
    modified = (output / "float32.tflite").stat().st_mtime_ns
    assert cli.run(words) == 0
    assert cli.run(["export", "verify", str(output)]) == 0
    assert modified == (output / "float32.tflite").stat().st_mtime_ns


def test_what_each_rewrite_brings(classifier_directory, tmp_path: Path):
    output = tmp_path / "out"
    words = ["export", f"--model={classifier_directory}", f"--output={output}", "--sequence_lengths=16"]
    words += ["--rounds=1", "--runs=1", "--parity_examples=8", "--recipes=float32", "--without_rewrites=share_mask"]
    assert cli.run([*words, "--compare_rewrites"]) == 0
    rows = {row["rewrite"]: row for row in json.loads((output / "report.json").read_text())["brought"]}
    assert list(rows) == [name for name in REWRITES if name != "share_mask"]
    # One multiplication a block, or one less if the converter folds that of the last block, which has a single row.
    assert rows["fold_attention_scale"]["operators"] in (1, 2)
    # 16 of 64 positions are left, for each of two types; joining both tables cuts them as well.
    width = json.loads((classifier_directory / "config.json").read_text())["hidden_size"]
    (graph,) = flatbuffer.read((output / "float32.tflite").read_bytes()).subgraphs
    shapes = [tuple(tensor.shape) for tensor in graph.tensors if len(tensor.shape) == 2]
    assert (2 * 16, width) in shapes and not {(64, width), (2 * 64, width)} & set(shapes)
    assert rows["cut_positions"]["operators"] == rows["cut_positions"]["bytes"] == 0
    assert rows["fold_norms"]["operators"] > 2
    assert all(row["latency_ratio_min"] <= row["latency_ratio"] <= row["latency_ratio_max"] for row in rows.values())
    page = (output / "report.html").read_text()
    assert "What each rewrite brings" in page and "| `join_tables` |" in (output / "report.md").read_text()


def test_gates_are_flags(classifier_directory, labelled_table, tmp_path: Path, capsys):
    output = tmp_path / "out"
    words = ["export", f"--model={classifier_directory}", f"--output={output}", "--sequence_lengths=48"]
    words += ["--rounds=1", "--runs=1", f"--evaluation={labelled_table}", "--recipes=float32,dynamic_int8"]
    assert cli.run([*words, "--max_error=1e-4", "--min_agreement=0", "--max_score_drop=1"]) == 1
    rows = json.loads((output / "report.json").read_text())["variants"]
    assert [row["passed"] for row in rows] == [True, False]
    assert rows[1]["reason"].endswith("is above 0.0001")
    # Only the length asked for, and as a string, since the rows are read back from JSON.
    assert set(rows[0]["latency_ms"]) == {"48"}


def test_network_that_does_not_convert(classifier_directory, tmp_path: Path, monkeypatch, capsys):
    import tensorflow as tf

    from mobilebert_tf.export.quantize import build

    class Refusing:
        def __init__(self, *_, **__):
            self.target_spec = tf.lite.TargetSpec()

        @classmethod
        def from_saved_model(cls, *_, **__):
            return cls()

        def convert(self):
            raise RuntimeError("'tf.Nonsense' op is unknown\nand a page of MLIR")

    monkeypatch.setattr(build, "convert_length", inspect.unwrap(build.convert_length))
    monkeypatch.setattr(tf.lite, "TFLiteConverter", Refusing)
    output = tmp_path / "out"
    words = ["export", f"--model={classifier_directory}", f"--output={output}", "--sequence_lengths=16"]
    assert cli.run([*words, "--recipes=float32", "--parity_examples=4"]) == 1
    printed = capsys.readouterr().err
    assert printed.strip().endswith("the network cannot be converted: 'tf.Nonsense' op is unknown")
    assert "page of MLIR" not in printed and not list(output.glob("*.tflite"))


def test_recipe_that_the_quantizer_refuses_stays_in_the_table(classifier_directory, tmp_path: Path, capsys):
    # There is no kernel for batched products with int4 weights.
    own = tmp_path / "own.json"
    rules = [{"operators": "BATCH_MATMUL", "weights": "int4", "activations": "int16"}]
    own.write_text(json.dumps({"name": "odd", "rules": rules}))
    text = tmp_path / "text.tsv"
    text.write_text("text\n" + "a b c\n" * 9)
    output = tmp_path / "out"
    words = ["export", f"--model={classifier_directory}", f"--output={output}", "--sequence_lengths=16"]
    words += ["--rounds=1", "--runs=1", f"--calibration={text}", f"--recipes=dynamic_int8,{own}"]
    assert cli.run(words) == 1
    good, odd = json.loads((output / "report.json").read_text())["variants"]
    assert good["passed"] and good["file"] == "dynamic_int8.tflite"
    assert odd["file"] is None and odd["reason"].startswith("recipe odd: ")
    assert "odd missed the gate" in capsys.readouterr().err


def test_rule_that_finds_no_layer_is_told(classifier_directory, tmp_path: Path):
    """A typing error in a rule would leave layers in float that the user believes to be int8."""
    own = tmp_path / "own.json"
    for layers, fits in (("^block_1/query", True), ("^block_1/qery", False), ("^block_9/", False)):
        own.write_text(json.dumps({"name": "own", "rules": [{"layers": layers}]}))
        output = tmp_path / layers.strip("^/").replace("/", "_")
        words = ["export", f"--model={classifier_directory}", f"--output={output}", "--sequence_lengths=16"]
        assert cli.run([*words, "--rounds=1", "--runs=1", f"--recipes={own}"]) == (0 if fits else 1)
        (row,) = json.loads((output / "report.json").read_text())["variants"]
        reason = f"recipe own: its rule for layers {layers!r} matches no FULLY_CONNECTED; layers have names like"
        assert row["passed"] if fits else row["reason"].startswith(reason)


@pytest.mark.parametrize(
    ("message", "reason"),
    [("node number 3 failed to invoke\nand more", "node number 3 failed to invoke"), ("", "RuntimeError")],
)
def test_file_that_does_not_run_stays_in_the_table(message, reason, classifier_directory, tmp_path, monkeypatch):
    from mobilebert_tf.export.make import variants

    class Refusing(variants.TfliteModel):
        def run(self, features, length=None, show_progress=False):
            if self.path.stem == "float16":
                raise RuntimeError(message)
            return super().run(features, length, show_progress)

    monkeypatch.setattr(variants, "TfliteModel", Refusing)
    output = tmp_path / "out"
    words = ["export", f"--model={classifier_directory}", f"--output={output}", "--sequence_lengths=16"]
    assert cli.run([*words, "--rounds=1", "--runs=1", "--recipes=float16,dynamic_int8"]) == 1
    bad, good = json.loads((output / "report.json").read_text())["variants"]
    assert (bad["file"], bad["passed"], bad["reason"]) == (None, False, reason)
    assert good["passed"] and [path.name for path in output.rglob("*.tflite")] == ["dynamic_int8.tflite"]


def test_little_to_go_by(classifier_directory, labelled_table: Path, tmp_path: Path):
    """Score on one labelled row, and calibrate on the whole table."""
    one = tmp_path / "one.tsv"
    one.write_text("".join(labelled_table.read_text().splitlines(keepends=True)[:2]))
    output = tmp_path / "out"
    words = ["export", f"--model={classifier_directory}", f"--output={output}", "--sequence_lengths=16"]
    words += ["--rounds=1", "--runs=1", "--recipes=float32,static_int8", f"--evaluation={one}"]
    assert cli.run([*words, f"--calibration={labelled_table}"]) == 0
    report = json.loads((output / "report.json").read_text())
    assert report["calibration_examples"] == "60 rows of dev.tsv" and report["parity_examples"] == "1 row of one.tsv"
    for row in report["variants"]:
        # The interval is bounded by losing every decision and by gaining every one.
        assert (row["difference"]["low"], row["difference"]["high"]) == (-1.0, 1.0)
    assert "Accuracy on 1 held-out example," in (output / "report.md").read_text()


def test_rows_that_are_scored_are_of_every_kind():
    """If labels alternate in a table, taking every second row would give one label only."""
    from mobilebert_tf.export.verify.examples import draw

    rows = list(range(1000))
    chosen = draw(rows, 100)
    assert len(set(chosen)) == 100 and chosen == sorted(chosen) == draw(rows, 100)
    assert all(10 * i <= row < 10 * (i + 1) for i, row in enumerate(chosen))
    assert 30 < sum(row % 2 for row in chosen) < 70
    assert draw(rows, 0) == draw(rows, 2000) == rows and len(draw(rows, 999)) == len(set(draw(rows, 999)))


def test_own_recipe_leaves_layers_in_float(classifier_directory, tmp_path: Path):
    own = tmp_path / "own.json"
    rules = [{"weights": "int8"}, {"layers": "block_1/", "weights": "float32"}]
    own.write_text(json.dumps([{"name": "first_block_float", "rules": rules, "gate": {"min_decision_agreement": 0.5}}]))
    output = tmp_path / "out"
    words = ["export", f"--model={classifier_directory}", f"--output={output}", "--sequence_lengths=16"]
    words += ["--rounds=1", "--runs=1", f"--recipes={own},dynamic_int8"]
    assert cli.run(words) == 0
    own_row, whole = json.loads((output / "report.json").read_text())["variants"]
    assert own_row["bytes"] > whole["bytes"]
    assert _int8_products(output / "first_block_float.tflite") == {"block_2", "classifier", "embeddings"}


def _int8_products(path: Path) -> set[str]:
    """The first part of the name of each product that has int8 weights."""
    from ai_edge_litert import schema_py_generated as schema

    graph = schema.Model.GetRootAs(path.read_bytes()).Subgraphs(0)
    names = set()
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        if operator.BuiltinOptionsType() == schema.BuiltinOptions.FullyConnectedOptions:
            if graph.Tensors(operator.Inputs(1)).Type() == schema.TensorType.INT8:
                names.add(graph.Tensors(operator.Outputs(0)).Name().decode().split("/")[0])
    return names


def test_rewrites_can_be_left_out(classifier_directory, export_directory, tmp_path: Path):
    output = tmp_path / "out"
    words = ["export", f"--model={classifier_directory}", f"--output={output}", "--sequence_lengths=16"]
    words += ["--rounds=1", "--runs=1", "--parity_examples=8", "--recipes=float32"]
    names = ",".join(REWRITES)
    assert cli.run([*words, f"--without_rewrites={names}"]) == 0
    report = json.loads((output / "report.json").read_text())
    whole = json.loads((export_directory / "report.json").read_text())
    assert (report["rewrites"], whole["rewrites"]) == ([], names.split(","))
    # Both passed the comparison with Keras, but only the file without rewrites multiplies by the residuals' gammas.
    assert report["variants"][0]["passed"] and whole["variants"][0]["passed"]
    assert report["variants"][0]["ops"]["MUL"] > whole["variants"][0]["ops"]["MUL"] == 2


def _interrupt(*_, **__):
    raise KeyboardInterrupt


def test_search_within_a_loss(small_classifier: Path, labelled_table: Path, tmp_path: Path, capsys):
    """Search with a counter that prints a file's size, so that the cheapest file is the smallest."""
    counter = tmp_path / "counter"
    counter.write_text('#!/bin/sh\nwc -c < "$1"\n')
    counter.chmod(0o755)
    texts = tmp_path / "train.tsv"
    texts.write_text("text\n" + "".join(f"{'abcdefghijklmnop'[i]} b c d\n" for i in range(16)))
    words = [
        "export", f"--model={small_classifier}", f"--output={tmp_path / 'out'}", f"--evaluation={labelled_table}",
        f"--calibration={texts}", "--sequence_lengths=16", "--recipes=float32", "--rounds=1", "--runs=2",
        "--parity_examples=8", "--min_agreement=0", "--max_score_drop=1",
    ]  # fmt: skip
    assert cli.run([*words, "--max_drop=0.2", f"--counter={counter}"]) == 0
    printed = capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    searched = report["searched"]
    assert searched["unit"] == "million instructions" and searched["searched_examples"] == 30
    cheapest = min((one for one in searched["candidates"] if one["within"]), key=lambda one: one["cost"])
    assert searched["chosen"] == cheapest["name"] and cheapest["cost"] == pytest.approx(cheapest["bytes"] / 1e6)
    row = report["variants"][-1]
    assert (
        row["name"] == "cheapest"
        and row["bytes"] == cheapest["bytes"] == (tmp_path / "out/cheapest.tflite").stat().st_size
    )
    for text in (printed, (tmp_path / "out" / "report.md").read_text()):
        assert searched["chosen"] in text.replace("\\", "") and "20" in text
    gate = json.loads((tmp_path / "out" / "cheapest.json").read_text())["gate"]
    assert gate["min_decision_agreement"] == 0 and gate["max_score_drop"] == 1
    html = (tmp_path / "out" / "report.html").read_text()
    assert "The cheapest file within the allowed loss" in html and html.count("<svg") == 4

    # The recipe that the search writes makes the same file.
    words[2:4] = [f"--output={tmp_path / 'again'}", f"--evaluation={labelled_table}"]
    named = json.loads((tmp_path / "out" / "cheapest.json").read_text()) | {"name": "mine"}
    (tmp_path / "mine.json").write_text(json.dumps(named))
    words = [word for word in words if not word.startswith("--recipes")] + [f"--recipes={tmp_path / 'mine.json'}"]
    assert cli.run(words) == 0
    assert (tmp_path / "again/mine.tflite").read_bytes() == (tmp_path / "out/cheapest.tflite").read_bytes()


def test_wrong_search_is_one_line(classifier_directory: Path, labelled_table: Path, tmp_path: Path, capsys):
    words = ["export", f"--model={classifier_directory}", f"--output={tmp_path / 'out'}"]
    other = tmp_path / "train.tsv"
    other.write_text("text\na b c\n")
    for more, message in (
        (["--max_drop=-1"], "--max_drop=-1.0: must be at least 0, and at most 100"),
        (["--max_drop=0.5"], "--max_drop=0.5: must be at most 0.2; it is a share, so half a point is 0.005"),
        (["--max_drop=0.01", f"--evaluation={labelled_table}"], "needs --evaluation for scores, and other texts"),
        (
            ["--max_drop=0.01", f"--evaluation={labelled_table}", f"--calibration={labelled_table}"],
            "--calibration must not be the texts of --evaluation",
        ),
        (["--counter=wc"], "--counter: is for --max_drop"),
        (["--cost=milliseconds"], "--cost=milliseconds: is for --max_drop"),
        (
            [
                "--max_drop=0.01",
                f"--evaluation={labelled_table}",
                f"--calibration={other}",
                "--counter=wc",
                "--cost=milliseconds",
            ],
            "--counter: counts instructions, and --cost=milliseconds asks for milliseconds",
        ),
        (
            ["--max_drop=0.01", f"--evaluation={labelled_table}", f"--calibration={other}", "--counter=nope -x"],
            "--counter=nope -x: there is no such program",
        ),
    ):
        assert cli.run([*words, *more]) == 2
        error = capsys.readouterr().err
        assert message in error and len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()
