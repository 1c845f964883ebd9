"""`finetune` with several rates and seeds: runs, table, the best run, and continuing after an interruption."""

import json
import statistics
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.commands.finetune import Finetune
from mobilebert_tf.commands.finetune_grid import Outcome, summaries
from mobilebert_tf.errors import FailedError

from .conftest import Complain

SHORT = ["--max_seq_length=16", "--batch_size=4", "--epochs=1", "--steps_per_call=2", "--measure_every=2"]
RATES = ["--learning_rate=0.001,0.005", "--seeds=2", "--seed=3"]
NAMES = [f"runs/rate_{rate}_seed_{seed}" for rate in ("0.001", "0.005") for seed in (3, 4)]


def words(made: Path, output: Path) -> list[str]:
    tables = [f"--train={made / 'train.tsv'}", f"--eval={made / 'train.tsv'}"]
    return ["finetune", f"--model={made / 'student'}", f"--output={output}", *tables, *SHORT]


def test_all_runs_and_the_best_one(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "grid"
    trained = []
    real = Finetune.run_once

    def counted(self, recipe):
        if len(trained) == 2:
            raise FailedError("stopped by SIGINT at step 2 of 6")
        trained.append(self.output)
        return real(self, recipe)

    monkeypatch.setattr(Finetune, "run_once", counted)
    assert cli.run([*words(made, output), *RATES]) == 1
    assert not (output / "model.weights.h5").exists()
    monkeypatch.setattr(Finetune, "run_once", lambda self, recipe: trained.append(self.output) or real(self, recipe))
    capsys.readouterr()
    assert cli.run([*words(made, output), *RATES]) == 0
    printed = capsys.readouterr().out
    # The first two were finished, so they are skipped this time.
    assert printed.count("is finished already") == 2 and len(set(trained)) == 4
    assert f"--model={output}" in printed.splitlines()[-1] and printed.count("next: ") == 1

    metrics = json.loads((output / "metrics.json").read_text())
    runs = {run["directory"]: run for run in metrics["runs"]}
    assert list(runs) == NAMES
    for name, run in runs.items():
        own = json.loads((output / name / "metrics.json").read_text())
        assert (run["score"], run["loss"]) == (own["evaluation"]["accuracy"], own["evaluation"]["loss"])
        assert name == f"runs/rate_{run['learning_rate']:g}_seed_{run['seed']}"
        assert not (output / name / "checkpoints").exists()
    for rate in metrics["rates"]:
        scores = [run["score"] for run in runs.values() if run["learning_rate"] == rate["learning_rate"]]
        assert (rate["runs"], rate["median"], rate["min"]) == (2, statistics.median(scores), min(scores))
        assert f"{rate['median']:.1%}" in printed
    best = max(runs, key=lambda name: (runs[name]["score"], -runs[name]["loss"]))
    assert metrics["best_run"] == best and f"the best is {output / best}, accuracy" in printed
    assert printed.count("predicted") == 1
    assert metrics["evaluation"]["accuracy"] == runs[best]["score"]
    for name in ("model.weights.h5", "config.json", "task.json", "labels.txt", "vocab.txt", "tokenizer.json"):
        assert (output / name).read_bytes() == (output / best / name).read_bytes()
    capsys.readouterr()
    assert cli.run(["evaluate", f"--model={output}", f"--input={made / 'train.tsv'}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["accuracy"] == runs[best]["score"]
    # A run of the grid does not depend on the runs before it.
    alone = tmp_path / "alone"
    assert cli.run([*words(made, alone), "--learning_rate=0.005", "--seed=4"]) == 0
    assert (alone / "model.weights.h5").read_bytes() == (output / NAMES[3] / "model.weights.h5").read_bytes()
    assert cli.run(["report", f"--input={output}", f"--output={tmp_path / 'report.html'}"]) == 0
    capsys.readouterr()
    assert cli.run([*words(made, output), *RATES]) == 0
    assert "finished already" in capsys.readouterr().out
    # If its runs refuse a change, the grid's record stays as it was.
    record = (output / "run.json").read_bytes()
    assert cli.run([*words(made, output), *RATES, "--weight_decay=0.5", "--accept_changes"]) == 2
    assert "is finished, so another --weight_decay would change nothing" in capsys.readouterr().err
    assert (output / "run.json").read_bytes() == record


def test_a_rate_that_diverges_is_a_row_of_the_table(
    made: Path, tmp_path: Path, complain: Complain, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "grid"
    flags = ["--learning_rate=0.001,10", "--clip_norm=0", "--hidden_act=relu"]
    status = cli.run([*words(made, output), *flags, "--epochs=4"])
    printed = capsys.readouterr().out
    assert status == 0 and "the loss is nan" in printed
    metrics = json.loads((output / "metrics.json").read_text())
    assert [run["score"] is None for run in metrics["runs"]] == [False, True]
    assert metrics["best_run"] == "runs/rate_0.001_seed_0"
    assert "1 (1 diverged)" in printed


def test_interval_is_students() -> None:
    scores = [0.90, 0.92, 0.91, 0.95, 0.89]
    outcomes = [Outcome(directory="x", seed=i, learning_rate=1e-4, score=s, loss=0.1) for i, s in enumerate(scores)]
    # A run that diverged has no record of the rate chosen for it.
    (row,) = summaries([*outcomes, Outcome(directory="z", seed=8, learning_rate=None)])
    assert (row.runs, row.diverged) == (len(outcomes) + 1, 1)
    (row,) = summaries([*outcomes, Outcome(directory="y", seed=9, learning_rate=1e-4)])
    # 2.776 is Student's 97.5 % quantile at four degrees of freedom, from printed tables.
    half = 2.776 * statistics.stdev(scores) / np.sqrt(5)
    assert (row.mean_low, row.mean_high) == pytest.approx((0.914 - half, 0.914 + half), abs=1e-5)
    assert (row.median, row.min, row.max, row.runs, row.diverged) == (0.91, 0.89, 0.95, 6, 1)


@pytest.mark.parametrize(
    "changed, message",
    [
        (["--seeds=2", "--eval=none"], "--seeds=2: choosing the best training needs labelled rows; leave --eval=none"),
        (["--learning_rate=1e-3,2e-3", "--eval=none"], "choosing the best training needs labelled rows"),
        (["--learning_rate=1e-3,x"], "--learning_rate=1e-3,x: must be a number, or several separated by commas"),
        (["--learning_rate=1e-3,1e-3"], "names 0.001 twice"),
        (["--learning_rate=1e-3,11"], "--learning_rate=11.0: must be at most 10"),
        (["--seeds=0"], "--seeds=0: must be at least 1"),
    ],
)
def test_what_is_refused(changed: list[str], message: str, made: Path, complain: Complain, tmp_path: Path) -> None:
    output = tmp_path / "out"
    line = complain(
        "finetune", f"--model={made / 'student'}", f"--train={made / 'train.tsv'}", f"--output={output}", *changed
    )
    assert message in line and not output.exists()


def test_seeds_beyond_the_largest_are_refused_before_training(made: Path, tmp_path: Path, complain: Complain) -> None:
    line = complain(*words(made, tmp_path / "grid"), f"--seed={2**32 - 1}", "--seeds=2")
    assert "--seeds=2: from --seed=4294967295 on, they end beyond 4294967295; give a smaller --seed" in line
    assert not (tmp_path / "grid").exists()
