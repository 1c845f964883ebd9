"""The comparison of strategies: its table by hand, and two variants in a real run."""

import json
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf import cli
from mobilebert_tf.benchmarks.library import strategies


def seed(loss: float, words: float, accuracy: float, seconds: float) -> dict[str, object]:
    held_out = {"masked_word_loss": loss, "masked_word_accuracy": words}
    return {"held_out": held_out, "accuracy": accuracy, "seconds": seconds, "samples": [loss]}


def test_a_row_has_means_and_deviations() -> None:
    rounds = [seed(5.0, 0.20, 0.40, 10.0), seed(5.2, 0.22, 0.44, 20.0), seed(5.4, 0.24, 0.42, 30.0)]
    document = {"subjects": [{"name": "joint (JKT)", "learning_rate": 4e-4, "rounds": rounds}]}
    # Sample deviations (n - 1) of 5, 5.2 and 5.4 and of the others: 0.2, 2 and 2.
    expected = ("joint (JKT)", "5.200 ± 0.200", "22.0 ± 2.0 %", "42.0 ± 2.0 %", "0.0004", "20 s")
    assert strategies.rows(document) == [expected]
    assert "5.200 ± 0.200" in strategies.table(document)


def test_learning_rates_that_are_no_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ("teacher", "records", "held_out", "train", "eval", "work")
    words = ["benchmark", "strategies", f"--output={tmp_path}/x.json", *(f"--{name}=x" for name in names)]
    assert cli.run([*words, "--learning_rates=1e-3,fast"]) == 2
    assert "must be comma-separated numbers" in capsys.readouterr().err


@pytest.mark.slow
def test_a_comparison_chooses_repeats_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"{a}{b}" for a in "bdfgklmnprst" for b in ("an", "el", "ir", "om", "un", "ast", "ent", "ick")]
    lines = [" ".join(words[(7 * i + j * j) % len(words)] for j in range(9)) + "." for i in range(120)]
    (tmp_path / "text.txt").write_text("\n\n".join("\n".join(lines[i : i + 6]) for i in range(0, 120, 6)) + "\n")
    rows = "".join(f"{line}\t{'ab'[i % 2]}\n" for i, line in enumerate(lines[:24]))
    (tmp_path / "train.tsv").write_text("text\tlabel\n" + rows)
    place = str(tmp_path)
    for command in (
        ["vocab", f"--input={place}/text.txt", f"--output={place}/vocab", "--size=200"],
        ["records", f"--input={place}/text.txt", f"--vocab={place}/vocab/vocab.txt", f"--output={place}/records"]
        + ["--max_seq_length=32", "--workers=1"],
        ["pretrain", f"--records={place}/records", "--model=debug_teacher", f"--output={place}/teacher", "--steps=4"],
    ):
        assert cli.run(command) == 0
    two = {name: strategies.VARIANTS[name] for name in ("no transfer", "progressive (PKT)")}
    monkeypatch.setattr(strategies, "VARIANTS", two)
    settings = strategies.Settings(
        teacher=f"{place}/teacher",
        records=f"{place}/records",
        held_out=f"{place}/records",
        train=f"{place}/train.tsv",
        eval=f"{place}/train.tsv",
        student="debug_student",
        layers=2,
        seeds=1,
        transfer_steps=2,
        distillation_steps=2,
        learning_rates=(1e-3,),
        max_seq_length=32,
    )
    subjects = strategies.measure(settings, tmp_path / "work")
    for subject in subjects:
        directory = (
            tmp_path / "work" / f"{'-'.join(subject.name.replace('(', '').replace(')', '').split())}-0.001-seed0"
        )
        log = [json.loads(line) for line in open(directory / "log.jsonl")]
        # All variants have the same number of updates: two for each of two layers, and two more.
        ends = {row["stage"]: row["step"] for row in log}
        assert sum(ends.values()) == 6
        assert subject.rounds[0]["held_out"]["masked_word_loss"] == pytest.approx(np.log(len(words)), rel=0.5)
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("model.weights.h5")}
    assert [one.rounds for one in strategies.measure(settings, tmp_path / "work")] == [one.rounds for one in subjects]
    assert times == {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("model.weights.h5")}
