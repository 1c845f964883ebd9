"""What the commands found out, as the report needs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mobilebert_tf.fields import Correlation, Count, Finite, Share
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
class ClassScore:
    """How a model did on one class."""

    f1: Share
    precision: Share
    recall: Share
    support: Count


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """How a model did on a labelled held-out set."""

    examples: Count | None = None
    accuracy: Share | None = None
    macro_f1: Share | None = None
    matthews: Correlation | None = None
    compared_by: Literal["f1", "macro_f1", "matthews"] | None = None
    """The score of classes by which models are compared, where it is not accuracy."""
    loss: Finite | None = None
    majority_accuracy: Share | None = None
    confusion: tuple[tuple[Count, ...], ...] | None = None
    """[C, C] counts, true class before predicted class."""
    micro_f1: Share | None = None
    """Of several labels a text."""
    f1: Share | None = None
    """Of the second of two classes; or of the words of answers, or of entities, with one of the next two."""
    exact: Share | None = None
    precision: Share | None = None
    spearman: Correlation | None = None
    """Of values, or of the cosines of embeddings, with what people said; as the next."""
    pearson: Correlation | None = None
    by_class: dict[str, ClassScore] = dataclasses.field(default_factory=dict)
    root_mean_square_error: Finite | None = None

    @property
    def primary(self) -> float | None:
        """The score by which models are compared; None: it was no number."""
        if self.compared_by:
            compared: float | None = getattr(self, self.compared_by)
            return compared
        scores = (self.accuracy, self.micro_f1, self.f1, self.spearman)
        return next((one for one in scores if one is not None), None)

    @property
    def name(self) -> str:
        """What the primary score is."""
        if self.compared_by:
            return {"f1": "F1", "macro_f1": "macro F1", "matthews": "Matthews' correlation"}[self.compared_by]
        if self.accuracy is not None:
            return "accuracy"
        if self.micro_f1 is not None:
            return "micro F1"
        if self.f1 is not None:
            return "F1"
        return "accuracy" if self.spearman is None else "Spearman"

    @property
    def second(self) -> tuple[str, float | None]:
        """Name and value of another figure."""
        if self.spearman is not None:
            return "Pearson", self.pearson
        if self.f1 is not None and self.accuracy is None:
            return ("exact", self.exact) if self.exact is not None else ("precision", self.precision)
        return "macro F1", self.macro_f1

    def __post_init__(self) -> None:
        if self.confusion and {len(row) for row in self.confusion} != {len(self.confusion)}:
            raise ValueError("confusion: is no table of as many columns as rows")


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
class Difference:
    """A score less Keras's on the same examples, as shares, with the ends of its 95 % interval."""

    score: Finite
    low: Finite
    high: Finite


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gpu:
    """What a GPU delegate takes of one signature, by its rules."""

    taken: Count
    operators: Count
    partitions: Count
    refused: dict[str, Count] = dataclasses.field(default_factory=dict)
    """Operators that it does not take, with their number, by name and reason."""
    batches: tuple[Count, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variant:
    """One recipe of an export. One that did not convert has no file and no figures: all is empty but its reason."""

    name: str
    description: str = ""
    target: str = "litert"
    """litert: for apps that run it themselves. mediapipe: for its TextClassifier alone. gpu: for a GPU delegate."""
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
    score: Score | None = None
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
    latency_ms: dict[int, dict[str, Finite]] = dataclasses.field(default_factory=dict)
    """median, p90, min, runs, threads, foreign_cores by length T."""
    latency_rounds: dict[int, tuple[Finite, ...]] = dataclasses.field(default_factory=dict)
    """Median of each round in milliseconds, by length T; all files of an export were timed in the same rounds."""
    multiply_adds: dict[str, Finite] = dataclasses.field(default_factory=dict)
    """Of the products of the longest signature: those of float numbers and those of integers."""
    passed: bool = False
    reason: str = ""

    def median(self, length: int) -> float | None:
        """Milliseconds for that many word pieces, None if it was not timed."""
        return self.latency_ms.get(length, {}).get("median")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Brought:
    """What the network without one rewrite has more of than with all of them."""

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
    """What `export --max_drop` found."""

    max_drop: Finite
    score_name: str = "accuracy"
    unit: str
    candidates: tuple[Candidate, ...]
    chosen: str
    """Name of a candidate."""
    scored: Difference
    searched_examples: Count
    scored_examples: Count

    def __post_init__(self) -> None:
        if self.chosen not in {candidate.name for candidate in self.candidates}:
            raise ValueError(f"chosen: {self.chosen!r} is none of the candidates")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskNames:
    """What an export's task calls its figures."""

    name: str = "classification"
    score: str = "accuracy"
    title: str = "accuracy"
    agreement: str = "same decision"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exported:
    """A run of `export`."""

    run: Run
    model: dict[str, Any] = dataclasses.field(default_factory=dict)
    task: TaskNames = dataclasses.field(default_factory=lambda: TaskNames())
    keras: Score | None = None
    sequence_lengths: tuple[Count, ...] = ()
    """Ascending."""
    rewrites: tuple[str, ...] = ()
    brought: tuple[Brought, ...] = ()
    """As `export --compare_rewrites` found it."""
    searched: Searched | None = None
    calibrated_on: str = ""
    compared_on: str = ""
    contract_examples: str = ""
    """Which texts the contracts hold."""
    largest_activation: Finite | None = None
    variants: tuple[Variant, ...] = ()

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
