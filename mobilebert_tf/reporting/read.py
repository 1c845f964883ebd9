"""Directories -> `Results`. A file that is not there yet leaves its part empty."""

from __future__ import annotations

import collections
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf.checkpoints import shipped
from mobilebert_tf.config import PRESETS
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import build
from mobilebert_tf.reporting import read_export
from mobilebert_tf.reporting.json_values import number, object_or_empty, read_object, score
from mobilebert_tf.reporting.results import (
    Attention,
    AttentionLayer,
    Classifier,
    LayerComparison,
    Moments,
    Results,
    Run,
    Stage,
    Training,
)
from mobilebert_tf.run_directory import RECORD
from mobilebert_tf.tasks.files import read_labels
from mobilebert_tf.transfer.terms import MEASURED

# In the order of a model's life; other commands come last.
COMMAND_ORDER = ("corpus", "vocab", "records", "pretrain", "distill", "finetune", "evaluate", "export")


def read(directories: Sequence[Path]) -> Results:
    """Everything that these run directories, or directories of run directories, hold.

    Raises:
      UsageError: a directory holds no run, or one of the files cannot be read.
    """
    runs: dict[Path, Run] = {}
    for directory in directories:
        found = [_run(path, directory) for path in _records(directory)]
        if not found:
            raise UsageError(
                f"{directory}: neither holds a {RECORD} nor has subdirectories that do; give what a command wrote"
            )
        runs.update({run.directory.resolve(): run for run in found})
    # A pipeline's record stands for the runs below it, which speak for themselves.
    steps = [run for run in runs.values() if run.command not in ("pipeline", "report")]
    steps = _with_distinct_names(steps)
    steps.sort(key=lambda run: (_rank(run), str(run.made_by.get("date", "")), run.name))
    return Results(
        runs=tuple(steps),
        teachers=tuple(_training(run) for run in steps if run.command == "pretrain"),
        students=tuple(_training(run) for run in steps if run.command == "distill"),
        classifiers=tuple(_classifier(run) for run in steps if run.command in ("finetune", "evaluate")),
        exports=tuple(read_export.of_run(run) for run in steps if run.command == "export"),
    )


def _with_distinct_names(runs: Sequence[Run]) -> list[Run]:
    """Runs of one name, from several directories, with as many directories before it as tell them apart."""
    counts = collections.Counter(run.name for run in runs)
    while any(count > 1 for count in counts.values()):
        longer = [_longer(run) if counts[run.name] > 1 else run for run in runs]
        if longer == list(runs):
            break
        runs, counts = longer, collections.Counter(run.name for run in longer)
    return list(runs)


def _longer(run: Run) -> Run:
    parts = run.directory.resolve().parts
    return dataclasses.replace(run, name="/".join(parts[-1 - len(Path(run.name).parts) :]).lstrip("/"))


def _records(directory: Path) -> list[Path]:
    """Records in `directory` and at most two levels below: `records/train` is a run, `checkpoints/x/y` is not."""
    patterns = (RECORD, f"*/{RECORD}", f"*/*/{RECORD}")
    return [path for pattern in patterns for path in sorted(directory.glob(pattern))]


def _rank(run: Run) -> int:
    return COMMAND_ORDER.index(run.command) if run.command in COMMAND_ORDER else len(COMMAND_ORDER)


def _run(path: Path, top: Path) -> Run:
    record = read_object(path)
    directory = path.parent
    for name in ("options", "made_by"):
        if not isinstance(record.get(name, {}), dict):
            raise UsageError(f"{path}: {name} is no JSON object; run the command that wrote it again")
    try:
        return Run(
            directory=directory,
            name=directory.resolve().name if directory == top else directory.relative_to(top).as_posix(),
            command=str(record["identity"]["command"]),
            options=record.get("options", {}),
            made_by=record.get("made_by", {}),
            finished="finished" in record,
            seconds=number(record.get("seconds")),
        )
    except (KeyError, TypeError, AttributeError):
        raise UsageError(f"{path}: does not say which command wrote this directory") from None


def _training(run: Run) -> Training:
    path = run.directory / "metrics.json"
    metrics = object_or_empty(path)
    held_out = _measured(metrics, "held_out", path)
    return Training(
        run=run,
        stages=read_log(run.directory / "log.jsonl"),
        held_out=held_out,
        teacher_held_out=_measured(metrics, "teacher_held_out", path),
        parameters=_parameters(metrics, path),
        teacher_agreement=number(metrics.get("teacher_agreement", held_out.get("teacher_agreement"))),
        attention=_attention(run.directory / "attention.json"),
        layers=_layers(run.directory / "layers.json"),
    )


