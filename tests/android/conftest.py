"""The Kotlin code of android_demo/ as a program that tests can run, and exports of every kind for it."""

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli

Kotlin = Callable[..., str]


@pytest.fixture(scope="session")
def kotlin(root: Path, once: Callable[[str, Callable[[Path], object]], Path]) -> Kotlin:
    """A function that runs a `main` of core's tests with arguments and standard input, and returns its output."""
    if missing := [program for program in ("java", "mvn") if not shutil.which(program)]:
        pytest.skip(f"{' and '.join(missing)} not on the PATH; make android says what is needed")
    demo = root / "android_demo"

    def build(directory: Path) -> None:
        command = ["mvn", "-o", "-B", "-q", "-pl", "core", "test-compile"]
        process = subprocess.run(command, cwd=demo, capture_output=True, encoding="utf-8", timeout=540)
        if "offline mode" in process.stdout:
            pytest.skip("Kotlin was never downloaded here; make android does")
        assert process.returncode == 0, process.stdout

    once("kotlin", build)
    target = demo / "core" / "target"
    places = [target / "classes", target / "test-classes", *sorted((target / "lib").glob("*.jar"))]

    def run(main: str, *arguments: str, given: str = "", options: tuple[str, ...] = ()) -> str:
        command = ["java", "-cp", ":".join(map(str, places)), *options, f"dev.mobilebert.core.{main}", *arguments]
        process = subprocess.run(command, input=given, capture_output=True, encoding="utf-8", timeout=540)
        assert process.returncode == 0, process.stderr
        return process.stdout

    return run


KINDS = ("qa", "entities", "multilabel", "prototypes", "regression", "embedding")

LENIENT = ["--min_agreement=0.1", "--max_score_drop=1", "--max_error=10"]
"""Flags for models with nearly random weights, which miss the usual gates."""


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
    sentences = ["".join(f"{letter}\t{tags.get(letter, 'O')}\n" for letter in letters) for letters in texts(24, 50)]
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
    """A model, the table on which it is scored, and flags of its export."""
    if kind == "qa":
        rows = squad(directory)
        return finetuned(kind, classifier, directory, rows, "--doc_stride=8", "--max_question_length=4"), rows, []
    if kind == "entities":
        rows = conll(directory)
        return finetuned(kind, classifier, directory, rows), rows, []
    if kind == "multilabel":
        lines = [
            f"{' '.join(letters)}\t{', '.join(f'has {label}' for label in 'abc' if label in letters)}"
            for letters in texts(32, 9)
        ]
        rows = table(directory, "text\ttags", lines)
        return finetuned(kind, classifier, directory, rows, "--label_column=tags"), rows, []
    if kind == "prototypes":
        rows = table(directory, "text\tlabel", ["a b a\tx", "b a\tx", "a a b c\tx", "x y z\ty", "z y\ty", "y z z\ty"])
        words = ["prototypes", f"--model={classifier}", f"--examples={rows}", "--max_seq_length=32"]
        assert cli.run([*words, f"--output={directory / 'model'}", "--threshold=-1", "--margin=0"]) == 0
        return directory / "model", rows, []
    lines = [f"{' '.join(letters)}\t{' '.join(letters[:2])}\t{len(letters) / 2:.2f}" for letters in texts(32, 9)]
    rows = table(directory, "one\ttwo\tscore", lines)
    columns = ["--text_column=one", "--text_pair_column=two", "--label_column=score"]
    if kind == "embedding":
        return classifier, rows, ["--task=embedding", *columns]
    return finetuned(kind, classifier, directory, rows, *columns), rows, []


@pytest.fixture(scope="session")
def exports_of_kinds(classifier_directory: Path, once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """A small model of each of `KINDS`, exported to a directory of that name."""

    def fill(directory: Path) -> None:
        for kind in KINDS:
            work = directory / "work" / kind
            work.mkdir(parents=True)
            model, rows, flags = of_kind(kind, classifier_directory, work)
            words = ["export", f"--model={model}", f"--evaluation={rows}", f"--output={directory / 'exports' / kind}"]
            words += ["--sequence_lengths=16,32", *flags, *LENIENT, "--recipes=float32", "--rounds=1", "--runs=1"]
            assert cli.run(words) == 0

    return once("exports_of_kinds", fill) / "exports"


@pytest.fixture(scope="session")
def exports_of_one_graph(
    classifier_directory: Path,
    labelled_table: Path,
    exports_of_kinds: Path,
    once: Callable[[str, Callable[[Path], object]], Path],
) -> Path:
    """A classifier and a model of entities, exported with one graph for all lengths."""

    def fill(directory: Path) -> None:
        entities = exports_of_kinds.parent / "work" / "entities"
        sources = {
            "classification_one_graph": (classifier_directory, labelled_table, "16,24,48"),
            "entities_one_graph": (entities / "model", entities / "letters.conll", "16,24,32"),
        }
        for name, (model, rows, lengths) in sources.items():
            words = ["export", "--one_graph", f"--model={model}", f"--evaluation={rows}"]
            words += [f"--output={directory / name}", f"--sequence_lengths={lengths}", *LENIENT]
            assert cli.run([*words, "--recipes=float32,dynamic_int8", "--rounds=1", "--runs=1"]) == 0

    return once("exports_of_one_graph", fill)
