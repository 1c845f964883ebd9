"""The results of commands, in the form that the report needs."""

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
    """Path of the run below the requested directory, or that directory's own name."""
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
    """Moments of a layer's final feature map, averaged over the real tokens of held-out text; None: not finite."""

    mean: Finite | None
    """Average of the mean over the channels."""
    deviation: Finite | None
    """Average of the standard deviation over the channels."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerComparison:
    """A student layer compared with the teacher layer that teaches it."""

    layer: int
    """Number of the layer, from 1; 0 is the embeddings' output."""
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
    """Measurements of a student's teacher on the same text; empty if there are none."""
    parameters: int | None
    teacher_agreement: float | None
    attention: Attention | None
    layers: tuple[LayerComparison, ...]
    """Comparisons by ascending layer."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class GridRun:
    """One of several fine-tunings with other rates or seeds."""

    seed: Count
    learning_rate: Finite | None = None
    score: Finite | None = None
    """None: the run diverged."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rate:
    """Summary of the fine-tunings at one rate with several seeds; scores are shares."""

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
    """Sentences of a fine-tuning about its tables."""

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
    """Its worst mistakes."""
    rates: tuple[Rate, ...] = ()
    """Summaries by rate, if this run is the best of a grid of rates and seeds."""
    runs: tuple[GridRun, ...] = ()
    """The runs that `rates` summarises."""
    tables: Tables = Tables()
    kept_step: int | None = None
    """Step whose weights were kept as the best; None: the last."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exported(Report):
    """A run of `export`."""

    run: Run

    @functools.cached_property
    def keras_score(self) -> Score | None:
        """Score of the Keras model; None: there is none. Raises UsageError: the value is not a score."""
        return read_score(self.keras, "keras")

    @property
    def passed(self) -> tuple[Variant, ...]:
        return tuple(v for v in self.variants if v.passed and v.file)

    @property
    def general(self) -> tuple[Variant, ...]:
        """Files that passed and are for apps that run a file themselves, and so can choose between files."""
        return tuple(v for v in self.passed if v.target == "litert")

    @property
    def timed_lengths(self) -> tuple[int, ...]:
        """Lengths at which a file was timed, ascending."""
        return tuple(sorted({length for v in self.variants for length in v.latency_ms}))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """Classifiers in one directory, which are therefore compared with each other."""

    name: str
    """Name of the first classifier's run; empty if there is only one family."""
    classifiers: tuple[Classifier, ...]

    def first(self, from_scratch: bool, pretrained: bool = False) -> Classifier | None:
        """The first classifier of this origin that has an accuracy."""
        for classifier in self.classifiers:
            alike = classifier.from_scratch == from_scratch and bool(classifier.pretrained) == pretrained
            if alike and classifier.score and classifier.score.accuracy is not None:
                return classifier
        return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Results:
    """All results below the requested directories."""

    runs: tuple[Run, ...]
    teachers: tuple[Training, ...]
    students: tuple[Training, ...]
    classifiers: tuple[Classifier, ...]
    exports: tuple[Exported, ...]

    @property
    def families(self) -> tuple[Family, ...]:
        """The classifiers grouped by their parent directory."""
        places: dict[Path, list[Classifier]] = {}
        for classifier in self.classifiers:
            places.setdefault(classifier.run.directory.resolve().parent, []).append(classifier)
        several = len(places) > 1
        return tuple(
            Family(name=members[0].run.name if several else "", classifiers=tuple(members))
            for members in places.values()
        )
