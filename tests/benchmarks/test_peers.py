"""`benchmark peers`: plan, files and results; a real rival runs if its environment is installed."""

import copy
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.benchmarks import schema
from mobilebert_tf.benchmarks.peers import catalogue, environments, inputs, measure, workshop
from mobilebert_tf.benchmarks.peers.environments import Environment
from mobilebert_tf.benchmarks.report import peers as report
from mobilebert_tf.benchmarks.results import Subject, document
from mobilebert_tf.errors import FailedError, UsageError


def environment(directory: Path, packages: tuple[str, ...] = ("one==1",)) -> Environment:
    return Environment("some", directory / "some", packages, ((3, 10), (3, 13)))


def test_every_rival_says_what_it_installs_and_makes():
    """Versions are pinned, so that a comparison a year later is of the same software."""
    peers = catalogue.peers(catalogue.NAMES)
    assert [peer.name for peer in peers] == list(catalogue.NAMES)
    places = catalogue.environments(peers, Path("/d"))
    assert [one.name for one in places] == ["tf_models", "huggingface", "pytorch", "minilm"]
    for one in places:
        assert one.packages and all("==" in package for package in one.packages)
    assert len({name for peer in peers for name in (f"{peer.title}, {one}" for one in peer.files.values())}) == sum(
        len(peer.files) for peer in peers
    )
    with pytest.raises(UsageError, match="--peers=tf: choose from student, tf_models"):
        catalogue.peers(["tf"])


def test_rivals_files_import_nothing_of_this_package():
    """Rivals run where this package is not installed, so they import only files beside them."""
    here = Path(catalogue.__file__).parent
    for name in (*catalogue.RIVALS, "side"):
        assert "mobilebert_tf." not in (here / f"{name}.py").read_text(encoding="utf-8")


def test_a_finished_environment_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    one = environment(tmp_path)
    (one.directory / "bin").mkdir(parents=True)
    one.program.touch()
    assert not one.is_there(), "nothing says that pip got to its end"
    (one.directory / environments.MARK).write_text(json.dumps({"packages": ["one==1"]}))
    monkeypatch.setattr(environments, "_logged", lambda *_: pytest.fail("was made again"))
    environments.prepare(one, print)
    assert not environment(tmp_path, ("one==2",)).is_there(), "another version is wanted"


@pytest.mark.parametrize(
    ("printed", "words"),
    [
        ("ERROR: Could not find a version that satisfies the requirement nowhere==1\nERROR: No matching distribution "
         "found for nowhere==1", "is not available from the package index for this Python: No matching distribution"),
        ("Collecting torch\nERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n",
         "the disk is full"),
        ("ERROR: ResolutionImpossible: for help visit", "conflict with each other"),
        ("WARNING: Retrying after connection broken\nERROR: Connection refused", "cannot be reached"),
        ("building\nerror: gcc failed", "pip failed: error: gcc failed"),
        ("", "pip failed: no message"),
    ],
)  # fmt: skip
def test_why_an_installation_failed_is_a_line(printed: str, words: str):
    line = environments.why(printed)
    assert words in line and "\n" not in line


def test_a_wrong_python_is_said_with_one_that_would_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    old = Environment("old", tmp_path / "old", ("one==1",), ((3, 6), (3, 8)))
    monkeypatch.setattr(environments.shutil, "which", lambda name: "/there" if name == "python3.7" else None)
    assert environments.interpreter(old) == "/there"
    monkeypatch.setattr(environments.shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match=r"need Python 3\.6 to 3\.8, this is .* put python3\.8 on the PATH"):
        environments.interpreter(old)
    assert environments.interpreter(environment(tmp_path)) == sys.executable


def test_a_peer_that_fails_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One peer's environment fails, one's program fails, and one's files are made; nothing is made twice."""
    made = []

    def prepare(one: Environment, say: object) -> None:
        if one.name == "huggingface":
            raise FailedError("huggingface: the disk is full")

    def ask(peer: catalogue.Peer, one: Environment, order: dict) -> dict:
        if peer.name == "pytorch":
            raise FailedError("pytorch: out of memory")
        made.append(peer.name)
        for name in peer.files:
            (Path(order["directory"]) / name).write_bytes(b"1")
        return {}

    monkeypatch.setattr(workshop, "prepare", prepare)
    monkeypatch.setattr(workshop, "ask", ask)
    lines: list[str] = []
    shop = workshop.Workshop(
        directory=tmp_path, preset="debug_student", length=32, lengths=(32,), texts=("a",), say=lines.append
    )
    wanted = catalogue.peers(["tf_models", "huggingface", "pytorch"])
    variants, failures = shop.make(wanted)
    assert [one.peer.name for one in variants] == ["tf_models", "tf_models"]
    assert failures == {"huggingface": "huggingface: the disk is full", "pytorch": "pytorch: out of memory"}
    assert not list(shop.place(wanted[2]).parent.glob("*pytorch*")), "nothing half made is left"
    shop.make(wanted)
    assert made == ["tf_models"]


