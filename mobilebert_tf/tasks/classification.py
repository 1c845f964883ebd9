"""Classification of a text or a pair of texts: reading, features, decision, metrics."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mobilebert_tf.data.tables import read_table
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tokenization import Tokenizer, is_one_line


@dataclasses.dataclass(frozen=True)
class Example:
    """One row of a labelled table."""

    text: str
    text_pair: str | None = None
    label: int | None = None


@dataclasses.dataclass(frozen=True)
class ClassificationTask:
    """Which columns hold what, how long a text may get, and what the classes are called."""

    labels: tuple[str, ...]
    max_seq_length: int = 128
    """T, in word pieces, [CLS] and [SEP] included."""
    text_column: str = "text"
    text_pair_column: str | None = None
    label_column: str = "label"
    labels_by_number: bool = False
    """Whether a table may also call a class by its number from 0, as those of Hugging Face's data sets do."""

    name = "classification"

    @classmethod
    def discover(cls, path: str | os.PathLike[str], **columns: Any) -> ClassificationTask:
        """The task of a training table: its labels are the values found there, sorted.

        Raises:
          UsageError: the table is broken, a label is empty or has a line break, or there are fewer than two.
        """
        draft = cls(labels=(), **columns)
        found = set()
        for line, row in read_table(path, [draft.label_column]):
            if not row[draft.label_column].strip():
                raise UsageError(f"{path}, line {line}: the label, column {draft.label_column!r}, is empty")
            if not is_one_line(row[draft.label_column]):
                raise UsageError(
                    f"{path}, line {line}: the label {row[draft.label_column]!r} is no line of text, as "
                    "labels.txt needs; take its line breaks out"
                )
            found.add(row[draft.label_column])
        labels = tuple(sorted(found))
        if len(labels) < 2:
            raise UsageError(
                f"{path}: column {draft.label_column!r} has {len(labels)} distinct label(s); "
                "classification needs at least two"
            )
        return dataclasses.replace(draft, labels=labels)

    def check_decides(self, model: str | os.PathLike[str]) -> None:
        """Raise UsageError if the head of `model` has one output: a score, not one of several classes."""
        if len(self.labels) < 2:
            raise UsageError(
                f"{model}: its head has one output, a score such as a relevance, and so decides nothing; this version "
                "takes classifiers of two labels or more"
            )

    def read(self, path: str | os.PathLike[str], labelled: bool = True) -> list[Example]:
        """The rows of a table as examples.

        Raises:
          UsageError: the table is broken or empty, or a label is not among the task's.
        """
        columns = [self.text_column, *filter(None, [self.text_pair_column]), *([self.label_column] if labelled else [])]
        numbers = {label: i for i, label in enumerate(self.labels)}
        # Labels that are numbers themselves, such as stars, mean what they say.
        if self.labels_by_number and not any(label.isdecimal() for label in self.labels):
            numbers |= {str(i): i for i in range(len(self.labels))}
        examples, by_number = [], False
        for line, row in read_table(path, columns):
            by_number = by_number or (labelled and row[self.label_column] not in self.labels)
            if labelled and row[self.label_column] not in numbers:
                raise UsageError(
                    f"{path}, line {line}: label {row[self.label_column]!r} is not one that training saw "
                    f"({', '.join(self.labels)})"
                )
            examples.append(
                Example(
                    row[self.text_column],
                    row[self.text_pair_column] if self.text_pair_column else None,
                    numbers[row[self.label_column]] if labelled else None,
                )
            )
        if not examples:
            raise UsageError(f"{path}: has a header and no rows")
        if by_number:
            order = ", ".join(f"{i} {label}" for i, label in enumerate(self.labels))
            print(f"{path}: its labels are numbers, taken in the order of the model: {order}", file=sys.stderr)
        return examples

    def features(self, examples: Sequence[Example], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
        """`input_ids`, `input_mask`, `segment_ids` (int32 [n, T]) and, if labelled, `label` (int32 [n]).

        [CLS] A [SEP] or [CLS] A [SEP] B [SEP]; of a pair that is too long the longer
        side loses its last piece until it fits, as in Google's `run_classifier.py`.
        """
        first = tokenizer.encode_batch([e.text for e in examples])
        second = tokenizer.encode_batch([e.text_pair or "" for e in examples])
        shape = (len(examples), self.max_seq_length)
        ids, mask, segments = (np.zeros(shape, np.int32) for _ in range(3))
        cls, sep = tokenizer.id("[CLS]"), tokenizer.id("[SEP]")
        for row, (example, a, b) in enumerate(zip(examples, first, second, strict=True)):
            paired = example.text_pair is not None
            a, b = _trim(a, b, self.max_seq_length - (3 if paired else 2))
            pieces = [cls, *a, sep, *b, sep] if paired else [cls, *a, sep]
            ids[row, : len(pieces)] = pieces
            mask[row, : len(pieces)] = 1
            segments[row, len(a) + 2 : len(pieces)] = 1
        features = {"input_ids": ids, "input_mask": mask, "segment_ids": segments}
        if all(e.label is not None for e in examples):
            features["label"] = np.array([e.label for e in examples], np.int32)
        return features

    def decode(self, logits: np.ndarray) -> list[dict[str, Any]]:
        """Label and probabilities of each row of logits [n, C]."""
        probabilities = softmax(logits)
        return [
            {
                "label": self.labels[int(row.argmax())],
                "probability": float(row.max()),
                "probabilities": {label: float(p) for label, p in zip(self.labels, row, strict=True)},
            }
            for row in probabilities
        ]

    def metrics(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        """Accuracy, macro F1, mean cross-entropy (nats), and what always guessing the
        most frequent class would score: logits [n, C], labels [n]."""
        predicted = logits.argmax(axis=-1)
        confusion = np.zeros((len(self.labels), len(self.labels)), int)
        np.add.at(confusion, (labels, predicted), 1)
        right = np.diag(confusion)
        f1 = 2 * right / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1)
        likelihood = np.take_along_axis(softmax(logits), labels[:, None], axis=-1)
        return {
            "examples": int(len(labels)),
            "accuracy": float(right.sum() / len(labels)),
            "macro_f1": float(f1.mean()),
            "loss": float(-np.log(np.maximum(likelihood, 1e-30)).mean()),
            "majority_accuracy": float(confusion.sum(axis=1).max() / len(labels)),
            "confusion": confusion.tolist(),
        }

    def to_json(self) -> dict[str, Any]:
        """What `task.json` holds; the labels have a file of their own."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "labels"}
        return {"task": self.name, **fields}

    @classmethod
    def from_json(cls, values: Mapping[str, Any], labels: Sequence[str]) -> ClassificationTask:
        return cls(labels=tuple(labels), **{k: v for k, v in values.items() if k != "task"})


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities [..., C] in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    powers = np.exp(shifted)
    return powers / powers.sum(axis=-1, keepdims=True)


def _trim(a: list[int], b: list[int], room: int) -> tuple[list[int], list[int]]:
    a, b = list(a), list(b)
    while len(a) + len(b) > room:
        (a if len(a) > len(b) else b).pop()
    return a, b
