"""Copying an export to the assets of the app."""

import hashlib
import shutil
from pathlib import Path

import pytest

from mobilebert_tf import cli, provenance
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.export.ship import android_demo, verify_directory


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    directory = tmp_path / "android_demo"
    (directory / "app/src/main").mkdir(parents=True)
    (directory / android_demo.MANIFEST).write_text("<manifest/>")
    return directory


def test_what_the_app_reads_is_there_as_it_was_exported(demo: Path, export_directory: Path) -> None:
    place, recipes = android_demo.put(demo, export_directory)
    assert place == demo / "app/src/main/assets/exports" / export_directory.name
    assert recipes == sorted(recipes) and {"float32", "dynamic_int8"} <= set(recipes)
    expected = {"vocab.txt", "SHA256SUMS", *(f"{one}{end}" for one in recipes for end in (".tflite", ".contract.json"))}
    assert {path.name for path in place.iterdir()} == expected
    for path in place.iterdir():
        original = (export_directory / path.name).read_bytes()
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(original).digest()
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_licences_go_with_the_files(demo: Path, export_directory: Path, tmp_path: Path) -> None:
    """A licence file that was added after the export is refused, as it is not in the sums."""
    copy = tmp_path / "export"
    shutil.copytree(export_directory, copy)
    (copy / "NOTICE").write_text("by somebody\n")
    with pytest.raises(FailedError, match="NOTICE: is not what the export wrote"):
        android_demo.put(demo, copy)
    sums = verify_directory.read_sums(copy) | {"NOTICE": provenance.sha256(copy / "NOTICE")}
    (copy / verify_directory.SUMS).write_text(verify_directory.sums_text(sums))
    place, _ = android_demo.put(demo, copy)
    assert (place / "NOTICE").read_text() == "by somebody\n"


def test_an_earlier_copy_is_replaced(demo: Path, export_directory: Path) -> None:
    place, _ = android_demo.put(demo, export_directory)
    (place / "old.tflite").write_text("of another recipe")
    android_demo.put(demo, export_directory)
    assert not (place / "old.tflite").exists()


def test_a_damaged_file_leaves_the_copy_before(demo: Path, export_directory: Path, tmp_path: Path) -> None:
    damaged = tmp_path / export_directory.name
    shutil.copytree(export_directory, damaged)
    place, _ = android_demo.put(demo, damaged)
    with (damaged / "float32.tflite").open("r+b") as file:
        file.seek(1000)
        file.write(b"damage")
    with pytest.raises(FailedError, match="float32.tflite: is not what the export wrote"):
        android_demo.put(demo, damaged)
    original = (export_directory / "float32.tflite").read_bytes()
    assert (place / "float32.tflite").read_bytes() == original
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_other_directories_are_refused_before_anything_is_made(demo: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not the app's directory"):
        android_demo.check(tmp_path, tmp_path / "films")
    with pytest.raises(UsageError, match="cannot hold an export called '_films'"):
        android_demo.check(demo, tmp_path / "_films")
    foreign = demo / android_demo.ASSETS / "films"
    foreign.mkdir(parents=True)
    (foreign / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="films exists and is not an export"):
        android_demo.check(demo, tmp_path / "films")
    assert (foreign / "notes.txt").read_text() == "mine"


def test_a_wrong_directory_ends_the_command_at_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ["export", "--model=nowhere", f"--output={tmp_path / 'out'}", f"--android_demo={tmp_path}"]
    assert cli.run(words) == 2
    assert "--android_demo" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()
