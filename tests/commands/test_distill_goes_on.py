"""A run of `distill` that continues with other flags or another plan: finished stages stay as they were trained."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mobilebert_tf import cli, load_model_directory, provenance
from mobilebert_tf.data.pretraining_input import load_records, one_pass
from mobilebert_tf.training import loop
from mobilebert_tf.transfer import held_out, plan_file, strategies

from .conftest import Complain
from .test_distill import distill, preset

SHORT = {"transfer_steps": 1, "distillation_steps": 2, "batch_size": 4, "steps_per_call": 1}


@pytest.fixture(scope="module")
def ended(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three stages of 1, 1 and 2 steps, with snapshots in the first and the last."""
    place = tmp_path_factory.mktemp("ended") / "student"
    assert cli.run(distill(made, place, **SHORT, snapshots="1,3", held_out=made / "records")) == 0
    return place


def hashes(directory: Path) -> dict[str, str]:
    return {str(file.relative_to(directory)): provenance.sha256(file) for file in directory.rglob("*.h5")}


def test_the_last_stage_is_not_said_to_be_what_it_was_not(
    ended: Path, made: Path, tmp_path: Path, complain: Complain
) -> None:
    place = tmp_path / "student"
    shutil.copytree(ended, place)
    weights, plan = hashes(place), (place / "stages.json").read_bytes()
    changed = {**SHORT, "distillation_learning_rate": 9e-3, "held_out": made / "records"}
    line = complain(*distill(made, place, **changed, accept_changes="true"))
    assert "stage distillation ended with schedule.peak 0.0015, now 0.009; --redo_stage=distillation starts" in line
    assert hashes(place) == weights and (place / "stages.json").read_bytes() == plan
    longer = {**SHORT, "distillation_steps": 3, "held_out": made / "records"}
    assert cli.run(distill(made, place, **longer, accept_changes="true")) == 0
    assert hashes(place)["model.weights.h5"] != weights["model.weights.h5"]


def test_changes_that_would_train_nothing_are_refused(made: Path, tmp_path: Path, complain: Complain) -> None:
    words = ["pretrain", f"--records={made / 'records'}", "--model=debug_student", f"--output={tmp_path / 'teacher'}"]
    words += ["--batch_size=4", "--steps_per_call=1"]
    assert cli.run([*words, "--steps=2"]) == 0
    weights, record = hashes(tmp_path / "teacher"), (tmp_path / "teacher" / "run.json").read_bytes()
    rate = ["--steps=2", "--learning_rate=0.5"]
    for changed in (["--steps=1"], rate, [*rate, f"--held_out={made / 'records'}"]):
        line = complain(*words, *changed, "--accept_changes=true")
        assert "is finished, so another --" in line and "ask for more --steps" in line
    assert hashes(tmp_path / "teacher") == weights and (tmp_path / "teacher" / "run.json").read_bytes() == record
    assert cli.run([*words, "--steps=2", "--accept_changes=true", f"--held_out={made / 'records'}"]) == 0
    assert hashes(tmp_path / "teacher")["model.weights.h5"]
    assert "held_out" in json.loads((tmp_path / "teacher" / "metrics.json").read_text())


def test_a_redone_stage_leaves_nothing_of_what_it_was(ended: Path, made: Path, tmp_path: Path) -> None:
    place = tmp_path / "student"
    shutil.copytree(ended, place)
    before = hashes(place)
    words = distill(made, place, **SHORT, distillation_learning_rate=3e-2, redo_stage="distillation")
    assert cli.run(words) == 0
    after = hashes(place)
    assert set(after) == {"model.weights.h5", "snapshots/1/model.weights.h5"}
    assert after["snapshots/1/model.weights.h5"] == before["snapshots/1/model.weights.h5"]
    assert not (place / "layers.json").exists(), "nothing held out was measured this time"


@pytest.mark.parametrize("what", ["plan", "model"])
def test_what_a_file_says_belongs_to_the_run(what: str, made: Path, tmp_path: Path, complain: Complain) -> None:
    if what == "plan":
        path = tmp_path / "plan.json"
        stages = plan_file.text_of(strategies.plan(strategies.TransferOptions(transfer_steps=1, batch_size=4), 2))
        path.write_text(json.dumps(stages[:1]))
        words = distill(made, tmp_path / "x", plan=path, steps_per_call=1)
        other = json.dumps([stages[0] | {"batch_size": 8}])
    else:
        path = preset(made, tmp_path)
        words = ["pretrain", f"--records={made / 'records'}", f"--model={path}", "--steps=1", "--batch_size=4"]
        words.append(f"--output={tmp_path / 'x'}")
        other = path.read_text().replace('"relu"', '"gelu"')
    assert cli.run(words) == 0
    assert path.read_text() != other
    path.write_text(other)
    assert f"was begun with --{what}" in complain(*words)


