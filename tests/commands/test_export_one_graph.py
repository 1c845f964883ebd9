"""`export --one_graph`: the commands that come after it, on files whose lengths share one graph."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.benchmarks.files import one_file
from mobilebert_tf.litert.runtime import TfliteModel


@pytest.fixture(scope="module")
def one_graph_directory(classifier_directory: Path, labelled_table: Path, once) -> Path:
    """An export like `export_directory`, with one graph."""

    def fill(directory: Path) -> None:
        words = [f"--model={classifier_directory}", f"--evaluation={labelled_table}", f"--output={directory / 'out'}"]
        assert cli.run(["export", *words, "--sequence_lengths=48,16", "--one_graph", "--rounds=1", "--runs=3"]) == 0

    return once("export_one_graph", fill) / "out"


@pytest.mark.parametrize("name", ["float32", "float16", "dynamic_int8", "static_int8"])
def test_every_file_answers_like_its_twin(one_graph_directory: Path, export_directory: Path, name: str):
    """Ranges, kernels and shapes are the same, so the bits are."""
    generator = np.random.default_rng(0)
    mask = (np.arange(48) < np.array([[5], [48], [14], [15], [30], [9]])).astype(np.int32)
    ids = generator.integers(5, 60, mask.shape).astype(np.int32) * mask
    features = {"input_ids": ids, "input_mask": mask, "segment_ids": np.zeros_like(ids)}
    one, two = (TfliteModel(directory / f"{name}.tflite") for directory in (one_graph_directory, export_directory))
    assert one.lengths == two.lengths == [16, 48]
    np.testing.assert_array_equal(one.run(features)["logits"], two.run(features)["logits"])


def test_the_contract_says_that_apps_resize(one_graph_directory: Path, export_directory: Path):
    contracts = [
        json.loads((directory / "static_int8.contract.json").read_text())
        for directory in (one_graph_directory, export_directory)
    ]
    assert [one["runtime"]["one_graph"] for one in contracts] == [True, False]
    assert contracts[0]["runtime"]["weight_cache"] is None, "there is one copy of the weights anyway"
    assert contracts[0]["signatures"] == contracts[1]["signatures"]
    assert {one["signature"] for one in contracts[0]["examples"]} == {"tokens_16", "tokens_48"}


def test_report_and_page_say_that_apps_resize(one_graph_directory: Path, export_directory: Path):
    for directory, said in ((one_graph_directory, True), (export_directory, False)):
        report = json.loads((directory / "report.json").read_text())
        assert {one["one_graph"] for one in report["variants"]} == {said}
        page = (directory / "report.md").read_text()
        assert ("one graph for all lengths, which apps resize" in page) == said


def test_its_files_are_right_and_shorter(one_graph_directory: Path, export_directory: Path, capsys):
    assert cli.run(["export", "verify", str(one_graph_directory)]) == 0
    assert "4 with the same answers" in capsys.readouterr().out
    sizes = [
        {path.name: path.stat().st_size for path in directory.glob("*.tflite")}
        for directory in (one_graph_directory, export_directory)
    ]
    assert all(sizes[0][name] < sizes[1][name] for name in sizes[1])


def test_a_file_in_the_place_of_its_twin_is_noticed(one_graph_directory: Path, export_directory: Path, tmp_path: Path):
    """Contract and file belong together; the sums differ."""
    mixed = shutil.copytree(one_graph_directory, tmp_path / "mixed")
    shutil.copy(export_directory / "float32.tflite", mixed / "float32.tflite")
    assert cli.run(["export", "verify", str(mixed)]) == 1


def test_only_such_files_are_timed_with_changes_of_length(one_graph_directory: Path, export_directory: Path):
    for directory, keys in ((one_graph_directory, {"resize_ms"}), (export_directory, set())):
        path = str(directory / "float32.tflite")
        for found in one_file.measure(path, 1, 1, 1, [16, 48]):
            assert {"resize_ms"} & set(found) == keys
            assert found["finite"]


def test_a_single_length_has_a_plain_graph(classifier_directory: Path, tmp_path: Path, capsys):
    words = [f"--model={classifier_directory}", "--recipes=float32", "--sequence_lengths=16", "--one_graph"]
    assert cli.run(["export", *words, "--rounds=1", "--runs=1", f"--output={tmp_path / 'out'}"]) == 0
    contract = json.loads((tmp_path / "out" / "float32.contract.json").read_text())
    assert contract["runtime"]["one_graph"] is False and len(contract["signatures"]) == 1


def test_a_network_with_a_constant_for_each_length_is_refused_in_a_line(classifier_directory: Path, tmp_path, capsys):
    words = [f"--model={classifier_directory}", "--recipes=float32", "--sequence_lengths=16,48", "--one_graph"]
    words += ["--without_rewrites=join_tables,cut_positions", "--rounds=1", "--runs=1"]
    assert cli.run(["export", *words, f"--output={tmp_path / 'out'}"]) == 1
    assert "--one_graph: " in capsys.readouterr().out


def test_a_recipe_of_ones_own_may_ask_for_it(tmp_path: Path, classifier_directory: Path, capsys):
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"name": "own", "one_graph": True, "target": "gpu"}))
    words = [f"--model={classifier_directory}", f"--recipes={path}", f"--output={tmp_path / 'out'}"]
    assert cli.run(["export", *words]) == 2
    assert "own.json: own has one length, being for gpu; leave one_graph out" in capsys.readouterr().err


def test_recipes_of_one_length_have_nothing_to_share(classifier_directory: Path, tmp_path: Path, capsys):
    words = [f"--model={classifier_directory}", "--one_graph", f"--output={tmp_path / 'out'}"]
    assert cli.run(["export", *words, "--recipes=gpu,mediapipe"]) == 2
    said = "--one_graph: files by gpu and mediapipe have one length; leave it out, or add another recipe"
    assert said in capsys.readouterr().err
