"""`export verify`: an unchanged export passes, and every kind of change is found."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mobilebert_tf import cli
from mobilebert_tf.export.ship import verify_directory
from mobilebert_tf.litert import flatbuffer


def verify(capsys, *words: str) -> tuple[int, str, str]:
    """Run the command: its status, standard output and standard error."""
    capsys.readouterr()
    status = cli.run(["export", "verify", *words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def copy(export_directory: Path, tmp_path: Path) -> Path:
    return shutil.copytree(export_directory, tmp_path / "copy")


@pytest.fixture
def single(export_directory: Path, tmp_path: Path, resigned) -> Path:
    """An export with one file and its contract, to keep the many runs short."""

    def thin(directory: Path) -> None:
        for path in directory.glob("*int8.*"):
            path.unlink()
        for path in directory.glob("float16.*"):
            path.unlink()

    return resigned(export_directory, thin)


def test_a_line_a_file_and_a_last_line(copy: Path, capsys):
    status, out, err = verify(capsys, str(copy))
    *lines, last = out.splitlines()
    assert (status, err) == (0, "")
    assert [line.split()[0] for line in lines] == sorted(path.name for path in copy.iterdir())
    assert {line.split()[1] for line in lines if ".tflite" in line} == {"right"}
    assert "17 files unchanged, 4 with the same answers (ai-edge-litert" in last
    assert "ids recomputed with tokenizers" in last
    assert subprocess.run(["sha256sum", "--check", "--quiet", "--strict", "SHA256SUMS"], cwd=copy).returncode == 0


def test_files_that_missed_their_gate_are_signed_and_not_run(classifier_directory, tmp_path: Path, capsys):
    output = tmp_path / "out"
    words = ["export", f"--model={classifier_directory}", f"--output={output}", "--sequence_lengths=16"]
    words += ["--rounds=1", "--runs=1", "--parity_examples=4", "--recipes=float32,dynamic_int8"]
    assert cli.run([*words, "--max_error=1e-5", "--min_agreement=0"]) == 1
    assert sorted(path.name for path in output.glob("*.contract.json")) == ["float32.contract.json"]
    status, out, _ = verify(capsys, str(output))
    assert status == 0 and "rejected/dynamic_int8.tflite  signed   not run, it has no contract" in out
    path = output / "rejected" / "dynamic_int8.tflite"
    path.write_bytes(path.read_bytes()[:-1])
    assert "1 of 12 files: rejected/dynamic_int8.tflite" in verify(capsys, str(output))[2]


def test_one_flipped_byte_in_any_file_is_found_and_named(copy: Path, capsys):
    places = sorted(path for path in copy.iterdir())
    assert len(places) == 17
    for path in places:
        content = path.read_bytes()
        last = content.rstrip(b"\n").rfind(b"\n")
        for position in {0, 70, len(content) // 2, last, last + 5, len(content) - 1}:
            changed = bytearray(content)
            changed[position % len(content)] ^= 1
            path.write_bytes(changed)
            status, out, err = verify(capsys, str(copy))
            named = [line.split()[0] for line in out.splitlines() if "damaged" in line]
            assert (status, named) == (1, [path.name]), (path, position)
            assert err.strip().endswith(f" files: {path.name}") and err.count("\n") == 1
        path.write_bytes(content)
    assert verify(capsys, str(copy))[0] == 0


def test_a_link_that_leads_nowhere_is_a_missing_file(copy: Path, capsys):
    (copy / "labels.txt").unlink()
    (copy / "labels.txt").symlink_to(copy / "gone.txt")
    assert cli.run(["export", "verify", str(copy)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[:2] == ["labels.txt", "missing"] and "is a broken symbolic link" in line for line in lines)


def test_cut_missing_and_added_files_are_named(copy: Path, capsys):
    (copy / "float32.tflite").write_bytes((copy / "float32.tflite").read_bytes()[:20_000])
    (copy / "labels.txt").unlink()
    (copy / "sub").mkdir()
    (copy / "sub" / "notes.txt").write_text("mine")
    status, out, err = verify(capsys, str(copy))
    assert status == 1 and err.strip().endswith("3 of 18 files: float32.tflite, labels.txt, sub/notes.txt")
    for name, what in (("float32.tflite", "damaged"), ("labels.txt", "missing"), ("sub/notes.txt", "added")):
        assert any(line.split()[:2] == [name, what] for line in out.splitlines())


def change(name: str, path: str, value: object) -> Callable[[Path], None]:
    """A function that sets one value of a JSON file, or deletes it for None; `path` is keys and indices with dots."""

    def run(directory: Path) -> None:
        content = json.loads((directory / name).read_text())
        *way, last = (int(key) if key.isdigit() else key for key in path.split("."))
        place = content
        for key in way:
            place = place[key]
        if value is None:
            del place[last]
        else:
            place[last] = value
        (directory / name).write_text(json.dumps(content))

    return run


def swap_words(directory: Path) -> None:
    """Swap two pieces: another vocabulary of the same size."""
    lines = (directory / "vocab.txt").read_text().split("\n")
    lines[6], lines[20] = lines[20], lines[6]
    (directory / "vocab.txt").write_text("\n".join(lines))


def use_newer_operators(directory: Path) -> None:
    path = directory / "float32.tflite"
    model = flatbuffer.read(path.read_bytes())
    model.operatorCodes[0].version = 99
    path.write_bytes(flatbuffer.write(model))


CONTRACT = "float32.contract.json"


@pytest.mark.parametrize(
    "spoil, status, said",
    [
        (swap_words, "wrong", "vocabulary and rules give other ids for"),
        (change(CONTRACT, "text.tokenizer.lower_case", False), "wrong", "lower_case is False, but True in tokenizer"),
        (change(CONTRACT, "text.special_tokens.[SEP]", 4), "wrong", "vocab.txt does not have [SEP] at 4"),
        (change(CONTRACT, "text.vocabulary.size", 9), "wrong", "vocab.txt has 2000 pieces, not 9"),
        (change(CONTRACT, "text.max_ids", 47), "wrong", "other ids for"),
        (change(CONTRACT, "text.padding.least", 40), "wrong", "belongs to tokens_48, not to tokens_16"),
        (change(CONTRACT, "answer.labels", ["good", "bad"]), "wrong", "the labels are not those of labels.txt"),
        (
            lambda place: (
                (place / "labels.txt").write_text("a\nb\nc\n"),
                change(CONTRACT, "answer.labels", ["a", "b", "c"])(place),
            ),
            "wrong",
            "3 labels for an output logits of size [2]",
        ),
        (change(CONTRACT, "signatures.0.name", "main"), "wrong", "signatures of the file are tokens_16, tokens_48"),
        (change(CONTRACT, "signatures.0.inputs.1.dtype", "int64"), "wrong", "has input_ids int32 [1, 16], input_mask"),
        (change(CONTRACT, "examples.0.output.1", 0.75), "wrong", "logits of"),
        (change(CONTRACT, "examples.0.output.1", float("nan")), "wrong", "logits of"),
        (change(CONTRACT, "examples.0.probabilities.0", 0.5), "wrong", "the probabilities of"),
        (change(CONTRACT, "examples.0.answer", "ugly"), "wrong", "is not 'ugly'"),
        (change(CONTRACT, "answer", None), "wrong", "its contract is malformed: there is no field 'answer'"),
        (change(CONTRACT, "examples", []), "wrong", "its contract has no examples, so that there is nothing to run"),
        (
            change(CONTRACT, "task", "regression"),
            "wrong",
            "is 'regression', but 'classification' in task.json",
        ),
        (change(CONTRACT, "file.name", "labels.txt"), "wrong", "is for 'labels.txt', not for float32.tflite"),
        (
            lambda place: (
                (place.parent / "vocab.txt").write_bytes((place / "vocab.txt").read_bytes()),
                change(CONTRACT, "text.vocabulary.name", "../vocab.txt")(place),
            ),
            "wrong",
            "names '../vocab.txt', which is not a file in this directory",
        ),
        (use_newer_operators, "refused", "should run it (Didn't find op for builtin opcode"),
    ],
)
def test_a_directory_that_is_signed_and_contradicts_itself(single: Path, resigned, spoil, status, said, capsys):
    """The directory is changed and its sums are made again: the contract is still compared with the files."""
    code, out, err = verify(capsys, str(resigned(single, spoil)))
    (line,) = (line for line in out.splitlines() if line.startswith("float32.tflite"))
    assert (code, line.split()[1]) == (1, status) and said in line
    assert err.strip().endswith("files: float32.tflite") and err.count("\n") == 1


def test_vocabulary_of_another_model(export_directory: Path, copy: Path, capsys):
    swap_words(copy)
    assert "1 of 17 files: vocab.txt" in verify(capsys, str(copy))[2]
    hashes = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in copy.iterdir() if path.name != "SHA256SUMS"
    }
    (copy / "SHA256SUMS").write_text(verify_directory.sums_text(hashes))
    assert (
        "float32.tflite              wrong    vocab.txt is not the file that was exported"
        in verify(capsys, str(copy))[1]
    )


def test_what_is_no_finished_export_is_one_line(single: Path, tmp_path: Path, resigned, capsys):
    newer = resigned(single, change(CONTRACT, "schema", 3))
    other = resigned(single, lambda place: (place / CONTRACT).write_text("[]"))
    bare = shutil.copytree(single, tmp_path / "bare")
    for path in (*bare.glob("*.contract.json"),):
        path.unlink()
    bare = resigned(bare, lambda place: None)
    unfinished, damaged, trained, empty = (tmp_path / name for name in ("unfinished", "damaged", "trained", "empty"))
    for place, record in ((unfinished, '{"identity": {"command": "export"}}'), (damaged, "{"), (empty, None)):
        place.mkdir()
        if record:
            (place / "run.json").write_text(record)
    trained.mkdir()
    (trained / "run.json").write_text('{"identity": {"command": "finetune"}}')
    for words, status, said in (
        ([tmp_path / "absent"], 2, "absent: no such directory"),
        ([empty], 2, "empty: is not an export, it has neither SHA256SUMS nor run.json"),
        ([trained], 2, "holds the results of `finetune`, not of `export`"),
        ([unfinished], 1, "the export has not finished, SHA256SUMS is missing; give its command again"),
        ([damaged], 1, "has no SHA256SUMS, and its run.json is damaged"),
        ([newer], 1, "float32.contract.json: has schema 3, this version reads 1 and 2"),
        ([other], 1, "float32.contract.json: is not a contract"),
        ([bare], 1, "none could be run"),
        ([single, "--must_run=float16"], 1, "has no float16.contract.json"),
        ([single, f"--python={tmp_path / 'none'}"], 2, "cannot be started"),
    ):
        code, _, err = verify(capsys, *map(str, words))
        assert (code, said in err, err.count("\n")) == (status, True, 1), err


def script(path: Path, line: str) -> Path:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return path


def test_missing_runtime_and_one_that_crashes(single: Path, tmp_path: Path, capsys):
    # Without site-packages only the standard library is there.
    without = script(tmp_path / "python_without", f'exec "{sys.executable}" -S -E "$@"')
    status, _, err = verify(capsys, str(single), f"--python={without}")
    assert status == 1 and err.strip().endswith("get it with: pip install ai-edge-litert") and err.count("\n") == 1
    crashing = script(tmp_path / "python_crashing", "kill -SEGV $$")
    status, out, err = verify(capsys, str(single), f"--python={crashing}")
    assert status == 1 and "float32.tflite         crashed  the process that ran it ended with status -11" in out
    assert err.strip().endswith("files: float32.tflite")


BLOCKER = """
import importlib.abc, importlib.machinery, sys
allowed = set(sys.stdlib_module_names) | {"numpy", "ai_edge_litert"} | set(%r)
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] not in allowed:
            raise ModuleNotFoundError(f"{name} is not allowed here", name=name)
