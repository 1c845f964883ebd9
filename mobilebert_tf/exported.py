"""The results of an export: the content of `report.json`, for the code that writes it and the code that reads it.

A value that is null in a file was not a number (NaN), or was not asked for, and counts as missing.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

from mobilebert_tf.fields import Count, Finite, build
from mobilebert_tf.tasks.figures import Score


def read_score(metrics: Mapping[str, Any], where: str, fix: str = "") -> Score | None:
    """The score among the metrics of a task; None: there are none. Raises UsageError, which names `where` and `fix`."""
    score: Score | None = build(Score, metrics, where, fix) if metrics else None
    return score


@dataclasses.dataclass(frozen=True, kw_only=True)
class Difference:
    """A score minus that of Keras on the same examples, as shares, with the ends of its 95 % interval."""

    score: Finite
    low: Finite
    high: Finite

    def loses_more_than(self, allowed: float) -> bool:
        """Whether more than `allowed` is lost; rounding is tolerated, so that 0.88 against 0.90 loses just 0.02."""
        return -self.score > allowed + 1e-9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gpu:
    """The operators of one signature that a GPU delegate accepts, by its rules."""

    taken: Count
    operators: Count
    partitions: Count
    refused: dict[str, Count] = dataclasses.field(default_factory=dict)
    """Number of operators that it rejects, by name and reason."""
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
    """Lower end of the 95 % interval of the median over rounds; None: there were too few rounds."""
    high: Finite | None = None
    runs: Count | None = None
    threads: Count | None = None
    rounds: tuple[Finite, ...] = ()
    """Median of each round."""
    foreign_cores: Finite = 0.0
    """Largest number of cores that other programs used meanwhile."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
    """The result of one recipe of an export. If it did not convert, it has no file and no figures, only a reason."""

    name: str
    description: str = ""
    target: str = "litert"
    """litert: for apps that run the file themselves. mediapipe: only for MediaPipe's TextClassifier or TextEmbedder.
    gpu: for a GPU delegate."""
    file: str = ""
    bytes: Count | None = None
    bytes_of_lengths: dict[int, Count] = dataclasses.field(default_factory=dict)
    """Bytes of the shortest signature, and bytes that each longer one adds, by length T in word pieces; of one graph
    all bytes are those of the longest."""
    one_graph: bool = False
    """Whether several lengths share one graph, which apps resize."""
    weight_bytes: Count | None = None
    """Bytes of the weights and their scales alone."""
    half: bool = False
    """Whether ARM processors may compute its float operations in float16."""
    half_parity: dict[str, Finite] = dataclasses.field(default_factory=dict)
    """Parity of the longest length in float16, tried on this machine; empty: it was not tried."""
    sha256: str = ""
    metrics: dict[str, Any] = dataclasses.field(default_factory=dict)
    """The task's metrics of the file on the held-out examples; empty: there were no examples."""
    difference: Difference | None = None
    parity: dict[str, Finite] = dataclasses.field(default_factory=dict)
    """Parity over all lengths."""
    parity_of_lengths: dict[int, dict[str, Finite]] = dataclasses.field(default_factory=dict)
    trained: dict[str, Finite] = dataclasses.field(default_factory=dict)
    """Parity over all lengths with the network that was fine-tuned for this file; empty: none was."""
    changes: dict[str, Count] = dataclasses.field(default_factory=dict)
    """Number of examples whose logits change, by the cause, which must not matter: padding, order, threads."""
    ops: dict[str, Count] = dataclasses.field(default_factory=dict)
    op_versions: dict[str, Count] = dataclasses.field(default_factory=dict)
    oldest_runtime: str = ""
    """The first version of TensorFlow Lite that has all its operators; empty: unknown, or there is none."""
    gpu: Gpu | None = None
    latency_ms: dict[int, Latency] = dataclasses.field(default_factory=dict)
    """By length T; all files of an export were timed in the same rounds."""
    multiply_adds: dict[str, Count] = dataclasses.field(default_factory=dict)
    """Multiply-adds in the products of the longest signature: those of floats and those of integers."""
    instructions: dict[int, Finite] = dataclasses.field(default_factory=dict)
    """Millions of instructions per inference on a Cortex-A76, estimated from the file, by length T; empty: unknown."""
    passed: bool = False
    reason: str = ""

    def median(self, length: int) -> float | None:
        """Median latency in milliseconds for `length` word pieces; None if it was not timed."""
        return self.latency_ms.get(length, Latency()).median

    @functools.cached_property
    def score(self) -> Score | None:
        """The score in `metrics`; None if they are empty. Raises UsageError: they hold no score."""
        return read_score(self.metrics, f"{self.name}: metrics")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Brought:
    """Cost of the network without one rewrite, compared with the network with all of them."""

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
    """Verdict: it loses at most the allowed share, and is as near to Keras as its gate demands."""
    reason: str = ""
    """Limit of the gate that the file misses; empty: none."""
    bytes: Count
    levels: dict[str, Count] = dataclasses.field(default_factory=dict)
    """Parts of the network at each precision."""
    steps: Count | None = None
    """Position on the search's path; None: it is not on it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Searched:
    """Results of the search by `export --max_drop`."""

    max_drop: Finite
    score_name: str = "accuracy"
    unit: str
    candidates: tuple[Candidate, ...]
    chosen: str
    """Name of a candidate."""
    scored: Difference
    """Difference of the chosen file on the examples that had no part in the choice."""
    searched_examples: Count
    scored_examples: Count
    parts: tuple[dict[str, Any], ...] = ()
    """Groups of products whose precision changed together."""
    path: tuple[dict[str, Any], ...] = ()
    """The parts that went to a better precision, in this order."""
    recipe: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Recipe of the chosen file."""

    def __post_init__(self) -> None:
        if self.chosen not in {candidate.name for candidate in self.candidates}:
            raise ValueError(f"chosen: {self.chosen!r} is not one of the candidates")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskNames:
    """Names that an export's task has for itself and for its metrics."""

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
    """The task's metrics of the Keras model."""
    sequence_lengths: tuple[Count, ...] = ()
    """Lengths of the signatures in word pieces, ascending."""
    rewrites: tuple[str, ...] = ()
    brought: tuple[Brought, ...] = ()
    """Costs that `export --compare_rewrites` measured."""
    searched: Searched | None = None
    calibration_examples: str = ""
    parity_examples: str = ""
    contract_examples: str = ""
    """Source of the texts in the contracts."""
    largest_activation: Finite | None = None
    variants: tuple[Variant, ...] = ()
