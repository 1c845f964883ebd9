"""Files are written whole or not at all."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mobilebert_tf import atomic


def test_numbers_that_are_none_become_null(tmp_path: Path) -> None:
    """JSON has no NaN; Python writes and reads it nevertheless, but other programs refuse such a file."""
    value = {"rows": [{"good": 1.5, "bad": (float("nan"), float("-inf"), 2.0)}], 16: float("inf"), "text": "NaN"}
    atomic.write_json(tmp_path / "a.json", value)
    read_back = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)
    assert read_back == {"rows": [{"good": 1.5, "bad": [None, None, 2.0]}], "16": None, "text": "NaN"}


@pytest.mark.parametrize("call", ["open", "fsync"])
def test_a_failure_names_the_file_and_leaves_what_was_there(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    path.write_text("before")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(*{"open": (Path, "write_text", full), "fsync": (os, "fsync", full)}[call])
        with pytest.raises(OSError) as caught:
            atomic.write_json(path, {})
    assert caught.value.filename == str(path) and caught.value.errno == errno.ENOSPC
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_goes(tmp_path: Path) -> None:
    """Leftovers for the same file or directory are removed; those of a living process stay."""
    process = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    for name in (f".{process.stdout.strip()}.a.json", f".{os.getppid()}.a.json", f".{process.stdout.strip()}.b.json"):
        (tmp_path / name).write_text("half")
    atomic.write_json(tmp_path / "a.json", {})
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted([f".{process.stdout.strip()}.b.json", f".{os.getppid()}.a.json", "a.json"])
    place = tmp_path / "place"
    place.mkdir()
    kill = "import os, sys; from mobilebert_tf import atomic\nwith atomic.directory_aside(sys.argv[1]) as aside:\n"
    kill += "    (aside / 'file').write_text('half'); os.kill(os.getpid(), 9)"
    assert subprocess.run([sys.executable, "-c", kill, place / "model"]).returncode == -9
    assert [path.name for path in place.iterdir()] != []
    with atomic.directory_aside(place / "model") as aside:
        (aside / "other").write_text("whole")
    assert [path.relative_to(place).as_posix() for path in sorted(place.rglob("*"))] == ["model", "model/other"]


def test_a_place_that_cannot_be_written_is_named_as_it_was_given(tmp_path: Path) -> None:
    """The error names the path that was given, not the hidden temporary name beside it."""
    (tmp_path / ("a" * 250)).mkdir()
    path = tmp_path / ("a" * 250) / ("b" * 255)
    with pytest.raises(OSError) as caught:
        atomic.write_text(path, "")
    assert caught.value.filename == str(path)
    with pytest.raises(OSError) as caught, atomic.directory_aside(path):
        pass
    assert caught.value.filename == str(path)


@pytest.mark.parametrize("kind", ["empty", "link", "standing there", "filled"])
def test_a_directory_that_is_there_stays_the_one_that_it_is(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mounted directory cannot be replaced, and a shell's working directory must not vanish."""
    place = tmp_path / "place"
    place.mkdir()
    (tmp_path / "link").symlink_to(place)
    if kind == "filled":
        (place / "old").write_text("kept")
        (place / "file").write_text("replaced")
    if kind == "standing there":
        monkeypatch.chdir(place)
    before = place.stat().st_ino
    path = {"link": tmp_path / "link", "standing there": Path()}.get(kind, place)
    with atomic.directory_aside(path) as aside:
        (aside / "file").write_text("new")
        (aside / "inner").mkdir()
        (aside / "inner" / "one").write_text("new")
    assert place.stat().st_ino == before
    expected = {"file", "inner"} | ({"old"} if kind == "filled" else set())
    assert {file.name for file in place.iterdir()} == expected and (place / "file").read_text() == "new"
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]
