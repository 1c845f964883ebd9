"""The findings of an export: the content of `report.json`, for those who write it and those who read it.

What is null in a file was no number, or was not asked for, and counts as left out.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from mobilebert_tf.fields import Count, Finite, build
from mobilebert_tf.tasks.figures import Score


def read_score(metrics: Mapping[str, Any], where: str, fix: str = "") -> Score | None:
    """The score among the figures of a task; None: there are none. Raises UsageError, which says where, and `fix`."""
    score: Score | None = build(Score, metrics, where, fix) if metrics else None
    return score


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """A score less Keras's on the same examples, as shares, with the ends of its 95 % interval."""

    score: Finite
    low: Finite
    high: Finite

    def loses_more_than(self, allowed: float) -> bool:
        """Whether more of the score is lost; 0.88 against 0.90 is just the 0.02 that are allowed, also in floats."""
        return -self.score > allowed + 1e-9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gpu:
    """Operators of one signature that a GPU delegate takes, by its rules."""

    taken: Count
    operators: Count
    partitions: Count
    refused: dict[str, Count] = dataclasses.field(default_factory=dict)
    """Operators that it does not take, with their number, by name and reason."""
    batches: tuple[Count, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Latency:
    """Latency of one length of a file, in milliseconds, over all runs."""

    median: Finite | None = None
    p90: Finite | None = None
    p99: Finite | None = None
    mean: Finite | None = None
    min: Finite | None = None
    max: Finite | None = None
    low: Finite | None = None
    """End of the 95 % interval of the median over rounds; None: there were too few."""
    high: Finite | None = None
    runs: Count | None = None
    threads: Count | None = None
    rounds: tuple[Finite, ...] = ()
    """Median of each round."""
    foreign_cores: Finite = 0.0
    """Most that other programs took meanwhile."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
    """One recipe of an export. One that did not convert has no file and no figures: all is empty but its reason."""

    name: str
    description: str = ""
    target: str = "litert"
    """litert: for apps that run it themselves. mediapipe: for its TextClassifier or TextEmbedder alone. gpu: for a GPU
    delegate."""
    file: str = ""
    bytes: Count | None = None
    bytes_of_lengths: dict[int, Count] = dataclasses.field(default_factory=dict)
    """What the shortest signature costs, and what each longer one adds, by its length T in word pieces."""
    weight_bytes: Count | None = None
    """Of the weights and their scales alone."""
    half: bool = False
    """Whether ARM processors may compute its float operations in float16."""
    half_parity: dict[str, Finite] = dataclasses.field(default_factory=dict)
    """Of the longest length in float16, tried on this machine; empty: it was not."""
    sha256: str = ""
    metrics: dict[str, Any] = dataclasses.field(default_factory=dict)
    """The task's figures of the file on the held-out examples; empty: there were none."""
    difference: Difference | None = None
    parity: dict[str, Finite] = dataclasses.field(default_factory=dict)
    """Over all lengths."""
    parity_of_lengths: dict[int, dict[str, Finite]] = dataclasses.field(default_factory=dict)
    trained: dict[str, Finite] = dataclasses.field(default_factory=dict)
    """Over all lengths, to the network as it was fine-tuned for this file; empty: it was not."""
    changes: dict[str, Count] = dataclasses.field(default_factory=dict)
    """How many examples get other logits, by what must not matter: padding, order, threads."""
    ops: dict[str, Count] = dataclasses.field(default_factory=dict)
    op_versions: dict[str, Count] = dataclasses.field(default_factory=dict)
    oldest_runtime: str = ""
    """The first TensorFlow Lite that has all its operators; empty: it is not known, or none has."""
    gpu: Gpu | None = None
    latency_ms: dict[int, Latency] = dataclasses.field(default_factory=dict)
    """By length T; all files of an export were timed in the same rounds."""
    multiply_adds: dict[str, Count] = dataclasses.field(default_factory=dict)
    """Of the products of the longest signature: those of float numbers and those of integers."""
    instructions: dict[int, Finite] = dataclasses.field(default_factory=dict)
    """Millions of an inference on a Cortex-A76, estimated from the file, by length T; empty: there is no estimate."""
    passed: bool = False
    reason: str = ""

    def median(self, length: int) -> float | None:
        """Milliseconds for that many word pieces, None if it was not timed."""
        return self.latency_ms.get(length, Latency()).median

    @functools.cached_property
    def score(self) -> Score | None:
        """Of `metrics`. Raises UsageError: they are no score."""
        return read_score(self.metrics, f"{self.name}: metrics")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Brought:
    """Cost of the network without one rewrite, beside that with all of them."""

    rewrite: str
    operators: int
    bytes: int
    latency_ratio: Finite
    latency_ratio_min: Finite
    latency_ratio_max: Finite


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """A file that a search scored."""

    name: str
    cost: Finite
    difference: Difference
    within: bool
    """Whether it loses no more than is allowed."""
    bytes: Count
    levels: dict[str, Count] = dataclasses.field(default_factory=dict)
    """Parts of the network at each precision."""
    steps: Count | None = None
    """Its place on the path; None: it is not on it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Searched:
    """Findings of `export --max_drop`."""

    max_drop: Finite
    score_name: str = "accuracy"
    unit: str
    candidates: tuple[Candidate, ...]
    chosen: str
    """Name of a candidate."""
    scored: Difference
    """Of the chosen file, on the examples that had no part in the choice."""
    searched_examples: Count
    scored_examples: Count
    parts: tuple[dict[str, Any], ...] = ()
    """Products that changed together."""
    path: tuple[dict[str, Any], ...] = ()
    """What went to a better precision, in that order."""
    recipe: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Of the chosen file."""

    def __post_init__(self) -> None:
        if self.chosen not in {candidate.name for candidate in self.candidates}:
            raise ValueError(f"chosen: {self.chosen!r} is none of the candidates")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskNames:
    """Names that an export's task has for its figures."""

    name: str = "classification"
    score: str = "accuracy"
    title: str = "accuracy"
    agreement: str = "same decision"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Report:
    """The content of `report.json`."""

    made_by: dict[str, Any] = dataclasses.field(default_factory=dict)
    model: dict[str, Any] = dataclasses.field(default_factory=dict)
    task: TaskNames = dataclasses.field(default_factory=lambda: TaskNames())
    keras: dict[str, Any] = dataclasses.field(default_factory=dict)
    """The task's figures of the Keras model."""
    sequence_lengths: tuple[Count, ...] = ()
    """Ascending."""
    rewrites: tuple[str, ...] = ()
    brought: tuple[Brought, ...] = ()
    """As `export --compare_rewrites` found it."""
    searched: Searched | None = None
    calibration_examples: str = ""
    parity_examples: str = ""
    contract_examples: str = ""
    """Which texts the contracts hold."""
    largest_activation: Finite | None = None
    variants: tuple[Variant, ...] = ()
