"""What a fine-tuned model is for: the protocol that training, export, proof and answers share.

A kind of task is a class here beside; `kinds.py` is the table of them. Shapes: n examples, R rows of the network's
inputs (one an example for most tasks, two for pairs of sentences that are embedded apart, a row for each window of a
text that is longer than the network).
"""

from __future__ import annotations

import abc
import dataclasses
import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np

from mobilebert_tf.config import Heads
from mobilebert_tf.data.splitting import plain_text
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import within
from mobilebert_tf.tasks.figures import SCORE_TITLES
from mobilebert_tf.tasks.review import Review

if TYPE_CHECKING:
    from mobilebert_tf.tasks.examples import Example
    from mobilebert_tf.tokenization import Tokenizer
    from mobilebert_tf.training.loop import Objective

NONE = "none of these"
"""Answer to a text that belongs to no class, or that no class is sure enough of; in tables, the label of the former."""

INPUTS = ("input_ids", "input_mask", "segment_ids")
"""Names of the network's inputs, int32 [R, T]."""

PER_TOKEN = ("start_logits", "end_logits", "token_logits")
"""Names of the outputs that have a value, or several, for each token: [R, T] or [R, T, C], zero at padding."""

Outputs = Mapping[str, np.ndarray]
"""What a network gives, float32 [R, ...] by the name of the output."""

Features = Mapping[str, np.ndarray]
"""`input_ids`, `input_mask`, `segment_ids` (int32 [R, T]), and `label`, what the loss compares with, [R] or [n]. Kinds
whose examples have several rows add `row_example` (int [R], the example of each row), and those that answer with parts
of a text what is needed to find them in it."""


