"""What the commands found out, as the report needs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One command's output directory, from its `run.json`."""

    directory: Path
    name: str
    """Its path below the directory that was asked for, or that directory's own name."""
    command: str
    options: Mapping[str, Any]
    made_by: Mapping[str, Any]
    finished: bool
    seconds: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage of a training log."""

    name: str
    steps: np.ndarray
    """[K] int, counted from 1 within the stage."""
    metrics: Mapping[str, np.ndarray]
    """[K] float each; NaN where a step did not log that metric."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttentionLayer:
    """Probabilities of one layer for one text: [N, T, T], query position before key position."""

    layer: int
    teacher: np.ndarray
    student: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attention:
    tokens: tuple[str, ...]
    layers: tuple[AttentionLayer, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Moments:
    """Of a layer's final feature map: means over the real tokens of held-out text."""

    mean: float
    """Of the mean over the channels."""
    deviation: float
    """Of the standard deviation over the channels."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerComparison:
    """A student's layer beside the teacher's that teaches it; None where it was not measured."""

    layer: int
    """From 1; 0 is the embeddings' output, which has no attention."""
    teacher: Moments | None
    student: Moments | None
    feature_map: float | None
    """Normalised squared error."""
    attention: float | None
    """KL(teacher ‖ student), nats."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training:
    """A run of `pretrain` or `distill`."""

    run: Run
    stages: tuple[Stage, ...]
    held_out: Mapping[str, float]
    teacher_held_out: Mapping[str, float]
    """Of a student's teacher on the same text; empty if it was not measured."""
    parameters: int | None
    teacher_agreement: float | None
    attention: Attention | None
    layers: tuple[LayerComparison, ...]
    """Ascending."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """How a model did on a labelled held-out set."""

    examples: int | None
    accuracy: float | None
    macro_f1: float | None
    loss: float | None
    majority_accuracy: float | None
    confusion: np.ndarray | None
    """[C, C] counts, true class before predicted class."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Classifier:
    """A run of `finetune` or `evaluate`."""

    run: Run
    from_scratch: bool
    score: Score | None
    parameters: int | None
    labels: tuple[str, ...]
    stages: tuple[Stage, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
    """One exported file."""

    name: str
    file: str
    bytes: int | None
    score: Score | None
    parity: Mapping[str, float]
    padding_invariant: bool | None
    latency_ms: Mapping[str, float]
    passed: bool
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exported:
    """A run of `export`."""

    run: Run
    keras: Score | None
    sequence_lengths: tuple[int, ...]
    variants: tuple[Variant, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Results:
    """Everything found below the directories that were asked for."""

    runs: tuple[Run, ...]
    teachers: tuple[Training, ...]
    students: tuple[Training, ...]
    classifiers: tuple[Classifier, ...]
    exports: tuple[Exported, ...]