def test_held_out_layers_are_compared_as_the_plan_says(made: Path, tmp_path: Path) -> None:
    """A student of one layer taught by the first of the teacher's two; then a student deeper than its teacher."""
    student = preset(made, tmp_path, num_hidden_layers=1)
    (base,) = plan_file.text_of(strategies.plan(strategies.TransferOptions(transfer_steps=1, batch_size=4), 1))[:1]
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps([base | {"pairs": [[0, 0]]}]))
    assert cli.run(distill(made, tmp_path / "x", student=student, plan=plan, held_out=made / "records")) == 0
    (_, layer) = json.loads((tmp_path / "x" / "layers.json").read_text())["layers"]
    batch = next(iter(one_pass(load_records(made / "records"), 4 * held_out._BATCH, whole_text=base["whole_text"])))
    maps = [
        np.asarray(load_model_directory(place).model.encoder(batch)["feature_maps"][1])
        for place in (made / "student", tmp_path / "x")
    ]
    real = batch["input_mask"].numpy() > 0
    means = [float(np.mean(feature_map[real])) for feature_map in maps]
    assert layer["teacher"]["mean"] == pytest.approx(means[0], rel=1e-4, abs=1e-6)
    assert layer["student"]["mean"] == pytest.approx(means[1], rel=1e-4, abs=1e-6)

    assert strategies.compared_layers(plan_file.read(plan), 3, 2) == (0, 0, 1)
    deeper = tmp_path / "deeper"
    deeper.mkdir()
    student = preset(made, deeper, num_hidden_layers=3)
    plan.write_text(json.dumps([base | {"pairs": [[0, 0], [1, 1], [2, 1]], "trains": [["all", 1.0]]}]))
    assert cli.run(distill(made, tmp_path / "y", student=student, plan=plan)) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_last_call_of_a_stage_keeps_the_next_from_beginning(
    number: signal.Signals, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complain: Complain
) -> None:
    """Send the signal while a stage of one call runs; the same command then continues with the next stage."""
    real, sent = loop._Run._write_snapshot, []

    def send(self: Any, done: int) -> None:
        if not sent:
            sent.append(os.kill(os.getpid(), number))
        real(self, done)

    monkeypatch.setattr(loop._Run, "_write_snapshot", send)
    words = distill(made, tmp_path / "x", **SHORT)
    line = complain(*words, status=1)
    assert f"stopped by {number.name} at step 1 of 1 (transfer_1); saved, the same command goes on" in line
    assert not (tmp_path / "x" / "checkpoints" / "1-transfer_2").exists()
    assert cli.run(words) == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"plan": "plan.json", "without": "attention"}, "--without=attention: the plan in plan.json sets"),
        ({"plan": "plan.json", "without": "nonsense"}, "--without=nonsense: the plan in plan.json sets"),
        ({"student": "made", "initialization": "random"}, "starts from its own weights; leave it out"),
        ({"student": "made", "without": "opt"}, "has its norms and activation already; leave it out"),
        ({"total_steps": 3, "snapshots": "3,1000"}, "--snapshots=3,1000: the plan has 3 steps"),
    ],
)
def test_flags_that_would_do_nothing(
    words: dict[str, Any], said: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complain: Complain
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("made").symlink_to(made / "student")
    Path("plan.json").write_text(json.dumps(plan_file.text_of(strategies.plan(strategies.TransferOptions(), 2))))
    assert said in complain(*distill(made, tmp_path / "x", **words))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pairs": [[1, 0], [1, 1]]}, "the student's layer 2 appears twice"),
        ({"losses": [["feature_map", 1], ["feature_map", 100]]}, "loss feature_map appears twice"),
        ({"trains": [["block_0", 1], ["block_0", 0.1]]}, "part block_0 appears twice"),
        (
            {"pairs": [[0, 1], [1, -1]], "losses": [["attention", 1]]},
            "attention applies to blocks, and the teacher's embed",
        ),
        ({"pairs": [], "losses": [["feature_map", 1], ["masked_words", 1]]}, "feature_map compares layers, but the"),
    ],
)
def test_stages_that_contradict_themselves(
    change: dict[str, Any], said: str, made: Path, tmp_path: Path, complain: Complain
) -> None:
    (stage, *_) = plan_file.text_of(strategies.plan(strategies.TransferOptions(), 2))
    (tmp_path / "plan.json").write_text(json.dumps([stage | {"trains": [["all", 1]]} | change]))
    assert said in complain(*distill(made, tmp_path / "x", plan=tmp_path / "plan.json"))


def test_what_is_left_out_and_embeddings_alone_are_shown(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (stage, *_) = plan_file.text_of(strategies.plan(strategies.TransferOptions(), 2))
    del stage["initialization"]
    for pairs, shown in (([[-1, -1]], "embeddings"), ([[0, 0], [1, 1]], "layers 1-2")):
        losses = [["feature_map", 1.0]]
        (tmp_path / "plan.json").write_text(
            json.dumps([stage | {"pairs": pairs, "losses": losses, "trains": [["all", 1]]}])
        )
        words = distill(made, tmp_path / "x", plan=tmp_path / "plan.json", print_stages="true")
        assert cli.run(words) == 0
        printed = capsys.readouterr().out
        assert shown in printed and "begins with the teacher's embeddings" in printed


def test_an_output_inside_its_input_is_known_again(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(made / "text.txt", data)
    vocab = ["vocab", f"--input={data}", f"--output={data / 'vocab'}", "--size=200"]
    records = ["records", f"--input={data}", f"--vocab={data / 'vocab' / 'vocab.txt'}", f"--output={data / 'records'}"]
    records += ["--max_seq_length=32", "--workers=1"]
    assert cli.run(vocab) == 0 and cli.run(records) == 0
    capsys.readouterr()
    assert cli.run(vocab) == 0 and cli.run(records) == 0
    assert capsys.readouterr().out.count("is finished already") == 2
    (data / "more.txt").write_text("another text\n")
    assert cli.run(vocab) == 2