def _parameters(metrics: Mapping[str, Any], path: Path) -> int | None:
    return build(int | None, metrics.get("parameters"), f"{path}: parameters")


def _measured(metrics: Mapping[str, Any], key: str, path: Path) -> dict[str, float]:
    """The figures under a key, those left out that are no number."""
    found = metrics.get(key) or {}
    if not isinstance(found, dict):
        raise UsageError(f"{path}: {key} is no JSON object; run the command that wrote it again")
    numbers = {name: number(value) for name, value in found.items()}
    return {name: value for name, value in numbers.items() if value is not None}


def _layers(path: Path) -> tuple[LayerComparison, ...]:
    content = object_or_empty(path)
    if not content:
        return ()
    try:
        layers = [
            LayerComparison(
                layer=int(row["layer"]),
                teacher=_moments(row.get("teacher")),
                student=_moments(row.get("student")),
                distances={name: value for name in MEASURED if (value := number(row.get(name))) is not None},
            )
            for row in content["layers"]
        ]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UsageError(f"{path}: is not a file of layer statistics ({error!r})") from None
    numbers = sorted(layer.layer for layer in layers)
    if len(set(numbers)) < len(numbers) or (numbers and numbers[0] < 0):
        raise UsageError(f"{path}: its layers must be different numbers from 0, not {numbers}")
    return tuple(sorted(layers, key=lambda layer: layer.layer))


def _moments(row: Mapping[str, Any] | None) -> Moments | None:
    """None for what is absent or no longer finite."""
    if row is None:
        return None
    mean, deviation = (number(row[kind]) for kind in ("mean", "deviation"))
    return None if mean is None or deviation is None else Moments(mean=mean, deviation=deviation)


def _classifier(run: Run) -> Classifier:
    metrics = object_or_empty(run.directory / "metrics.json")
    model = run.options.get("model")
    # The name of a model that is shipped is that of its preset, too.
    from_scratch = bool(run.options.get("from_scratch")) or run.name.endswith("from_scratch")
    from_scratch = from_scratch or (model in PRESETS and model not in shipped.names())
    return Classifier(
        run=run,
        from_scratch=from_scratch,
        pretrained=None if from_scratch or model not in shipped.names() else model,
        score=score(metrics.get("evaluation"), f"{run.directory / 'metrics.json'}: evaluation"),
        parameters=_parameters(metrics, run.directory / "metrics.json"),
        labels=read_labels(run.directory) or (),
        stages=read_log(run.directory / "log.jsonl"),
    )


def _attention(path: Path) -> Attention | None:
    content = object_or_empty(path)
    if not content:
        return None
    try:
        attention = Attention(
            tokens=tuple(map(str, content["tokens"])),
            layers=tuple(
                AttentionLayer(
                    layer=int(layer["layer"]),
                    teacher=np.array(layer["teacher"], dtype=float),
                    student=np.array(layer["student"], dtype=float),
                )
                for layer in content["layers"]
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: is not a file of attention maps ({error!r})") from None
    length = len(attention.tokens)
    for layer in attention.layers:
        if layer.teacher.ndim != 3 or layer.teacher.shape[1:] != (length, length):
            raise UsageError(f"{path}: layer {layer.layer} is {layer.teacher.shape}, not heads x {length} x {length}")
        if layer.student.shape != layer.teacher.shape:
            raise UsageError(f"{path}: layer {layer.layer} has other shapes for teacher and student")
    return attention if attention.layers else None


def read_log(path: Path) -> tuple[Stage, ...]:
    """The stages of a `log.jsonl`, in order.

    A killed run may leave half a line at the end, and writes again the steps after its
    last checkpoint: the half line is dropped, of steps written twice the later counts.

    Raises:
      UsageError: another line is not a JSON object with a stage and a step.
    """
    if not path.exists():
        return ()
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    stages: dict[str, dict[int, dict[str, float]]] = {}
    for place, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            stages.setdefault(str(entry["stage"]), {})[int(entry["step"])] = {
                name: float(value)
                for name, value in entry.items()
                if isinstance(value, (int, float)) and name not in ("step", "stage_index")
            }
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
            if place == len(lines):
                break
            raise UsageError(f"{path}:{place}: is not a line of a training log") from None
    return tuple(_stage(name, rows) for name, rows in stages.items())


def _stage(name: str, rows: Mapping[int, Mapping[str, float]]) -> Stage:
    steps = sorted(rows)
    names = dict.fromkeys(metric for step in steps for metric in rows[step])
    return Stage(
        name=name,
        steps=np.array(steps),
        metrics={metric: np.array([rows[step].get(metric, math.nan) for step in steps]) for metric in names},
    )
