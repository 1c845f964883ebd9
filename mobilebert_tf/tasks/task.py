"""Tasks of fine-tuned models: the protocol that training, export, verification and answering share.

Each kind of task is a class in a module of this package; `kinds.py` lists them. Shapes: n examples, R rows of the
network's inputs (one per example for most tasks, two for pairs of sentences that are embedded separately, one per
window of a text that is longer than the network's inputs).
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
"""Answer for a text that belongs to no class, or to none with enough confidence; the label of the former in tables."""

INPUTS = ("input_ids", "input_mask", "segment_ids")
"""Names of the network's inputs, int32 [R, T]."""

PER_TOKEN = ("start_logits", "end_logits", "token_logits")
"""Names of the outputs with one or more values per token: [R, T] or [R, T, C], zero at padding."""

Outputs = Mapping[str, np.ndarray]
"""Outputs of a network, float32 [R, ...] by name."""

Features = Mapping[str, np.ndarray]
"""`input_ids`, `input_mask`, `segment_ids` (int32 [R, T]), and `label`, the target of the loss, [R] or [n]. Kinds whose
examples have several rows add `row_example` (int [R], the example of each row), and kinds that answer with parts of a
text add what is needed to find these parts."""


@dataclasses.dataclass(frozen=True)
class Scores:
    """Scores of the outputs for some labelled examples."""

    name: str
    """Name of the primary score, by which models are compared; a key of `all`."""
    all: dict[str, Any]
    """All figures, as in metrics.json."""
    per_example: np.ndarray
    """[n], whose mean is the primary score; or [n, K], from which `whole` computes it."""
    whole: Callable[[np.ndarray], float] | None = None
    """Function from the rows of any examples, float [any, K], to the primary score, where that is a figure of all
    examples together, such as a correlation; None: the mean."""

    @property
    def primary(self) -> float:
        return self.all[self.name]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task(abc.ABC):
    """The columns of a task's tables and the maximum length of its texts; each kind of task adds its own fields."""

    name: ClassVar[str]
    """Name in task.json and for --task."""
    outputs: ClassVar[tuple[str, ...]]
    """Names of the network's outputs."""
    answer_kind: ClassVar[str]
    """Kind of answer, in contracts: classes, labels, value, vector, prototypes, span or entities."""
    has_labels: ClassVar[bool] = False
    """Whether the answers are named classes, which labels.txt lists."""
    agreement_name: ClassVar[str]
    """Name of `agreement` in tables."""

    targets: ClassVar[tuple[str, ...]] = ("label",)
    """Names of the features that are targets of the loss."""

    labels: tuple[str, ...] = ()
    """Names of the classes, in the order of the outputs; () for a task without classes."""
    max_seq_length: Annotated[int, within(3, 100_000)] = 128
    """T, in word pieces, including [CLS] and [SEP]."""
    text_column: str = "text"
    text_pair_column: str | None = None
    label_column: str = "label"
    header: tuple[str, ...] = ()
    """Column names of TSV tables, for tables whose first line names none of the columns that are read."""

    @property
    @abc.abstractmethod
    def score_name(self) -> str:
        """Name of the primary score, a key of the figures. Higher is better, and one is perfect."""

    @property
    def score_title(self) -> str:
        """The name of the score in tables."""
        return SCORE_TITLES[self.score_name]

    @classmethod
    def discover(cls, path: str | os.PathLike[str], **columns: Any) -> Task:
        """The task of a training table, from the fields in `columns` and what the table itself says.

        Raises:
          UsageError: the table is broken, or nothing can be learned from it.
        """
        raise UsageError(f"--task={cls.name}: is not trained; `prototypes` and `export` take it as it is")

    @property
    @abc.abstractmethod
    def heads(self) -> Heads:
        """The heads on top of the encoder."""

    @property
    def judges_pairs(self) -> bool:
        """Whether the network reads two texts at once."""
        return self.text_pair_column is not None

    def inputs(self, examples: Sequence[Example]) -> list[Example]:
        """The examples as the network reads them, one for each input."""
        return list(examples)

    @abc.abstractmethod
    def read(self, path: str | os.PathLike[str], labelled: bool = True, every_row: bool = False) -> list[Example]:
        """The rows of a table as examples; rows without a text are left out unless `every_row` is set.

        Raises:
          UsageError: the table is broken or empty, or a label is not one of the task's.
        """

    def column_fault(self, tables: Sequence[str], named: Collection[str]) -> str:
        """The problem if flags name columns (the fields in `named`) that no table has; empty if there is none."""
        return ""

    def strata(self, examples: Sequence[Example]) -> list[tuple[Any, ...]]:
        """The strata of each labelled example, [n]; held-out examples are drawn from each stratum in proportion."""
        return [(e.label,) for e in examples]

    def side_key(self, example: Example) -> str:
        """A key that is equal for examples that must be on the same side of a split: here, those with equal texts."""
        return text_key(example)

    def row(self, example: Example) -> dict[str, Any]:
        """The row of a JSONL table that `read` turns into this labelled example."""
        second = {self.text_pair_column: example.text_pair} if self.text_pair_column else {}
        return {self.text_column: example.text, **second, **self.label_cells(example)}

    def label_cells(self, example: Example) -> dict[str, Any]:
        """The part of `row` that holds the label."""
        return {self.label_column: example.label}

    @abc.abstractmethod
    def features(self, examples: Sequence[Example], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
        """`input_ids`, `input_mask`, `segment_ids` (int32 [R, T]) and, if all are labelled, `label` [R]."""

    def objective(self, predict: Callable[[Mapping[str, Any]], Any]) -> Objective:
        """The objective of the training loop: loss and figures of `predict`'s outputs for a batch of features."""
        raise UsageError(f"--task={self.name}: is not trained; `prototypes` and `export` take it as it is")

    can_be_taught: ClassVar[bool] = False
    """Whether the task can be learned from another model's answers, by the two methods below."""
    taught_by_token: ClassVar[bool] = False
    """Whether these answers are per word piece, so that both models need the same word pieces."""

    def as_taught(self, teacher: Task, outputs: Outputs) -> Outputs:
        """The outputs of a model fine-tuned for `teacher`, the same task, converted to this task's outputs."""
        return outputs

    def distance_from_teacher(
        self, output: Any, teacher: Mapping[str, Any], temperature: float, batch: Mapping[str, Any]
    ) -> Any:
        """The loss of the network's output for a batch against the teacher's outputs by name."""
        raise UsageError(f"--teacher: --task={self.name} does not learn from another model's answers")

    can_decline: ClassVar[bool] = False
    """Whether the task can decline to answer texts with low confidence, by the method below."""

    def declining(self, outputs: Outputs, features: Features, precision: float) -> Task:
        """The task that answers as many of these examples as it can with a share of `precision` right."""
        raise UsageError(f"--min_precision: --task={self.name} answers every text")

    tunes_answers: ClassVar[bool] = False
    """Whether the settings that `tuned` chooses decide answers, and so the score."""

    def tuned(self, outputs: Outputs, features: Features) -> Task:
        """The task with settings that are best chosen on held-out examples after training, such as thresholds."""
        return self

    @property
    def tuning(self) -> str:
        """The settings that `tuned` chose, in words; empty if there are none."""
        return ""

    @abc.abstractmethod
    def decode(self, outputs: Outputs, features: Features) -> list[dict[str, Any]]:
        """The answers to the examples, as `predict --json` prints them."""

    @abc.abstractmethod
    def score(self, outputs: Outputs, features: Features) -> Scores:
        """Scores of the outputs for labelled features."""

    def review(self, outputs: Outputs, features: Features, examples: Sequence[Example]) -> Review:
        """The worst answers to labelled examples, of which these are the features."""
        return Review()

    @abc.abstractmethod
    def agreement(self, reference: Outputs, candidate: Outputs, features: Features) -> np.ndarray:
        """Agreement of two networks' answers, [R] from 0 to 1; an output that is not finite agrees with nothing.

        Only the network's inputs are needed of the features.
        """

    def predictions(self, examples: Sequence[Example], answers: Sequence[Mapping[str, Any]]) -> str:
        """The content of a file with these answers: JSON Lines, one object per example."""
        rows = (
            {"text": example.text, **({} if example.text_pair is None else {"context": example.text_pair}), **answer}
            for example, answer in zip(examples, answers, strict=True)
        )
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    def to_json(self) -> dict[str, Any]:
        """The content of `task.json`; labels and centroids have files of their own."""
        own_files = ("labels", "centroids")
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in own_files}
        return {"task": self.name, **fields}