def test_all_are_timed_on_the_same_texts():
    tokenizer = inputs.tokenizer()
    assert tokenizer.size == 30522
    ids = inputs.encode(["A word.", "A text of some more words than the other one."], tokenizer, 10)
    assert [len(one) for one in ids] == [5, 10] and ids[1][-1] == tokenizer.id("[SEP]")
    rows = inputs.padded(ids, 12, None)
    assert rows["ids"][0, :5].tolist() == ids[0] and not rows["ids"][0, 5:].any()
    assert rows["mask"].sum(axis=1).tolist() == [5, 10]
    assert inputs.padded(ids, 12, 100)["ids"].max() < 100, "a small word table has no other rows"
    own = inputs.of_own_lengths([[1] * n for n in range(3, 103)], 64, 30522)
    assert len(own["real"]) == inputs.OWN_LENGTHS and own["real"][0] == 3 and own["real"][-1] == 64
    assert (own["mask"].sum(axis=1) == own["real"]).all()


def subjects() -> list[Subject]:
    """Two files, one of them invalid over texts, and a file of another runtime."""
    collected = []
    for title, runtime, ms in (("ours", "LiteRT", 4.0), ("tf-models", "LiteRT", 8.0), ("other", "PyTorch", 40.0)):
        for length in (128, None):
            validity = {"verdict": "ok", "reasons": []}
            if title == "tf-models" and length is None:
                validity = {"verdict": "invalid", "reasons": ["medians of processes differ by 90%"]}
            details = {
                "peer": title, "title": title, "precision": "float32", "file": f"{title}.bin", "runtime": runtime,
                "sha256": "0" * 64, "bytes": 26_000_000, "sequence_length": length, "validity": validity,
                "configuration": {"threads": 1, "accelerator": "cpu", "api": None, "weight_cache": None},
            }  # fmt: skip
            more = {"load_ms": 20.0, "first_ms": 0.5, "memory_mib": {"private": 30.0, "shared": 1.0}}
            rounds = [{"samples": [ms, ms], **more}] * 8
            collected.append(Subject(name=f"{title}, float32", details=details, rounds=rounds))
    return collected


def result() -> dict:
    own = subjects()
    return document(
        "peers", "ms", {"sequence_length": 128, "texts": "dev.tsv"}, own,
        measure.baselines(own, "tf-models, float32"), runtime={"name": "LiteRT"},
        instructions={"where": "estimated", "core": "cortex-a76",
                      "subjects": [{"name": "ours, float32", "million": 60.4, "million_over_texts": 9.6}]},
        fine_tuning={"unit": "s", "threads": 2, "batch_size": 16, "subjects": [
            {"name": "ours", "peer": "ours", "summary": {"median": 0.5, "runs": 2}, "rounds": [{"samples": [0.5]}]}]},
        scores={"name": "Spearman", "subjects": [{"name": "other, float32", "score": 0.771, "examples": 1379}]},
        not_measured=[{"peer": "huggingface", "reason": "the disk is full"}],
    )  # fmt: skip


