"""Exports of every kind, followed by Kotlin as their contracts say."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobilebert_tf import cli

pytestmark = [pytest.mark.android, pytest.mark.slow]

LENIENT = ["--min_agreement=0.1", "--max_score_drop=1", "--max_error=10"]
"""Weights at random: nothing that a gate asks for is to be had."""


def texts(count: int, longest: int) -> list[list[str]]:
    random = np.random.default_rng(3)
    return [random.choice(list("abcdefgh"), size=random.integers(2, longest)).tolist() for _ in range(count)]


def squad(directory: Path) -> Path:
    paragraphs = []
    for number, letters in enumerate(texts(24, 60)):
        answers = [{"text": letters[1], "answer_start": 2}] if number % 4 else []
        question = {"id": f"q{number}", "question": f"{letters[0]} a", "answers": answers, "is_impossible": not answers}
        paragraphs.append({"context": " ".join(letters), "qas": [question]})
    path = directory / "squad.json"
    path.write_text(json.dumps({"version": "v2.0", "data": [{"title": "letters", "paragraphs": paragraphs}]}))
    return path


def conll(directory: Path) -> Path:
    tags = {"a": "B-place", "b": "B-person"}
    sentences = ["".join(f"{one}\t{tags.get(one, 'O')}\n" for one in letters) for letters in texts(24, 50)]
    path = directory / "letters.conll"
    path.write_text("\n".join(sentences))
    return path


def table(directory: Path, header: str, rows: Sequence[str]) -> Path:
    path = directory / "table.tsv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def finetuned(kind: str, classifier: Path, directory: Path, rows: Path, *flags: str) -> Path:
    words = ["finetune", f"--task={kind}", f"--model={classifier}", f"--train={rows}", f"--eval={rows}"]
    output = directory / "model"
    assert cli.run([*words, *flags, "--max_seq_length=32", "--epochs=1", f"--output={output}"]) == 0
    return output


def of_kind(kind: str, classifier: Path, directory: Path) -> tuple[Path, Path, list[str]]:
    """A model, the table it is scored on, and flags of the export."""
    if kind == "qa":
        rows = squad(directory)
        return finetuned(kind, classifier, directory, rows, "--doc_stride=8", "--max_question_length=4"), rows, []
    if kind == "entities":
        rows = conll(directory)
        return finetuned(kind, classifier, directory, rows), rows, []
    if kind == "multilabel":
        lines = [
            f"{' '.join(one)}\t{', '.join(f'has {label}' for label in 'abc' if label in one)}" for one in texts(32, 9)
        ]
        rows = table(directory, "text\ttags", lines)
        return finetuned(kind, classifier, directory, rows, "--label_column=tags"), rows, []
    if kind == "prototypes":
        rows = table(directory, "text\tlabel", ["a b a\tx", "b a\tx", "a a b c\tx", "x y z\ty", "z y\ty", "y z z\ty"])
        words = ["prototypes", f"--model={classifier}", f"--examples={rows}", "--max_seq_length=32"]
        assert cli.run([*words, f"--output={directory / 'model'}", "--threshold=-1", "--margin=0"]) == 0
        return directory / "model", rows, []
    lines = [f"{' '.join(one)}\t{' '.join(one[:2])}\t{len(one) / 2:.2f}" for one in texts(32, 9)]
    rows = table(directory, "one\ttwo\tscore", lines)
    columns = ["--text_column=one", "--text_pair_column=two", "--label_column=score"]
    if kind == "embedding":
        return classifier, rows, ["--task=embedding", *columns]
    return finetuned(kind, classifier, directory, rows, *columns), rows, []


def test_classes(kotlin: Any, export_directory: Path) -> None:
    contracts = sorted(path.name for path in export_directory.glob("*.contract.json"))
    lines = kotlin("CheckExport", str(export_directory)).splitlines()
    assert [line.split(":")[0] for line in lines] == contracts
    assert all("Classes" in line for line in lines)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("qa", "Span"),
        ("entities", "Entities"),
        ("multilabel", "Labels"),
        ("prototypes", "Prototypes"),
        ("regression", "Value"),
        ("embedding", "Vector"),
    ],
)
def test_other_kinds(kind: str, answer: str, kotlin: Any, classifier_directory: Path, tmp_path: Path) -> None:
    model, rows, flags = of_kind(kind, classifier_directory, tmp_path)
    output = tmp_path / "exported"
    words = ["export", f"--model={model}", f"--evaluation={rows}", f"--output={output}", "--sequence_lengths=16,32"]
    assert cli.run([*words, *flags, *LENIENT, "--recipes=float32", "--rounds=1", "--runs=1"]) == 0
    contract = json.loads((output / "float32.contract.json").read_text())
    said = kotlin("CheckExport", str(output))
    assert said == f"float32.contract.json: {answer}, {len(contract['examples'])} examples\n"
