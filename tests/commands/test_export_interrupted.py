"""`export` on a full disk, stopped or killed: one line names the file, and two exports are never mixed."""

import dataclasses
import errno
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.export.ship import publish

pytestmark = pytest.mark.usefixtures("timed_here")

Files = dict[str, bytes]


def files(directory: Path) -> Files:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def words(classifier_directory: Path, labelled_table: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command of an export that writes every kind of file: one recipe passes, one is rejected and explained."""
    own = tmp_path_factory.mktemp("recipes") / "own.json"
    rules = [{"operators": ["EMBEDDING_LOOKUP"]}, {}, {"layers": "block_2/output_bottleneck", "weights": "int4"}]
    own.write_text(json.dumps({"name": "own", "rules": rules, "gate": {"max_relative_error": 0}}))
    flags = ["--sequence_lengths=16", "--rounds=1", "--runs=1", "--parity_examples=4", "--explain"]
    tables = [f"--evaluation={labelled_table}", "--score_examples=4"]
    return ["export", f"--model={classifier_directory}", f"--recipes=float32,{own}", *tables, *flags]


@dataclasses.dataclass(frozen=True)
class Done:
    """A finished export."""

    directory: Path
    again: Callable[..., object]
    """A replacement for `make_variants` that copies the files made before and returns the same variants."""


@pytest.fixture(scope="module")
def done(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Done:
    from mobilebert_tf.export.make import variants

    place = tmp_path_factory.mktemp("done")
    results = []
    real = variants.make_variants

    def first(model, lengths, recipes, checks, directory, rewrites):
        results.append(real(model, lengths, recipes, checks, directory, rewrites))
        shutil.copytree(directory, place / "made")
        return results[0]

    def again(model, lengths, recipes, checks, directory, rewrites):
        shutil.copytree(place / "made", directory, dirs_exist_ok=True)
        return results[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variants, "make_variants", first)
        assert cli.run([*words, f"--output={place / 'out'}"]) == 1
    return Done(place / "out", again)


KINDS = [
    "SHA256SUMS", "explain.json", "float32.contract.json", "float32.tflite", "labels.txt", "own_mended.json",
    "rejected/own.tflite", "report.html", "report.json", "report.md", "run.json", "task.json", "tokenizer.json",
    "vocab.txt",
]  # fmt: skip


def test_every_kind_of_file_is_there(done: Done) -> None:
    assert sorted(files(done.directory)) == KINDS


@pytest.fixture
def half_done(done: Done, tmp_path: Path) -> Path:
    """The directory of an attempt that was killed just before it wrote its record, with a note of the user's."""
    output = tmp_path / "out"
    shutil.copytree(done.directory, output)
    record = json.loads((output / "run.json").read_text())
    for key in ("finished", "outputs", "summary"):
        del record[key]
    (output / "run.json").write_text(json.dumps(record))
    (output / "SHA256SUMS").unlink()
    (output / "labels.txt").write_text("of the first attempt\n")
    (output / "note.txt").write_text("mine")
    return output


def fill_disk(patch: pytest.MonkeyPatch, file: str, after: int = 0) -> None:
    """Make the disk full after half of this file; like a write to an open file, the error has no file name."""
    name, seen = Path(file).name, itertools.count()
    for method in ("write_bytes", "write_text"):
        real = getattr(Path, method)

        def write(self: Path, content, *args, real=real, **kwargs):
            if self.name.endswith(name) and next(seen) >= after:
                real(self, content[: len(content) // 2], *args, **kwargs)
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(self, content, *args, **kwargs)

        patch.setattr(Path, method, write)


@pytest.mark.parametrize("file", [name for name in KINDS if not name.endswith(".tflite")])
def test_full_disk(file, words, done: Done, half_done: Path, monkeypatch: pytest.MonkeyPatch, complain) -> None:
    from mobilebert_tf.export.make import variants

    monkeypatch.setattr(variants, "make_variants", done.again)
    before = files(half_done)
    with monkeypatch.context() as full:
        fill_disk(full, file)
        line = complain(*words, f"--output={half_done}", status=1)
    assert f"{half_done / file}: no space left; free some and run the same command again" in line
    if file not in ("run.json", "SHA256SUMS"):  # written after all others have been moved
        assert files(half_done) == before
    # With space again, the same command replaces all of its own files and leaves the note.
    assert cli.run([*words, f"--output={half_done}"]) == 1
    after = files(half_done)
    assert sorted(after) == sorted([*KINDS, "note.txt"])
    assert after["labels.txt"] == b"bad\ngood\n" and after["note.txt"] == b"mine"
    assert "finished" in json.loads(after["run.json"])


@pytest.mark.parametrize("file", ["float32.tflite", "own.tflite"])
def test_full_disk_while_files_are_made(file, words, half_done: Path, monkeypatch: pytest.MonkeyPatch, complain):
    before = files(half_done)
    fill_disk(monkeypatch, file)
    line = complain(*words, f"--output={half_done}", status=1)
    assert f"{half_done / file}: no space left" in line
    assert files(half_done) == before


def test_full_disk_at_the_start(words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complain) -> None:
    output = tmp_path / "out"
    fill_disk(monkeypatch, "run.json")
    assert f"{output / 'run.json'}: no space left" in complain(*words, f"--output={output}", status=1)
    assert not output.exists()


def test_full_temporary_directory(words, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complain) -> None:
    """`--explain` writes its trial files to the temporary directory."""
    fill_disk(monkeypatch, "model.tflite")
    line = complain(*words, f"--output={tmp_path / 'out'}", status=1)
    assert "model.tflite: no space left" in line
    assert not (tmp_path / "out").exists()


def test_stopped_while_files_move(words, done: Done, half_done: Path, monkeypatch: pytest.MonkeyPatch, complain):
    from mobilebert_tf.export.make import variants

    monkeypatch.setattr(variants, "make_variants", done.again)
    with monkeypatch.context() as patch:
        real, moved = Path.replace, itertools.count()

        def replace(self: Path, target: Path) -> Path:
            if publish.BUILDING in self.parts and next(moved) == 4:
                raise KeyboardInterrupt
            return real(self, target)

        patch.setattr(Path, "replace", replace)
        line = complain(*words, f"--output={half_done}", status=1)
    assert "interrupted; the same command continues" in line
    # The run is not finished, and there is no report beside files that it does not describe.
    left = files(half_done)
    assert "finished" not in json.loads(left["run.json"]) and "report.json" not in left
    # Another export may not use the directory; the same command completes it.
    assert "was begun with" in complain(*words, "--runs=2", f"--output={half_done}")
    assert files(half_done) == left
    assert cli.run([*words, f"--output={half_done}"]) == 1
    assert sorted(files(half_done)) == sorted([*KINDS, "note.txt"])
    assert cli.run(["export", "verify", str(half_done)]) == 0


def test_recipe_file_with_other_rules_is_another_export(words, done: Done, tmp_path: Path, complain) -> None:
    own = tmp_path / "own.json"
    own.write_text(json.dumps({"name": "own", "rules": [{}]}))
    before = files(done.directory)
    command = [word for word in words if not word.startswith("--recipes")]
    assert "was begun with --recipes" in complain(*command, f"--recipes=float32,{own}", f"--output={done.directory}")
    directory = next(word for word in words if word.startswith("--recipes")).removesuffix("own.json").split(",")[1]
    same = Path(directory) / "own.json"
    kept = same.read_bytes()
    same.write_bytes(own.read_bytes())
    try:
        assert "was begun with --recipes" in complain(*words, f"--output={done.directory}")
    finally:
        same.write_bytes(kept)
    assert "missed the gate" in complain(*words, f"--output={done.directory}", status=1)
    assert files(done.directory) == before


KILLED = """
import os, signal, sys
from pathlib import Path
from mobilebert_tf.export.ship import publish
left = int(sys.argv[3])
def counted(real):
    def call(*args, **kwargs):
        global left
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return real(*args, **kwargs)
    return call
for name in ("replace", "unlink", "mkdir", "rmdir"):
    setattr(Path, name, counted(getattr(Path, name)))
publish.publish(Path(sys.argv[1]), Path(sys.argv[2]), ["a", "b"])
"""


@pytest.fixture
def attempt(tmp_path: Path) -> Callable[..., Path]:
    """Make a directory of files whose content names the attempt."""

    def make(number: int, *names: str) -> Path:
        building = tmp_path / f"building_{number}"
        for name in ("report.json", "report.html", "report.md", "vocab.txt", "labels.txt", *names):
            (building / name).parent.mkdir(parents=True, exist_ok=True)
            (building / name).write_text(f"attempt {number}")
        return building

    return make


def test_killed_at_any_move(attempt: Callable[..., Path], tmp_path: Path) -> None:
    """Kill at each file operation. In the first attempt a passes and b does not; in the second it is the reverse."""
    first = attempt(1, "a.tflite", "a.contract.json", "rejected/b.tflite", "a_mended.json", "explain.json")
    second = attempt(2, "rejected/a.tflite", "b.tflite", "b.contract.json")
    for moves in itertools.count():
        directory, building = tmp_path / f"out_{moves}", tmp_path / f"copy_{moves}"
        directory.mkdir()
        (directory / "run.json").write_text("{}")
        (directory / "mine.tflite").write_text("mine")
        publish.publish(shutil.copytree(first, tmp_path / f"first_{moves}"), directory, ["a", "b"])
        shutil.copytree(second, building)
        program = [sys.executable, "-c", KILLED, str(building), str(directory), str(moves)]
        process = subprocess.run(program, capture_output=True, text=True, check=False)
        left = {name: text.decode() for name, text in files(directory).items()}
        assert left.pop("run.json") == "{}" and left.pop("mine.tflite") == "mine"
        if "report.json" in left:
            # If there is a report, all files are of its attempt.
            assert len(set(left.values())) == 1
            number = left["report.json"][-1]
            assert set(left) == set(files({"1": first, "2": second}[number])), process.stderr
        if any(name.endswith(".tflite") and text == "attempt 2" for name, text in left.items()):
            assert left["vocab.txt"] == left["labels.txt"] == "attempt 2"
        shutil.rmtree(building)
        publish.publish(shutil.copytree(second, building), directory, ["a", "b"])
        now = files(directory)
        assert now.pop("run.json") and now.pop("mine.tflite")
        assert now == files(second)
        if process.returncode == 0:
            break
        assert process.returncode == -9, process.stderr
    assert moves > 10
