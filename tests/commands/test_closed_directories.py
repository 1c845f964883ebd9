"""Directories with SHA256SUMS are never written to, whatever a command is asked to write."""

import shutil
from pathlib import Path

import pytest

from mobilebert_tf import cli


@pytest.fixture
def export(export_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(export_directory, tmp_path / "app")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "app"


def content(directory: Path) -> dict[str, bytes]:
    return {str(file.relative_to(directory)): file.read_bytes() for file in directory.rglob("*") if file.is_file()}


@pytest.mark.parametrize("stands_in_it", [False, True])
def test_a_report_of_an_export_lies_beside_it(
    export: Path, stands_in_it: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(export)
    if stands_in_it:
        monkeypatch.chdir(export)
    assert cli.run(["report", f"--input={'.' if stands_in_it else 'app'}"]) == 0
    assert (export.parent / "app.html").is_file() and "app.html" in capsys.readouterr().out
    assert content(export) == before
    assert cli.run(["export", "verify", str(export)]) == 0


@pytest.mark.parametrize(
    "words",
    [
        ["report", "--input=app", "--output=app/report.html"],
        ["benchmark", "host", "--models=app/float32.tflite", "--output=app/latency.json"],
        ["benchmark", "report", "--results=x.json", "--output=app/page.md"],
        ["evaluate", "--model=app/float32.tflite", "--input=dev.tsv", "--predictions=app/answers.tsv"],
        ["evaluate", "--model=app/float32.tflite", "--input=dev.tsv", "--output=app/inside/scores"],
        ["convert", "--input=model", "--output=app/hf", "--to=huggingface"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_other_commands_are_told_to_write_elsewhere(
    words: list[str], export: Path, classifier_directory: Path, labelled_table: Path, complain: object
) -> None:
    shutil.copy(labelled_table, "dev.tsv")
    Path("model").symlink_to(classifier_directory)
    before = content(export)
    line = complain(*words)  # type: ignore[operator]
    assert "is sealed by its SHA256SUMS" in line and "give a path outside it" in line
    assert content(export) == before
