"""Classification of a text or a pair of texts: reading, features, decision, metrics."""

from __future__ import annotations

import collections
import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np

from mobilebert_tf import notes
from mobilebert_tf.data.tables import read_table
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import build, within
from mobilebert_tf.tasks.label_spelling import plain, say_alike, spellings
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
    max_seq_length: Annotated[int, within(3, 100_000)] = 128
    """T, in word pieces, [CLS] and [SEP] included."""
    text_column: str = "text"
    text_pair_column: str | None = None
    label_column: str = "label"
    labels_by_number: bool = False
    """Whether a table may also call a class by its number from 0, as those of Hugging Face's data sets do."""
    merge_labels: bool = False
    """Whether labels that differ only in capitals and blanks are one."""

    name = "classification"

    @classmethod
    def discover(cls, path: str | os.PathLike[str], **columns: Any) -> ClassificationTask:
        """The task of a training table: its labels are the values found there, sorted; numbers by their size.

        Raises:
          UsageError: the table is broken, a label is empty or cannot be written as a line, or there are fewer than two.
        """
        draft = cls(labels=(), **columns)
        counts: collections.Counter[str] = collections.Counter()
        for line, row in read_table(path, [draft.label_column]):
            label = draft._label(path, line, row)
            if not is_one_line(label):
                raise UsageError(
                    f"{path}, line {line}: the label {label!r} has a line break, and labels.txt has a label a line; "
                    "replace it"
                )
            counts[label] += 1
        labels = spellings(counts) if draft.merge_labels else sorted(counts)
        if not draft.merge_labels:
            say_alike(path, counts)
        if len(labels) < 2:
            raise UsageError(
                f"{path}: column {draft.label_column!r} has {len(labels)} distinct label(s); "
                "classification needs at least two"
            )
        if len(labels) > max(50, counts.total() // 2):
            notes.say(
                f"{path}: column {draft.label_column!r} has {len(labels):,} distinct labels in {counts.total():,} "
                "rows; --label_column names another column"
            )
        return dataclasses.replace(draft, labels=tuple(_by_number(labels)))

    def check_decides(self, model: str | os.PathLike[str]) -> None:
        """Raise UsageError if the head of `model` has one output: a score, not one of several classes."""
        if len(self.labels) < 2:
            raise UsageError(
                f"{model}: its head has one output, a score such as a relevance, and so decides nothing; this version "
                "takes classifiers of two labels or more"
            )

    def read(self, path: str | os.PathLike[str], labelled: bool = True, every_row: bool = False) -> list[Example]:
        """The rows of a table as examples; those without a text are left out, unless `every_row` is to be answered.

        Raises:
          UsageError: the table is broken or empty, or a label is not among the task's.
        """
        texts = [self.text_column, *filter(None, [self.text_pair_column])]
        numbers = self._numbers()
        examples = []
        without_text: list[int] = []
        by_number = False
        for line, row in read_table(path, [*texts, *([self.label_column] if labelled else [])]):
            label = self._label(path, line, row) if labelled else None
            if label is not None and self._key(label) not in numbers:
                raise UsageError(f"{path}, line {line}: {self._unknown(label)}")
            by_number |= label is not None and label not in self.labels and label.isdecimal()
            first, *second = ((row[column] or "") for column in texts)
            if not (first.strip() or any(text.strip() for text in second)):
                without_text.append(line)
                if not every_row:
                    continue
            number = None if label is None else numbers[self._key(label)]
            examples.append(Example(first, second[0] if second else None, number))
        if without_text:
            what = "answered as empty texts" if every_row else "left out"
            rows = f"{len(without_text):,} row{'s' if len(without_text) > 1 else ''} without text"
            notes.say(f"{path}: {rows} in column {self.text_column!r} {what}, the first in line {without_text[0]}")
        if not examples:
            raise UsageError(f"{path}: has a header and no rows{' with text' if without_text else ''}")
        if by_number:
            order = ", ".join(f"{i} as {label}" for i, label in enumerate(self.labels))
            notes.say(
                f"{path}: labels that are numbers are taken in the model's order, {order}; if the table counts "
                "otherwise, write the names there"
            )
        return examples

    def _numbers(self) -> dict[str, int]:
        """The number of each way in which a table may call a class."""
        numbers = {self._key(label): i for i, label in enumerate(self.labels)}
        # Labels that are numbers themselves, such as stars, mean what they say.
        if self.labels_by_number and not any(label.isdecimal() for label in self.labels):
            numbers |= {str(i): i for i in range(len(self.labels))}
        return numbers

    def _key(self, label: str) -> str:
        return plain(label) if self.merge_labels else label

    def _label(self, path: str | os.PathLike[str], line: int, row: Mapping[str, str | None]) -> str:
        label = row[self.label_column]
        if label is None or not label.strip():
            raise UsageError(
                f"{path}, line {line}: the label, column {self.label_column!r}, is empty; fill it in or delete the row"
            )
        return label

    def _unknown(self, label: str) -> str:
        like = [own for own in self.labels if plain(own) == plain(label)]
        if like:
            return f"label {label!r} differs only in capitals or blanks from {like[0]!r}; --merge_labels makes them one"
        return f"label {label!r} is not one that training saw ({', '.join(self.labels)})"

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
    def from_json(
        cls, values: Mapping[str, Any], labels: Sequence[str], where: str = "task.json"
    ) -> ClassificationTask:
        """What `to_json` wrote. Raises UsageError, whose line begins with `where`."""
        fields = {name: value for name, value in values.items() if name != "task"} | {"labels": list(labels)}
        task: ClassificationTask = build(cls, fields, where, refuses_unknown=True)
        return task


def _by_number(labels: Sequence[str]) -> list[str]:
    """Labels that are all numbers in the order of these, others as they are."""
    try:
        values = {label: float(label) for label in labels}
    except ValueError:
        return list(labels)
    return sorted(labels, key=lambda label: values[label]) if all(map(math.isfinite, values.values())) else list(labels)


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
