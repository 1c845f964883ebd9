"""Places for results, which are checked before anything is measured."""

import json
import os
from pathlib import Path

import pytest

from mobilebert_tf.benchmarks import results
from mobilebert_tf.errors import UsageError


def test_a_directory_that_can_be_made_is_a_place(tmp_path: Path) -> None:
    results.check_output(str(tmp_path / "a" / "b" / "c.json"))
    assert not (tmp_path / "a").exists()


def test_a_place_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tflite").touch()
    with pytest.raises(UsageError, match=r"x\.json: .*a\.tflite is a file, not a directory; give another place"):
        results.check_output(str(tmp_path / "a.tflite" / "more" / "x.json"))


def test_a_place_that_is_closed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UsageError, match="is not writable; give another place"):
        results.check_output(str(tmp_path / "x.json"))


def test_a_result_that_another_program_made_meanwhile_stays(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(results.schema, "fault", lambda _: "")
    for number in range(3):
        results.write(str(tmp_path / "b.json"), {"number": number})
    printed = capsys.readouterr().err.splitlines()
    assert (
        len(printed) == 2 and "b.json: was written by another program" in printed[0] and printed[1].endswith("b-3.json")
    )
    numbers = [json.loads((tmp_path / name).read_text())["number"] for name in ("b.json", "b-2.json", "b-3.json")]
    assert numbers == [0, 1, 2]
