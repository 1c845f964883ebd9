"""Reading of run directories into `Results`. The part of a missing file stays empty."""

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
from mobilebert_tf.fields import Count, Finite, Share, build
from mobilebert_tf.fields import read as read_json
from mobilebert_tf.reporting import read_export
from mobilebert_tf.reporting.json_values import AGAIN, read_fields
from mobilebert_tf.reporting.results import (
    Attention,
    AttentionLayer,
    Classifier,
    GridRun,
    LayerComparison,
    Moments,
    Rate,
    Results,
    Run,
    Stage,
    Tables,
    Training,
)
from mobilebert_tf.run_directory import RECORD, RUNS, read_record
from mobilebert_tf.tasks.figures import Score
from mobilebert_tf.tasks.files import read_labels
from mobilebert_tf.tasks.review import read_review
from mobilebert_tf.transfer.terms import MEASURED

# In the order of a model's life; other commands come last.
COMMAND_ORDER = ("corpus", "vocab", "records", "pretrain", "distill", "finetune", "evaluate", "export")


def read(directories: Sequence[Path]) -> Results:
    """All results in these run directories, or directories of run directories.

    Raises:
      UsageError: a directory holds no run, or one of the files cannot be read.
    """
    runs: dict[Path, Run] = {}
    for directory in directories:
        below = [_run(path, directory) for path in _records(directory)]
        if not below:
            raise UsageError(
                f"{directory}: neither it nor any subdirectory has a {RECORD}; give a directory that a command wrote"
            )
        runs.update({run.directory.resolve(): run for run in below})
    # A pipeline's record only sums up the runs below it, which are read themselves.
    steps = [run for run in runs.values() if run.command not in ("pipeline", "report")]
    # Runs of a grid of rates and seeds are rows in a table of the best run, whose directory holds them.
    places = {run.directory.resolve() for run in steps}
    steps = [run for run in steps if run.directory.parent.name != RUNS or _grid_of(run) not in places]
    steps = _with_distinct_names(steps)
    steps.sort(key=lambda run: (_rank(run), str(run.made_by.get("date", "")), run.name))
    return Results(
        runs=tuple(steps),
        teachers=tuple(_training(run) for run in steps if run.command == "pretrain"),
        students=tuple(_training(run) for run in steps if run.command == "distill"),
        classifiers=tuple(_classifier(run) for run in steps if run.command in ("finetune", "evaluate")),
        exports=tuple(read_export.of_run(run) for run in steps if run.command == "export"),
    )


def _grid_of(run: Run) -> Path:
    return run.directory.resolve().parent.parent