def of_examples(features: Features, chosen: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Features of the examples with these numbers, int [k], and the numbers of their rows, int [any]."""
    if "row_example" not in features:
        return take(features, chosen), chosen
    owner = features["row_example"]
    order = np.argsort(owner, kind="stable")
    first, stop = (np.searchsorted(owner[order], chosen, side) for side in ("left", "right"))
    rows = np.concatenate([order[a:b] for a, b in zip(first, stop, strict=True)])
    chosen_features = {name: values[chosen if name in _OF_EXAMPLES else rows] for name, values in features.items()}
    chosen_features["row_example"] = np.repeat(np.arange(len(chosen)), stop - first)
    return chosen_features, rows


_OF_EXAMPLES = ("label", "examples")
"""Features with one entry per example, not per row."""


def real_only(outputs: Outputs, mask: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs [R, ...] of inputs with this mask [R, T]; those with values per token have all T, zero at padding."""
    return {name: _real_only(values, mask) if name in PER_TOKEN else values for name, values in outputs.items()}


def _real_only(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Values [R, t, ...] as [R, T, ...], zero at padding."""
    whole = np.zeros((*mask.shape, *values.shape[2:]), values.dtype)
    length = min(values.shape[1], mask.shape[1])
    whole[:, :length] = values[:, :length]
    whole[mask == 0] = 0
    return whole


def text_key(example: Example) -> str:
    """A key that is equal for examples with equal texts."""
    return "\n".join(map(plain_text, filter(None, [example.text, example.text_pair])))


def take(values: Mapping[str, np.ndarray], rows: np.ndarray | slice) -> dict[str, np.ndarray]:
    """The chosen rows of features or outputs."""
    return {name: array[rows] for name, array in values.items()}


def objects(values: Sequence[Any]) -> np.ndarray:
    """An array [n] of Python objects."""
    array = np.empty(len(values), object)
    for number, value in enumerate(values):
        array[number] = value
    return array


def without_numbers(outputs: Outputs) -> np.ndarray:
    """Mask of the rows with a value that is NaN or infinite, bool [R]."""
    return np.any([~np.isfinite(flat(array)).all(axis=1) for array in outputs.values()], axis=0)


def flat(values: np.ndarray) -> np.ndarray:
    """Values [R, ...] as [R, K]."""
    return values.reshape(len(values), -1)


def all_values(outputs: Outputs) -> np.ndarray:
    """All outputs side by side, [R, K], in the order of their names."""
    return np.concatenate([flat(outputs[name]) for name in sorted(outputs)], axis=1)


def concatenated(parts: Sequence[Outputs]) -> dict[str, np.ndarray]:
    """Rows of several outputs or inputs, one after another; values per token are padded with zeros to one length."""
    return {name: _concatenated([part[name] for part in parts], name) for name in parts[0]}


def _concatenated(arrays: Sequence[np.ndarray], name: str) -> np.ndarray:
    if name in (*INPUTS, *PER_TOKEN):
        longest = max(array.shape[1] for array in arrays)
        no_padding = [(0, 0)] * (arrays[0].ndim - 2)
        arrays = [np.pad(array, [(0, 0), (0, longest - array.shape[1]), *no_padding]) for array in arrays]
    return np.concatenate(arrays)
