"""`export --explain`: its table and files, and that the recipe it proposes can be exported."""

import json
import re
from pathlib import Path

import pytest

from mobilebert_tf import cli

pytestmark = pytest.mark.usefixtures("timed_here")


def test_explains_and_proposes_a_recipe_that_exports(small_classifier, labelled_table, tmp_path: Path, capsys):
    output = tmp_path / "why"
    words = ["export", f"--model={small_classifier}", f"--evaluation={labelled_table}", "--sequence_lengths=16,32"]
    words += ["--rounds=1", "--runs=1", "--parity_examples=20"]
    # One layer has four bits, the others eight.
    mine = tmp_path / "mine.json"
    rough = {"layers": "block_1/output_bottleneck", "weights": "int4"}
    mine.write_text(json.dumps({"name": "mine", "rules": [{"operators": ["EMBEDDING_LOOKUP"]}, {}, rough]}))
    recipes = f"--recipes=float32,{mine}"
    assert cli.run([*words, recipes, f"--output={output}", "--explain", "--explain_examples=10"]) == 0
    printed = capsys.readouterr().out
    explained = json.loads((output / "explain.json").read_text())
    assert explained["sequence_length"] == 32 and "dev.tsv" in explained["examples_of"]
    assert list(explained["recipes"]) == ["mine"]
    own = explained["recipes"]["mine"]
    assert own["examples"] == 10
    errors = [row["added_error"] for row in own["layers"]]
    assert errors == sorted(errors, reverse=True)
    # The 4-bit layer has seven steps to either side instead of 127.
    assert own["layers"][0]["name"] == "block_1/output_bottleneck/MatMul" and errors[0] > 3 * errors[1]
    assert own["layers"][0]["name"] in printed
    # Terminal, file and explain.json show the same recipe.
    mended = output / "mine_mended.json"
    line = mended.read_text()
    assert line in printed and f"--recipes={mended}" in printed
    assert json.loads(line) == own["mended"]
    assert re.search(
        own["mended"]["rules"][-1]["layers"], "block_1/output_bottleneck/MatMul;block_1/output_bottleneck/add;"
    )

    again = tmp_path / "mended"
    assert cli.run([*words, f"--recipes={mine},{mended}", f"--output={again}"]) == 0
    assert not (again / "explain.json").exists()
    before, after = json.loads((again / "report.json").read_text())["variants"]
    assert before["parity"]["mean_relative_error"] > 2 * after["parity"]["mean_relative_error"]


def test_nothing_to_explain(classifier_directory, tmp_path: Path):
    output = tmp_path / "out"
    words = ["export", f"--model={classifier_directory}", f"--output={output}", "--sequence_lengths=16"]
    words += ["--recipes=float32", "--rounds=1", "--runs=1", "--parity_examples=4", "--explain"]
    assert cli.run(words) == 0
    assert json.loads((output / "explain.json").read_text())["recipes"] == {}
    assert not list(output.glob("*_mended.json"))
