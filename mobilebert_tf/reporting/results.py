"""What the commands found out, as the report needs it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf.exported import Report, Variant, read_score
from mobilebert_tf.fields import Count, Finite
from mobilebert_tf.tasks.figures import Score
from mobilebert_tf.tasks.review import Review


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
    """Of a layer's final feature map: means over the real tokens of held-out text; None where they are not finite."""

    mean: Finite | None
    """Of the mean over the channels."""
    deviation: Finite | None
    """Of the standard deviation over the channels."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerComparison:
    """A student's layer beside the teacher's that teaches it."""

    layer: int
    """From 1; 0 is the embeddings' output."""
    teacher: Moments | None
    student: Moments | None
    distances: Mapping[str, float]
    """Measured distances by their names in `transfer.terms.MEASURED`."""


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
class GridRun:
    """One of several fine-tunings with other rates or seeds."""

    seed: Count
    learning_rate: Finite | None = None
    score: Finite | None = None
    """None: it diverged."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rate:
    """Fine-tunings at one rate with several seeds, as shares."""

    learning_rate: Finite
    runs: Count
    diverged: Count = 0
    median: Finite | None = None
    min: Finite | None = None
    max: Finite | None = None
    mean_low: Finite | None = None
    mean_high: Finite | None = None
    """Ends of the 95 % interval of the mean."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tables:
    """What a fine-tuning says of its tables, a sentence each."""

    warnings: tuple[str, ...] = ()
    summary: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Classifier:
    """A run of `finetune` or `evaluate`."""

    run: Run
    from_scratch: bool
    pretrained: str | None
    """Name of the shipped model that it started from."""
    score: Score | None
    parameters: int | None
    labels: tuple[str, ...]
    stages: tuple[Stage, ...]
    review: Review | None = None
    """What it gets most wrong."""
    rates: tuple[Rate, ...] = ()
    """Of several rates and seeds, of which it is the best."""
    runs: tuple[GridRun, ...] = ()
    """Those that `rates` sums up."""
    tables: Tables = Tables()
    kept_step: int | None = None
    """Step whose weights were kept as the best; None: the last."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exported(Report):
    """A run of `export`."""

    run: Run

    @functools.cached_property
    def keras_score(self) -> Score | None:
        """Raises UsageError: it is none."""
        return read_score(self.keras, "keras")

    @property
    def passed(self) -> tuple[Variant, ...]:
        return tuple(v for v in self.variants if v.passed and v.file)

    @property
    def general(self) -> tuple[Variant, ...]:
        """Those that passed and are for apps that run a file themselves, which can choose between them."""
        return tuple(v for v in self.passed if v.target == "litert")

    @property
    def timed_lengths(self) -> tuple[int, ...]:
        """Those at which a file was timed, ascending."""
        return tuple(sorted({length for v in self.variants for length in v.latency_ms}))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """Classifiers that lie in one directory, and so are compared with each other."""

    name: str
    """That of the first; empty where there is one family alone."""
    classifiers: tuple[Classifier, ...]

    def first(self, from_scratch: bool, pretrained: bool = False) -> Classifier | None:
        """The first that has a score, of those that began so."""
        for classifier in self.classifiers:
            alike = classifier.from_scratch == from_scratch and bool(classifier.pretrained) == pretrained
            if alike and classifier.score and classifier.score.accuracy is not None:
                return classifier
        return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Results:
    """Everything found below the directories that were asked for."""

    runs: tuple[Run, ...]
    teachers: tuple[Training, ...]
    students: tuple[Training, ...]
    classifiers: tuple[Classifier, ...]
    exports: tuple[Exported, ...]

    @property
    def families(self) -> tuple[Family, ...]:
        """The classifiers by the directory that they lie in."""
        places: dict[Path, list[Classifier]] = {}
        for classifier in self.classifiers:
            places.setdefault(classifier.run.directory.resolve().parent, []).append(classifier)
        several = len(places) > 1
        return tuple(
            Family(name=found[0].run.name if several else "", classifiers=tuple(found)) for found in places.values()
        )