sys.meta_path.insert(0, Blocker())
"""


@pytest.mark.parametrize("form", ["script", "module"])
def test_it_needs_numpy_and_litert_alone(form: str, single: Path, root: Path, tmp_path: Path):
    """In its processes all imports are refused except NumPy, LiteRT and the standard library."""
    (tmp_path / "sitecustomize.py").write_text(BLOCKER % (["mobilebert_tf"] if form == "module" else [],))
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def run(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, *words], env=environment, cwd=tmp_path, capture_output=True, text=True)

    for package in ("tensorflow", "tokenizers", "absl"):
        assert "is not allowed here" in run("-c", f"import {package}").stderr
    words = ["-m", "mobilebert_tf.export.ship.verify_directory"]
    if form == "script":
        words = [str(root / "export" / "ship" / "verify_directory.py")]
    process = run(*words, str(single))
    assert (process.returncode, process.stderr) == (0, "")
    assert "1 with the same answers (ai-edge-litert" in process.stdout.splitlines()[-1]
    assert "ids not recomputed, the package tokenizers is not installed" in process.stdout.splitlines()[-1]
    (single / "labels.txt").write_text("good\nbad\n")
    process = run(*words, str(single))
    assert process.returncode == 1 and process.stderr.strip().endswith("files: labels.txt")