@dataclasses.dataclass(frozen=True)
class Scores:
    """How good the outputs for some labelled examples are."""

    name: str
    """Of the score by which models are compared; a key of `all`."""
    all: dict[str, Any]
    """Every figure, as metrics.json holds them."""
    per_example: np.ndarray
    """[n], whose mean is the primary score; or [n, K], of which `whole` makes it."""
    whole: Callable[[np.ndarray], float] | None = None
    """Makes the primary score of the rows of any examples, float [any, K], where it is a figure of all of them
    together, as a correlation is; None: the mean."""

    @property
    def primary(self) -> float:
        return self.all[self.name]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task(abc.ABC):
    """Which columns hold what, and how long a text may get; a kind of task adds its own."""

    name: ClassVar[str]
    """In task.json and in --task."""
    outputs: ClassVar[tuple[str, ...]]
    """Names of what the network gives."""
    answer_kind: ClassVar[str]
    """What an answer is, in contracts: classes, labels, value, vector, prototypes, span or entities."""
    has_labels: ClassVar[bool] = False
    """Whether its answers are classes with names, which labels.txt holds."""
    agreement_name: ClassVar[str]
    """What `agreement` is a share of, in tables."""

    targets: ClassVar[tuple[str, ...]] = ("label",)
    """Names of the features that the loss compares with."""

    labels: tuple[str, ...] = ()
    """Of classes, in the order of the outputs; () where there are none."""
    max_seq_length: Annotated[int, within(3, 100_000)] = 128
    """T, in word pieces, [CLS] and [SEP] included."""
    text_column: str = "text"
    text_pair_column: str | None = None
    label_column: str = "label"
    header: tuple[str, ...] = ()
    """Names of the columns of TSV tables whose first line has none of the columns that are read."""

    @property
    @abc.abstractmethod
    def score_name(self) -> str:
        """Of the primary score, a key of its figures. Higher is better, and one is perfect."""

    @property
    def score_title(self) -> str:
        """The name of the score in tables."""
        return SCORE_TITLES[self.score_name]

    @classmethod
    def discover(cls, path: str | os.PathLike[str], **columns: Any) -> Task:
        """The task of a training table: what the table says beyond the fields in `columns`.

        Raises:
          UsageError: the table is broken, or nothing can be learned from it.
        """
        raise UsageError(f"--task={cls.name}: is not trained; `prototypes` and `export` take it as it is")

    @property
    @abc.abstractmethod
    def heads(self) -> Heads:
        """What sits on the encoder."""

    @property
    def judges_pairs(self) -> bool:
        """Whether the network reads two texts at once."""
        return self.text_pair_column is not None

    def inputs(self, examples: Sequence[Example]) -> list[Example]:
        """What the network reads of examples, in one input each."""
        return list(examples)

    @abc.abstractmethod
    def read(self, path: str | os.PathLike[str], labelled: bool = True, every_row: bool = False) -> list[Example]:
        """The rows of a table as examples; those without a text are left out, unless `every_row` is to be answered.

        Raises:
          UsageError: the table is broken or empty, or a label is none of the task's.
        """

    def column_fault(self, tables: Sequence[str], named: Collection[str]) -> str:
        """What is wrong where flags name columns, the fields in `named`, and no table has such; empty: nothing."""
        return ""

    def strata(self, examples: Sequence[Example]) -> list[tuple[Any, ...]]:
        """[n], of each labelled example what it is of: held-out examples are taken from each in its share."""
        return [(e.label,) for e in examples]

    def side_key(self, example: Example) -> str:
        """What is the same for examples that must be on one side of a split: here, for the same texts."""
        return text_key(example)

    def row(self, example: Example) -> dict[str, Any]:
        """The row of a JSONL table of which `read` makes this labelled example."""
        second = {self.text_pair_column: example.text_pair} if self.text_pair_column else {}
        return {self.text_column: example.text, **second, **self.label_cells(example)}

    def label_cells(self, example: Example) -> dict[str, Any]:
        """The part of `row` that holds the label."""
        return {self.label_column: example.label}

    @abc.abstractmethod
    def features(self, examples: Sequence[Example], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
        """`input_ids`, `input_mask`, `segment_ids` (int32 [R, T]) and, if all are labelled, `label` [R]."""

    def objective(self, predict: Callable[[Mapping[str, Any]], Any]) -> Objective:
        """The loss of what `predict` makes of a batch of features, with its figures, for the training loop."""
        raise UsageError(f"--task={self.name}: is not trained; `prototypes` and `export` take it as it is")

    can_be_taught: ClassVar[bool] = False
    """Whether it can learn from another model's answers, by the two methods below."""
    taught_by_token: ClassVar[bool] = False
    """Whether these are answers to word pieces, which must be the same for both."""

    def as_taught(self, teacher: Task, outputs: Outputs) -> Outputs:
        """What a model fine-tuned for `teacher`, the same task, gives, as this task's own outputs."""
        return outputs

    def distance_from_teacher(
        self, output: Any, teacher: Mapping[str, Any], temperature: float, batch: Mapping[str, Any]
    ) -> Any:
        """The loss of a batch's output, as the network gives it, beside the teacher's outputs by name."""
        raise UsageError(f"--teacher: --task={self.name} does not learn from another model's answers")

    can_decline: ClassVar[bool] = False
    """Whether it can give no class to what it is not sure of, by the method below."""

    def declining(self, outputs: Outputs, features: Features, precision: float) -> Task:
        """The task that answers as many of these examples as it can with so many of the answers right."""
        raise UsageError(f"--min_precision: --task={self.name} answers every text")

    def tuned(self, outputs: Outputs, features: Features) -> Task:
        """The task with what is best chosen on held-out examples after training, such as thresholds."""
        return self

    @property
    def tuning(self) -> str:
        """What `tuned` chose, in words; empty: nothing."""
        return ""

    @abc.abstractmethod
    def decode(self, outputs: Outputs, features: Features) -> list[dict[str, Any]]:
        """The answer to each example, as `predict --json` prints it."""

    @abc.abstractmethod
    def score(self, outputs: Outputs, features: Features) -> Scores:
        """How good the outputs for labelled features are."""

    def review(self, outputs: Outputs, features: Features, examples: Sequence[Example]) -> Review:
        """Which of the labelled examples, whose features these are, are answered most wrong."""
        return Review()

    @abc.abstractmethod
    def agreement(self, reference: Outputs, candidate: Outputs, features: Features) -> np.ndarray:
        """How far two networks give the same answer, [R] from 0 to 1; what is no number agrees with nothing.

        Of the features the network's inputs alone are needed.
        """

    def predictions(self, examples: Sequence[Example], answers: Sequence[Mapping[str, Any]]) -> str:
        """The content of a file with these answers: JSON, an object a line."""
        rows = (
            {"text": one.text, **({} if one.text_pair is None else {"context": one.text_pair}), **answer}
            for one, answer in zip(examples, answers, strict=True)
        )
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    def to_json(self) -> dict[str, Any]:
        """What `task.json` holds; labels and centroids have files of their own."""
        apart = ("labels", "centroids")
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in apart}
        return {"task": self.name, **fields}


