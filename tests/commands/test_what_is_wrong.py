"""The mistakes that `finetune` and `evaluate` print and write."""

import json
from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.commands import what_is_wrong
from mobilebert_tf.tasks.review import Mistake, Review

ONE = {"f1": 0.5, "precision": 0.25, "recall": 1.0, "support": 1234}


def test_table_with_and_without_confusion() -> None:
    lines = what_is_wrong.classes(
        {"by_class": {"no": ONE, "yes": ONE}, "confusion": [[1000, 234], [0, 5]]}
    ).splitlines()
    assert [line.split() for line in lines] == [
        ["class", "F1", "precision", "recall", "rows", "predicted", "1", "2"],
        ["1", "no", "50.0%", "25.0%", "100.0%", "1,234", "1,000", "234"],
        ["2", "yes", "50.0%", "25.0%", "100.0%", "1,234", "0", "5"],
    ]
    assert "predicted" not in what_is_wrong.classes({"by_class": {"x": ONE}})
    assert what_is_wrong.classes({"accuracy": 1.0}) == ""


def test_of_many_classes_the_worst() -> None:
    many = {f"class {i}": {**ONE, "f1": (i * 7 % 12) / 12} for i in range(12)}
    lines = what_is_wrong.classes({"by_class": many, "confusion": [[0] * 12] * 12}).splitlines()
    assert lines[1].startswith("class 0 ") and lines[2].startswith("class 7 ") and len(lines) == 12
    assert "10 of 12 classes, those with the lowest F1" in lines[-1]


@pytest.mark.parametrize(
    "measure, size, expected",
    [
        ("probability", 0.987, "yes (98.7%), is no"),
        ("error", -1.25, "yes (off by -1.25), is no"),
        ("cosine", 0.5, "yes (cosine 0.500), is no"),
        ("probability", None, "yes (no number), is no"),
    ],
)
def test_a_mistake_in_words(measure: str, size: float | None, expected: str) -> None:
    mistake = Mistake(text="a\nb " * 100, text_pair="c", wanted="no", given="yes", size=size)
    lines = what_is_wrong.examples(Review(measure=measure, examples=7, wrong=3, mistakes=(mistake,) * 12)).splitlines()
    assert lines[0] == "most wrong of 3 in 7 examples:" and len(lines) == 21
    assert lines[1] == f"  {expected}" and lines[2].startswith("    a b a b") and lines[2].endswith("... | c")


def test_from_training_to_the_file(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`finetune` and `evaluate` list as many mistakes as their accuracy implies, and the same ones."""
    table, output = made / "train.tsv", tmp_path / "out"
    words = ["finetune", f"--model={made / 'student'}", f"--train={table}", f"--eval={table}", f"--output={output}"]
    assert cli.run([*words, "--max_seq_length=16", "--epochs=1", "--show_mistakes"]) == 0
    printed = capsys.readouterr().out
    review, metrics = (json.loads((output / name).read_text()) for name in ("mistakes.json", "metrics.json"))
    wrong = round(24 * (1 - metrics["evaluation"]["accuracy"]))
    assert review["wrong"] == len(review["mistakes"]) == wrong > 0
    labels = dict(line.split("\t") for line in table.read_text().splitlines()[1:])
    for mistake in review["mistakes"]:
        assert labels[mistake["text"]] == mistake["wanted"] != mistake["given"]
        assert f"  {mistake['given']} ({mistake['size']:.1%}), is {mistake['wanted']}\n" in printed or wrong > 10
    assert "predicted" in printed and f"most wrong of {wrong} in 24 examples" in printed
    assert metrics["evaluation"]["by_class"]["a"]["support"] == 12
    words = ["evaluate", f"--model={output}", f"--input={table}", "--show_mistakes", f"--output={tmp_path / 'score'}"]
    assert cli.run(words) == 0
    assert f"most wrong of {wrong} in 24 examples" in capsys.readouterr().out
    # With fewer than a hundred rows the temperature stays one, so both list the same.
    again = json.loads((tmp_path / "score" / "mistakes.json").read_text())
    assert [m["text"] for m in again["mistakes"]] == [m["text"] for m in review["mistakes"]]
    assert cli.run(["report", f"--input={output}", f"--output={tmp_path / 'report.html'}"]) == 0
    page = (tmp_path / "report.html").read_text()
    assert review["mistakes"][0]["text"] in page and "What it gets wrong" in page
