"""Impossible paths are named in one line, with the exit status of wrong input."""

from __future__ import annotations

from pathlib import Path

import pytest

from mobilebert_tf import cli


@pytest.mark.parametrize("kind", ["too long", "a loop of links"])
@pytest.mark.parametrize("flag", ["input", "output"])
def test_names_that_cannot_be(kind: str, flag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.txt"
    text.write_text("One sentence. And another one.\n")
    wrong = tmp_path / ("x" * 300)
    if kind == "a loop of links":
        wrong = tmp_path / "loop"
        wrong.symlink_to(wrong)
    values = {"source": "text", "input": text, "output": tmp_path / "out", flag: wrong}
    assert cli.run(["corpus", *(f"--{name}={value}" for name, value in values.items())]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert str(wrong) in line