def test_the_table_has_what_is_known_of_each_file_and_nothing_that_is_invalid():
    written = result()
    assert schema.fault(written) is None
    head, rows = report.cells(written)
    row = {one[0]: dict(zip(head, one, strict=True)) for one in rows}
    own, tf_models, other = row["ours, float32"], row["tf-models, float32"], row["other, float32"]
    assert own["128 pieces, 1 thread"] == "4.0 ms" and own["ratio, 1 thread"] == "0.50"
    assert tf_models["texts of dev.tsv"] == "" and "ratio, texts" not in head, "the baseline is invalid there"
    assert other["texts of dev.tsv"] == "40.0 ms" and other["ratio, 1 thread"] == "5.00"
    assert own["ARM instructions"] == "≈ 60 M" and own["of the texts"] == "≈ 9.6 M" and other["of the texts"] == ""
    assert own["steps a second"] == "2.00" and tf_models["steps a second"] == "" and other["Spearman"] == "77.1%"
    assert (own["size"], own["load"], own["first inference"], own["memory"]) == (
        "26.0 MB",
        "20 ms",
        "0.50 ms",
        "30 MiB",
    )
    page = report.markdown(written)
    assert "Not measured: huggingface (the disk is full)." in page
    assert "invalid: tf-models, float32 at texts, 1 thread (medians of processes differ by 90%)" in page


def test_invalid_steps_are_named_and_not_shown():
    written = result()
    written["fine_tuning"]["subjects"][0]["validity"] = {"verdict": "invalid", "reasons": ["a busy machine"]}
    assert schema.fault(written) is None and "steps a second" not in report.cells(written)[0]
    assert "Steps of ours are invalid: a busy machine." in report.markdown(written)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda one: one["subjects"][0].pop("peer"), "'peer' is a required property"),
        (lambda one: one["subjects"][0].update(runtime="Core ML"), "subjects[0].runtime"),
        (lambda one: one["instructions"].update(where="host"), "instructions.where"),
        (lambda one: one["fine_tuning"].update(unit="ms"), "fine_tuning.unit"),
        (lambda one: one.update(where="emulated"), "where"),
        (lambda one: one["not_measured"][0].pop("reason"), "'reason' is a required property"),
    ],
)
def test_a_result_that_lacks_something_is_against_the_schema(change, words: str):
    changed = copy.deepcopy(result())
    change(changed)
    assert words in (schema.fault(changed) or "")


def test_a_report_shows_it_too(tmp_path: Path, capsys):
    path = tmp_path / "peers.json"
    path.write_text(json.dumps(result()))
    words = ["benchmark", "report", f"--results={path}", "--pictures=false", f"--output={tmp_path / 'a.md'}"]
    assert cli.run(words) == 0
    assert "| ours, float32 | 26.0 MB | 4.0 ms |" in (tmp_path / "a.md").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--output or --setup must be given"),
        (["--setup", "--peers=keras"], "--peers=keras: choose from student, tf_models"),
        (["--output=a.txt"], "must end in .json"),
        (["--output=a.json", "--baseline=Core ML"], "--baseline=Core ML: choose from mobilebert_tf, float32; "),
        (["--output=a.json", "--threads=none"], "--threads=none: must be comma-separated numbers"),
    ],
)
def test_wrong_use_is_a_line(words: list, message: str, capsys):
    assert cli.run(["benchmark", "peers", *words]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1


@pytest.mark.peers
def test_a_rival_really_runs(tmp_path: Path, capsys):
    """A small network by Hugging Face on ONNX Runtime and PyTorch gives real logits, times and training steps."""
    directory = Path(os.environ.get("MOBILEBERT_TF_PEERS") or os.path.expanduser(environments.DEFAULT))
    wanted = catalogue.peers(["onnx_runtime", "pytorch"])
    (installed,) = catalogue.environments(wanted, directory)
    if not installed.is_there():
        pytest.skip(
            f"{installed.directory} is not there; `mobilebert-tf benchmark peers --setup --peers=pytorch` makes it"
        )
    (tmp_path / "environments").symlink_to(directory / "environments")
    words = ["benchmark", "peers", "--peers=onnx_runtime,pytorch", f"--directory={tmp_path}", "--model=debug_student"]
    words += ["--sequence_length=16", "--rounds=1", "--runs=2", "--steps=1", "--step_rounds=1"]
    assert cli.run([*words, f"--output={tmp_path / 'a.json'}"]) == 0
    written = schema.read(tmp_path / "a.json")
    assert [subject["runtime"] for subject in written["subjects"]] == ["ONNX Runtime", "ONNX Runtime", "PyTorch"]
    assert all(len(subject["rounds"][0]["samples"]) >= 2 for subject in written["subjects"])
    assert all(subject["versions"]["torch"] for subject in written["subjects"])
    assert written["fine_tuning"]["subjects"][0]["peer"] == "pytorch" and "not_measured" not in written
    assert np.isfinite(written["fine_tuning"]["subjects"][0]["rounds"][0]["first_loss"])
