"""The benefit of knowledge transfer: the paper's strategies and ablations at equal steps, over several seeds.

Every run is a `mobilebert-tf` command with its own directory below one working directory,
so that a stopped comparison can go on and the model behind each figure can be inspected.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf.benchmarks.programs import run_own
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.data.progress import track
from mobilebert_tf.text_table import aligned

VARIANTS: dict[str, dict[str, Any]] = {
    "no transfer": {},
    "auxiliary (AKT)": {"strategy": "auxiliary"},
    "joint (JKT)": {"strategy": "joint"},
    "progressive (PKT)": {"strategy": "progressive"},
    "PKT without attention transfer": {"strategy": "progressive", "without": "attention"},
    "PKT without feature maps": {"strategy": "progressive", "without": "feature_maps"},
    "PKT without distillation": {"strategy": "progressive", "without": "distillation"},
}
"""Flags of `distill` by variant; a variant without flags runs `pretrain` on the student, from random weights."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Networks, data and length of the comparison."""

    teacher: str
    records: str
    held_out: str
    train: str
    eval: str
    student: str = "demo_student"
    layers: int = 4
    seeds: int = 3
    transfer_steps: int = 150
    """Updates per layer; every variant makes `layers` times as many, and those of distillation."""
    distillation_steps: int = 450
    batch_size: int = 32
    transfer_learning_rate: float = 2e-3
    learning_rates: tuple[float, ...] = (4e-4, 2e-3)
    """Rates of the last stage, tried with the first seed; each variant keeps the one that is best on held-out text."""
    attention_weight: float = 20.0
    finetune_epochs: float = 2.0
    finetune_learning_rate: float = 5e-4
    max_seq_length: int = 64


def measure(settings: Settings, work: Path) -> list[Subject]:
    """Held-out loss (nats per masked word), accuracies and wall-clock time of every variant and seed.

    Raises:
      FailedError: a command failed; the next call with the same `work` resumes there.
    """
    tried: dict[str, dict[str, float]] = {}
    whole = [name for name, flags in VARIANTS.items() if "without" not in flags]
    trials = [(name, rate) for name in whole for rate in settings.learning_rates]
    for name, rate in track(trials, "learning rates, first seed", "runs", len(trials)):
        run = _student(settings, work, name, rate, 0)
        tried.setdefault(name, {})[f"{rate:g}"] = run["held_out"]["masked_word_loss"]
    best = {name: float(min(losses, key=losses.__getitem__)) for name, losses in tried.items()}
    # An ablation takes the rate of the complete strategy, which it is compared with.
    chosen = {name: best.get(name, best.get("progressive (PKT)", 0.0)) for name in VARIANTS}
    turns = [(name, seed) for seed in range(settings.seeds) for name in VARIANTS]
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in VARIANTS}
    for name, seed in track(turns, "variants and seeds", "runs", len(turns)):
        student = _student(settings, work, name, chosen[name], seed)
        task = _classifier(settings, work, student["directory"], seed)
        rounds[name].append(
            {
                "samples": [student["held_out"]["masked_word_loss"]],
                "seed": seed,
                "held_out": student["held_out"],
                "accuracy": task["accuracy"],
                "seconds": student["seconds"],
                "finetune_seconds": task["seconds"],
                "command": student["command"],
                "finetune_command": task["command"],
            }
        )
    return [
        Subject(name=name, details={"learning_rate": chosen[name], "tried": tried.get(name, {})}, rounds=seen)
        for name, seen in rounds.items()
    ]


def _student(settings: Settings, work: Path, name: str, rate: float, seed: int) -> dict[str, Any]:
    flags = VARIANTS[name]
    directory = work / f"{'-'.join(name.replace('(', '').replace(')', '').split())}-{rate:g}-seed{seed}"
    common = {
        "records": settings.records,
        "held_out": settings.held_out,
        "batch_size": settings.batch_size,
        "seed": seed,
        "output": directory,
    }
    if flags:
        own = {
            "teacher": settings.teacher,
            "student": settings.student,
            "transfer_steps": settings.transfer_steps,
            "distillation_steps": settings.distillation_steps,
            "transfer_learning_rate": settings.transfer_learning_rate,
            "distillation_learning_rate": rate,
            "attention_weight": settings.attention_weight,
            **flags,
        }
        command = _command("distill", {**own, **common})
    else:
        steps = settings.layers * settings.transfer_steps + settings.distillation_steps
        own = {"model": settings.student, "steps": steps, "learning_rate": rate, "warmup_steps": steps // 50}
        command = _command("pretrain", {**own, **common})
    run = _run(command, directory)
    return {"directory": directory, "held_out": _json(directory / "metrics.json")["held_out"], **run}


def _classifier(settings: Settings, work: Path, student: Path, seed: int) -> dict[str, Any]:
    directory = work / f"{student.name}-classifier"
    flags = {
        "model": student,
        "train": settings.train,
        "eval": settings.eval,
        "epochs": settings.finetune_epochs,
        "learning_rate": settings.finetune_learning_rate,
        "max_seq_length": settings.max_seq_length,
        "keep": "last",
        "seed": seed,
        "output": directory,
    }
    run = _run(_command("finetune", flags), directory)
    return {"accuracy": _json(directory / "metrics.json")["evaluation"]["accuracy"], **run}


def _command(name: str, flags: Mapping[str, Any]) -> list[str]:
    return [name, *(f"--{key}={value}" for key, value in flags.items())]


def _run(words: Sequence[str], directory: Path) -> dict[str, Any]:
    """Run a `mobilebert-tf` command unless it is done; return its command line and the seconds that it reports."""
    run_own(words, directory)
    return {"command": shlex.join(["mobilebert-tf", *words]), "seconds": _json(directory / "run.json")["seconds"]}


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """One row per variant: means over seeds with the standard deviation of a single seed."""
    table_rows: list[tuple[str, ...]] = []
    for subject in document["subjects"]:
        seen = subject["rounds"]
        table_rows.append(
            (
                subject["name"],
                _spread([one["held_out"]["masked_word_loss"] for one in seen], "{:.3f}"),
                _spread([100 * one["held_out"]["masked_word_accuracy"] for one in seen], "{:.1f}", " %"),
                _spread([100 * one["accuracy"] for one in seen], "{:.1f}", " %"),
                f"{subject['learning_rate']:g}",
                f"{np.mean([one['seconds'] for one in seen]):.0f} s",
            )
        )
    return table_rows


HEAD = ("", "held-out loss", "masked words right", "task accuracy", "last rate", "time a run")


def table(document: Mapping[str, Any]) -> str:
    """The rows as a text table for the terminal."""
    return aligned([list(HEAD), *map(list, rows(document))])


def _spread(values: Sequence[float], form: str, unit: str = "") -> str:
    deviation = np.std(values, ddof=1) if len(values) > 1 else float("nan")
    return f"{form.format(np.mean(values))} ± {form.format(deviation)}{unit}"