def _with_distinct_names(runs: Sequence[Run]) -> list[Run]:
    """The runs, with as many parent directories before equal names as distinguish them."""
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
    record = read_record(path)
    directory = path.parent
    return Run(
        directory=directory,
        name=directory.resolve().name if directory == top else directory.relative_to(top).as_posix(),
        command=record["identity"]["command"],
        options=record.get("options", {}),
        made_by=record.get("made_by", {}),
        finished="finished" in record,
        seconds=record.get("seconds"),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kept:
    """The weights that a fine-tuning kept."""

    weights: str
    step: Count


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Metrics:
    """The content of `metrics.json`, of any kind of run."""

    evaluation: Score | None = None
    held_out: dict[str, Finite] = dataclasses.field(default_factory=dict)
    teacher_held_out: dict[str, Finite] = dataclasses.field(default_factory=dict)
    teacher_agreement: Share | None = None
    parameters: Count | None = None
    kept: Kept | None = None
    rates: tuple[Rate, ...] = ()
    runs: tuple[GridRun, ...] = ()


def _training(run: Run) -> Training:
    metrics: _Metrics = read_fields(run.directory / "metrics.json", _Metrics)
    agreement = metrics.teacher_agreement
    return Training(
        run=run,
        stages=read_log(run.directory / "log.jsonl"),
        held_out=metrics.held_out,
        teacher_held_out=metrics.teacher_held_out,
        parameters=metrics.parameters,
        teacher_agreement=metrics.held_out.get("teacher_agreement") if agreement is None else agreement,
        attention=_attention(run.directory / "attention.json"),
        layers=_layers(run.directory / "layers.json"),
    )


@dataclasses.dataclass(frozen=True)
class _LayerRow:
    """The fields of a row of `layers.json` besides measured distances."""

    layer: Count
    teacher: Moments | None = None
    student: Moments | None = None


@dataclasses.dataclass(frozen=True)
class _Layers:
    """The content of `layers.json`."""

    layers: tuple[dict[str, Any], ...]


def _layers(path: Path) -> tuple[LayerComparison, ...]:
    if not path.exists():
        return ()
    content: _Layers = read_json(path, _Layers, AGAIN)
    layers = []
    for number, values in enumerate(content.layers):
        where = f"{path}: layers: [{number}]"
        row: _LayerRow = build(_LayerRow, values, where)
        distances = {name: build(Finite | None, values.get(name), f"{where}: {name}") for name in MEASURED}
        layers.append(
            LayerComparison(
                layer=row.layer,
                teacher=_finite(row.teacher),
                student=_finite(row.student),
                distances={name: value for name, value in distances.items() if value is not None},
            )
        )
    if len({layer.layer for layer in layers}) < len(layers):
        raise UsageError(f"{path}: layers: two have the same number; {AGAIN}")
    return tuple(sorted(layers, key=lambda layer: layer.layer))


def _finite(moments: Moments | None) -> Moments | None:
    """The moments, or None if they are missing or not finite."""
    return None if moments is None or moments.mean is None or moments.deviation is None else moments


def _classifier(run: Run) -> Classifier:
    metrics: _Metrics = read_fields(run.directory / "metrics.json", _Metrics)
    model = run.options.get("model")
    # A shipped model has the same name as its preset.
    from_scratch = bool(run.options.get("from_scratch")) or run.name.endswith("from_scratch")
    from_scratch = from_scratch or (model in PRESETS and model not in shipped.names())
    return Classifier(
        run=run,
        from_scratch=from_scratch,
        pretrained=None if from_scratch or model not in shipped.names() else model,
        score=metrics.evaluation if metrics.evaluation != Score() else None,
        parameters=metrics.parameters,
        labels=read_labels(run.directory) or (),
        tables=read_fields(run.directory / "data.json", Tables),
        stages=read_log(run.directory / "log.jsonl"),
        review=read_review(run.directory, AGAIN),
        rates=metrics.rates,
        runs=metrics.runs,
        kept_step=metrics.kept.step if metrics.kept and metrics.kept.weights == "best" else None,
    )


_Maps = tuple[tuple[tuple[Share, ...], ...], ...]


@dataclasses.dataclass(frozen=True)
class _AttentionRow:
    layer: Count
    teacher: _Maps
    student: _Maps


@dataclasses.dataclass(frozen=True)
class _Attention:
    """The content of `attention.json`."""

    tokens: tuple[str, ...]
    layers: tuple[_AttentionRow, ...]

    def __post_init__(self) -> None:
        length = len(self.tokens)
        for row in self.layers:
            if {len(queries) for queries in (*row.teacher, *row.student)} | {
                len(keys) for queries in (*row.teacher, *row.student) for keys in queries
            } != {length} or len(row.teacher) != len(row.student):
                raise ValueError(
                    f"layers: the maps of layer {row.layer} must be heads x {length} x {length}, for {length} tokens, "
                    "with as many heads for the teacher as for the student"
                )


def _attention(path: Path) -> Attention | None:
    if not path.exists():
        return None
    content: _Attention = read_json(path, _Attention, AGAIN)
    layers = tuple(
        AttentionLayer(layer=row.layer, teacher=np.array(row.teacher), student=np.array(row.student))
        for row in content.layers
    )
    return Attention(tokens=content.tokens, layers=layers) if layers else None


@dataclasses.dataclass(frozen=True)
class _LogRow:
    """The fields of every line of a `log.jsonl` besides its figures."""

    stage: str
    step: Count


def read_log(path: Path) -> tuple[Stage, ...]:
    """The stages of a `log.jsonl`, in order.

    A killed run may leave half a line at the end, which is dropped. When resumed, it writes the
    steps after its last checkpoint again; of steps written twice, the later one counts.

    Raises:
      UsageError: another line is not a JSON object with a stage, a step and numbers.
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
        except (ValueError, RecursionError):
            if place == len(lines):
                break
            raise UsageError(f"{path}:{place}: is not readable as JSON") from None
        row: _LogRow = build(_LogRow, entry, f"{path}:{place}")
        values = build(dict[str, Finite | str | None], entry, f"{path}:{place}")
        stages.setdefault(row.stage, {})[row.step] = {
            name: value
            for name, value in values.items()
            if isinstance(value, float) and name not in ("step", "stage_index")
        }
    return tuple(_stage(name, rows) for name, rows in stages.items())


def _stage(name: str, rows: Mapping[int, Mapping[str, float]]) -> Stage:
    steps = sorted(rows)
    names = dict.fromkeys(metric for step in steps for metric in rows[step])
    return Stage(
        name=name,
        steps=np.array(steps),
        metrics={metric: np.array([rows[step].get(metric, math.nan) for step in steps]) for metric in names},
    )