def of_examples(features: Features, chosen: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Features of these examples, int [k], and the rows that are theirs, int [any]."""
    if "row_example" not in features:
        return take(features, chosen), chosen
    owner = features["row_example"]
    order = np.argsort(owner, kind="stable")
    first, behind = (np.searchsorted(owner[order], chosen, side) for side in ("left", "right"))
    rows = np.concatenate([order[a:b] for a, b in zip(first, behind, strict=True)])
    taken = {name: values[chosen if name in _OF_EXAMPLES else rows] for name, values in features.items()}
    taken["row_example"] = np.repeat(np.arange(len(chosen)), behind - first)
    return taken, rows


_OF_EXAMPLES = ("label", "examples")
"""Features that have an entry for each example, not for each row."""


def real_only(outputs: Outputs, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs [R, ...] of inputs with this mask [R, T]: those of each token for all T, zero at padding."""
    return {name: _real_only(values, mask) if name in PER_TOKEN else values for name, values in outputs.items()}


def _real_only(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """[R, t, ...] as [R, T, ...]."""
    whole = np.zeros((*mask.shape, *values.shape[2:]), values.dtype)
    length = min(values.shape[1], mask.shape[1])
    whole[:, :length] = values[:, :length]
    whole[mask == 0] = 0
    return whole


def text_key(example: Example) -> str:
    """What is the same for examples whose texts are."""
    return "\n".join(map(plain_text, filter(None, [example.text, example.text_pair])))


def take(values: Mapping[str, np.ndarray], rows: np.ndarray | slice) -> dict[str, np.ndarray]:
    """These rows of features or outputs."""
    return {name: array[rows] for name, array in values.items()}


def objects(values: Sequence[Any]) -> np.ndarray:
    """[n] of Python objects."""
    array = np.empty(len(values), object)
    for number, value in enumerate(values):
        array[number] = value
    return array


def without_numbers(outputs: Outputs) -> np.ndarray:
    """Which rows have a value that is NaN or infinite: bool [R]."""
    return np.any([~np.isfinite(flat(array)).all(axis=1) for array in outputs.values()], axis=0)


def flat(values: np.ndarray) -> np.ndarray:
    """[R, ...] as [R, K]."""
    return values.reshape(len(values), -1)


def all_values(outputs: Outputs) -> np.ndarray:
    """All outputs side by side, [R, K], in the order of their names."""
    return np.concatenate([flat(outputs[name]) for name in sorted(outputs)], axis=1)


def concatenated(parts: Sequence[Outputs]) -> dict[str, np.ndarray]:
    """The rows of several outputs, or inputs, one after another; of shorter texts filled up with zeros."""
    return {name: _concatenated([part[name] for part in parts], name) for name in parts[0]}


def _concatenated(arrays: Sequence[np.ndarray], name: str) -> np.ndarray:
    if name in (*INPUTS, *PER_TOKEN):
        longest = max(array.shape[1] for array in arrays)
        behind = [(0, 0)] * (arrays[0].ndim - 2)
        arrays = [np.pad(array, [(0, 0), (0, longest - array.shape[1]), *behind]) for array in arrays]
    return np.concatenate(arrays)
