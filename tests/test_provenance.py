"""The record of how a result was made."""

import shlex

import pytest

from mobilebert_tf import provenance


def test_the_command_can_be_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blanks and patterns are quoted, so that the words stay the same."""
    words = ["export", "--model=my model", "--models=*.tflite", "--text="]
    monkeypatch.setattr("sys.argv", ["/somewhere/mobilebert-tf", *words])
    assert shlex.split(provenance.command_line()) == ["mobilebert-tf", *words]
    monkeypatch.setattr("sys.argv", ["/somewhere/__main__.py", "export"])
    assert provenance.command_line() == "mobilebert-tf export"
