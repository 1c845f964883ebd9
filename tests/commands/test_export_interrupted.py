"""`export` on a full disk, stopped, or killed: one line that names the file, and never a mixture of two exports."""

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
    """An export that writes every kind of file: one recipe passes, one is rejected and explained."""
    own = tmp_path_factory.mktemp("recipes") / "own.json"
    rules = [{"operators": ["EMBEDDING_LOOKUP"]}, {}, {"layers": "block_2/output_bottleneck", "weights": "int4"}]
    own.write_text(json.dumps({"name": "own", "rules": rules, "gate": {"max_relative_error": 0}}))
    given = ["--sequence_lengths=16", "--rounds=1", "--runs=1", "--parity_examples=4", "--explain"]
    tables = [f"--evaluation={labelled_table}", "--score_examples=4"]
    return ["export", f"--model={classifier_directory}", f"--recipes=float32,{own}", *tables, *given]


@dataclasses.dataclass(frozen=True)
class Done:
    """A finished export."""

    directory: Path
    again: Callable[..., object]
    """`make_variants` in no time: the same files, the same finding."""


@pytest.fixture(scope="module")
def done(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Done:
    from mobilebert_tf.export.make import variants

    place = tmp_path_factory.mktemp("done")
    found = []
    real = variants.make_variants

    def first(model, lengths, recipes, checks, directory, rewrites):
        found.append(real(model, lengths, recipes, checks, directory, rewrites))
        shutil.copytree(directory, place / "made")
        return found[0]

    def again(model, lengths, recipes, checks, directory, rewrites):
        shutil.copytree(place / "made", directory, dirs_exist_ok=True)
        return found[0]

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
    """What an earlier attempt left that was killed at the very end, before its record; and a note of the user's."""
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
    """The disk takes half of this file and no more, as writes to an open file tell it: without a name."""
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
    assert f"{half_done / file}: no space left; free some and give the same command" in line
    if file not in ("run.json", "SHA256SUMS"):  # written when all the others are in their places
        assert files(half_done) == before
    # With room again the same command replaces everything but what is not its own.
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
    """`--explain` tries its files in there."""
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
    assert "interrupted; the same command goes on" in line
    # It is not finished, and no report stands beside files that it does not speak of.
    left = files(half_done)
    assert "finished" not in json.loads(left["run.json"]) and "report.json" not in left
    # Another export may not have it; the same one makes it whole.
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
    given = next(word for word in words if word.startswith("--recipes")).removesuffix("own.json").split(",")[1]
    same = Path(given) / "own.json"
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
    """A directory with a set of files that all say of which attempt they are."""

    def make(number: int, *names: str) -> Path:
        building = tmp_path / f"building_{number}"
        for name in ("report.json", "report.html", "report.md", "vocab.txt", "labels.txt", *names):
            (building / name).parent.mkdir(parents=True, exist_ok=True)
            (building / name).write_text(f"attempt {number}")
        return building

    return make


def test_killed_at_any_move(attempt: Callable[..., Path], tmp_path: Path) -> None:
    """Of the first attempt a passed and b did not; of the second it is the other way round."""
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
        found = {name: text.decode() for name, text in files(directory).items()}
        assert found.pop("run.json") == "{}" and found.pop("mine.tflite") == "mine"
        if "report.json" in found:
            # The report of one attempt, and all files of the same.
            assert len(set(found.values())) == 1
            number = found["report.json"][-1]
            assert set(found) == set(files({"1": first, "2": second}[number])), process.stderr
        if any(name.endswith(".tflite") and text == "attempt 2" for name, text in found.items()):
            assert found["vocab.txt"] == found["labels.txt"] == "attempt 2"
        shutil.rmtree(building)
        publish.publish(shutil.copytree(second, building), directory, ["a", "b"])
        now = files(directory)
        assert now.pop("run.json") and now.pop("mine.tflite")
        assert now == files(second)
        if process.returncode == 0:
            break
        assert process.returncode == -9, process.stderr
    assert moves > 10
