"""A run that is killed and started again ends with bit-identical weights to an undisturbed run."""

import json
import random
import signal
import subprocess
import time

import pytest

from .conftest import TRAINING, assert_same_weights, command, words


def killed_after(place, name, rows, options):
    """Start the command, and kill it a short random time after its log has so many rows."""
    process = subprocess.Popen(words(name, options), cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = place / options["output"] / "log.jsonl"
    while process.poll() is None:
        if log.exists() and len(log.read_text().splitlines()) >= rows:
            time.sleep(random.random() * 0.3)
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("case", ["pretrain", "distill", "finetune", "finetune_best"])
def test_killed_and_resumed_equals_undisturbed(place, case):
    name = case.split("_")[0]
    undisturbed = place / "teacher" if case == "pretrain" else place / f"{case}-undisturbed"
    if case != "pretrain":
        command(name, place, output=undisturbed.name, **TRAINING[case])
    options = {"output": f"{case}-killed", **TRAINING[case]}
    killed_after(place, name, 3, options)
    killed_after(place, name, 8, options)
    out = command(name, place, **options)
    assert "wrote" in out
    assert_same_weights(undisturbed, place / f"{case}-killed")
    # The log equals that of one run too: every row once, in order, with the same numbers.
    logs = [[json.loads(line) for line in open(d / "log.jsonl")] for d in (undisturbed, place / f"{case}-killed")]
    for row in (*logs[0], *logs[1]):
        row.pop("steps_per_second", None)
    assert logs[0] == logs[1]
    metrics = [json.loads((d / "metrics.json").read_text()) for d in (undisturbed, place / f"{case}-killed")]
    assert metrics[0] == metrics[1]
    # The run is finished now, so the same command does nothing.
    assert "skipped" in command(name, place, **options)


@pytest.mark.slow
def test_a_grid_killed_in_its_second_run(place):
    """The first run is not repeated, the second continues, and the output is the same."""
    options = {**TRAINING["finetune_best"], "seeds": 2}
    command("finetune", place, output="grid", **options)
    process = subprocess.Popen(
        words("finetune", {"output": "grid-killed", **options}),
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    log = place / "grid-killed" / "runs" / "rate_0.003_seed_1" / "log.jsonl"
    while not (log.exists() and log.read_text().count("\n") >= 4):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (place / "grid-killed" / "metrics.json").exists()
    printed = command("finetune", place, output="grid-killed", **options)
    assert printed.count("is finished already") == 1 and "the best is" in printed
    assert_same_weights(place / "grid", place / "grid-killed")
    one, other = (json.loads((place / name / "metrics.json").read_text()) for name in ("grid", "grid-killed"))
    assert one == other


def refused(name, place, **options):
    process = subprocess.run(words(name, options), cwd=place, capture_output=True, text=True)
    assert process.returncode == 2 and "Traceback" not in process.stderr, process.stderr
    return process.stderr


def journal(directory):
    return [json.loads(line) for line in (directory / "journal.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_killed_on_the_grid_of_a_file(place):
    """Ranges change with every step, so they must be saved in checkpoints too."""
    options = TRAINING["finetune_quantized"]
    command("pretrain", place, output="student", **{**TRAINING["pretrain"], "model": "debug_student", "steps": 10})
    command("finetune", place, output="classifier", **{**TRAINING["finetune"], "model": "student"})
    command("finetune", place, output="quantized", **options)
    killed_after(place, "finetune", 3, {"output": "quantized-killed", **options})
    killed_after(place, "finetune", 6, {"output": "quantized-killed", **options})
    assert "wrote" in command("finetune", place, output="quantized-killed", **options)
    assert_same_weights(place / "quantized", place / "quantized-killed")
    ranges = [
        json.loads((place / name / "quantization.json").read_text()) for name in ("quantized", "quantized-killed")
    ]
    # The file of weights contains its time of writing, so its hash differs.
    assert ranges[0].pop("weights_sha256") and ranges[1].pop("weights_sha256")
    assert ranges[0] == ranges[1]


@pytest.mark.slow
def test_a_stage_is_redone_with_another_setting(place):
    """The result equals a run that had the setting from the start in the redone and later stages only."""
    options = {**TRAINING["distill"], "output": "redone"}
    command("distill", place, **options)
    before = len(journal(place / "redone"))
    message = refused("distill", place, **{**options, "transfer_learning_rate": 3e-3})
    assert "--transfer_learning_rate left out, now 0.003" in message and "--accept_changes" in message
    message = refused("distill", place, **{**options, "transfer_learning_rate": 3e-3}, accept_changes="true")
    assert "transfer_1 ended with schedule.peak 0.0015, now 0.003; --redo_stage=transfer_1" in message
    changed = {**options, "transfer_learning_rate": 3e-3, "redo_stage": "transfer_2"}
    killed_after(place, "distill", len(open(place / "redone" / "log.jsonl").readlines()) + 99, changed)  # to its end
    assert "skipped" in command("distill", place, **changed)
    begun = [line["stage"] for line in journal(place / "redone")[before:] if line["event"] == "begun"]
    assert begun == ["transfer_2", "distillation"]
    # Run the same plan from the start: only the second stage has the other rate.
    stages = json.loads((place / "redone" / "stages.json").read_text())
    assert [stage["schedule"]["peak"] for stage in stages] == [1.5e-3, 3e-3, 1.5e-3]
    in_the_plan = ("transfer_steps", "distillation_steps", "batch_size")
    kept = {name: value for name, value in TRAINING["distill"].items() if name not in in_the_plan}
    command("distill", place, output="afresh", plan="redone/stages.json", **kept)
    assert_same_weights(place / "redone", place / "afresh")


@pytest.mark.slow
def test_changed_flags_go_on_when_told_to(place):
    options = {**TRAINING["pretrain"], "output": "longer"}
    command("pretrain", place, **options)
    assert "--steps 60, now 80" in refused("pretrain", place, **{**options, "steps": 80})
    command("pretrain", place, **{**options, "steps": 80}, accept_changes="true")
    events = [(line["event"], line["step"]) for line in journal(place / "longer")]
    assert events[events.index(("done", 60)) + 1] == ("resumed", 60) and events[-1] == ("done", 80)
    record = json.loads((place / "longer" / "run.json").read_text())
    assert record["changes"][0]["options"] == {"steps": [60, 80]} and "finished" in record


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_signal_saves_and_exits(place, number):
    options = {"output": f"polite-{number}", **TRAINING["pretrain"], "checkpoint_every": 1000}
    process = subprocess.Popen(
        words("pretrain", options), cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    log = place / options["output"] / "log.jsonl"
    while not (log.exists() and log.read_text().count("\n") >= 2):
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert f"stopped by {signal.Signals(number).name} at step" in errors.splitlines()[-1] and "Traceback" not in errors
    command("pretrain", place, **options)
    assert_same_weights(place / "teacher", place / options["output"])
