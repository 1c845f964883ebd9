"""Classification of a text or a pair of texts: one class for each."""

from __future__ import annotations

import collections
import dataclasses
import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np

from mobilebert_tf import notes
from mobilebert_tf.config import Heads
from mobilebert_tf.data import bad_rows
from mobilebert_tf.data.tables import read_table
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import Share, within
from mobilebert_tf.tasks import examples as texts
from mobilebert_tf.tasks import metrics
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.label_spelling import plain, say_alike, say_missing, spellings, unseen
from mobilebert_tf.tasks.review import Review, review
from mobilebert_tf.tasks.task import NONE, Features, Outputs, Scores, Task, take, without_numbers
from mobilebert_tf.tokenization import Tokenizer, is_one_line

if TYPE_CHECKING:
    from mobilebert_tf.training.loop import Objective


TEMPERATURES = (0.2, 10.0)
"""Smallest and largest temperature; without bounds the fit has no optimum where all examples are right."""

FEWEST = 100
"""Minimum number of examples for fitting a temperature."""

_UNLABELLED = {
    "-": "; MNLI and SNLI have - where the annotators disagreed",
    "-1": "; test sets have -1 where others have a label",
}
"""Marks that data sets write in place of a label, each with the explanation that the message gives."""


@dataclasses.dataclass(frozen=True)
class ClassificationTask(Task):
    """A table whose label column holds the name of one class."""

    labels: tuple[str, ...]
    labels_by_number: bool = False
    """Whether a table may also give a class by its number from 0, as Hugging Face's data sets do."""
    merge_labels: bool = False
    """Whether labels that differ only in spelling, such as capitals and blanks, are merged."""
    named_numbers: tuple[str, ...] = ()
    """Labels that tables may also give by their number from 0, in the order of the numbers."""
    compared_by: Literal["accuracy", "macro_f1", "f1", "matthews"] = "accuracy"
    """Name of the primary score; f1 is that of the second of two classes."""
    temperature: Annotated[float, within(*TEMPERATURES)] = 1.0
    """Divisor of the logits before the softmax, so that answers are right as often as their probabilities say."""
    threshold: Share = 0.0
    """Minimum probability for a class to be the answer; below it the answer is NONE."""

    name: ClassVar[str] = "classification"
    outputs: ClassVar[tuple[str, ...]] = ("logits",)
    agreement_name: ClassVar[str] = "same decision"
    answer_kind: ClassVar[str] = "classes"
    has_labels: ClassVar[bool] = True
    can_be_taught: ClassVar[bool] = True
    can_decline: ClassVar[bool] = True

    @property
    def heads(self) -> Heads:
        return Heads.of(["classifier"], len(self.labels))

    @property
    def score_name(self) -> str:
        return self.compared_by

    @classmethod
    def discover(cls, path: str | os.PathLike[str], **columns: Any) -> ClassificationTask:
        """The task of a training table: its labels are the values of the label column, sorted, numbers by size.

        Raises:
          UsageError: the table is broken, a label is empty or cannot be written as a line, or there are fewer than two.
        """
        draft = cls(labels=(), **columns)
        counts: collections.Counter[str] = collections.Counter()
        for line, row in read_table(path, [draft.label_column], draft.header):
            label = row[draft.label_column] or ""
            if not label.strip():
                bad_rows.refuse(str(path), line, texts.no_label(path, line, draft.label_column))
            elif not is_one_line(label):
                problem = f"the label {label!r} has a line break, but labels.txt has one label per line; replace it"
                bad_rows.refuse(str(path), line, problem)
            else:
                counts[label] += 1
        texts.check_rows(path, counts.total())
        labels = spellings(counts) if draft.merge_labels else sorted(counts)
        if not draft.merge_labels:
            say_alike(path, counts, "; spell them alike, or `finetune --merge_labels` merges them")
        say_missing(path, counts)
        if len(labels) < 2:
            raise UsageError(
                f"{path}: column {draft.label_column!r} has {len(labels)} distinct label(s); "
                "classification needs at least two"
            )
        if len(labels) > max(10, counts.total() // 2):
            notes.say(
                f"{path}: column {draft.label_column!r} has {len(labels):,} distinct labels in {counts.total():,} "
                "rows; choose another with --label_column"
            )
        return dataclasses.replace(draft, labels=tuple(_by_number(labels)))

    def read(self, path: str | os.PathLike[str], labelled: bool = True, every_row: bool = False) -> list[Example]:
        columns = [self.text_column, *filter(None, [self.text_pair_column])]
        numbers = self._numbers()
        by_number: list[str] = []

        def number(file: str, line: int, label: str) -> int:
            if self._key(label) not in numbers:
                raise UsageError(f"{file}, line {line}: {self._unknown(label)}")
            if label not in self.labels and label.isdecimal() and not self.named_numbers:
                by_number.append(label)
            return numbers[self._key(label)]

        examples = texts.read_examples(
            path, columns, self.label_column if labelled else None, number, every_row, header=self.header
        )
        if labelled and all(example.label == len(self.labels) for example in examples):
            raise UsageError(
                f"{path}: every row is labelled {NONE!r}; add rows of the classes, to see what declining costs"
            )
        if by_number:
            order = ", ".join(f"{i} as {label}" for i, label in enumerate(self.labels))
            notes.say(
                f"{path}: numeric labels are read in the model's order, {order}; if the table numbers them "
                "otherwise, write label names in it"
            )
        return examples

    def label_cells(self, example: Example) -> dict[str, Any]:
        return {self.label_column: self.labels[int(example.label)]}  # type: ignore[arg-type]

    def _numbers(self) -> dict[str, int]:
        """Numbers of the classes, by every name that a table may use for them."""
        numbers = {self._key(NONE): len(self.labels)} if self.threshold else {}
        numbers |= {self._key(label): i for i, label in enumerate(self.labels)}
        # Labels that are numbers themselves, such as star ratings, mean what they say.
        if self.labels_by_number and not any(label.isdecimal() for label in self.labels):
            numbers |= {str(i): i for i in range(len(self.labels))}
        numbers |= {str(i): numbers[self._key(label)] for i, label in enumerate(self.named_numbers)}
        return numbers

    def _key(self, label: str) -> str:
        return plain(label) if self.merge_labels else label

    def _unknown(self, label: str) -> str:
        if label == NONE:
            who = "evaluate scores such rows for classifiers made with finetune --min_precision"
            return f"label {label!r} is of texts without a class, which teach nothing here; {who}; {bad_rows.FIX}"
        if self.named_numbers:
            own = ", ".join(self.named_numbers)
            also = _UNLABELLED.get(label, "")
            return f"label {label!r} is not one of this task's ({own}, or their numbers from 0){also}; {bad_rows.FIX}"
        like = [own for own in self.labels if plain(own) == plain(label)]
        if like:
            return (
                f"label {label!r} differs from {like[0]!r} only in spelling; spell it the same, or give finetune and "
                "evaluate --merge_labels"
            )
        return f"{unseen(label, self.labels)}; {bad_rows.FIX}"

    def features(self, examples: Sequence[Example], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
        features = texts.encode(examples, tokenizer, self.max_seq_length)
        return features | texts.labels_of(examples, np.int32)

    def objective(self, predict: Callable[[Mapping[str, Any]], Any]) -> Objective:
        """Cross-entropy of the class in logits [B, C]."""
        from mobilebert_tf.training import objectives

        return objectives.classes(predict)

    def as_taught(self, teacher: Task, outputs: Outputs) -> Outputs:
        """The teacher's logits [R, C] in the order of these labels."""
        return {"logits": outputs["logits"][:, [teacher.labels.index(label) for label in self.labels]]}

    def distance_from_teacher(
        self, output: Any, teacher: Mapping[str, Any], temperature: float, batch: Mapping[str, Any]
    ) -> Any:
        from mobilebert_tf.training import objectives

        return objectives.classes_taught(output, teacher["logits"], temperature)

    def decode(self, outputs: Outputs, features: Features) -> list[dict[str, Any]]:
        """The label of each row of logits [n, C], NONE where its probability is too low, and all probabilities."""
        return [
            {
                "label": self.labels[int(row.argmax())] if row.max() >= self.threshold else NONE,
                "probability": float(row.max()),
                "probabilities": {label: float(p) for label, p in zip(self.labels, row, strict=True)},
            }
            for row in self._probabilities(outputs)
        ]

    def score(self, outputs: Outputs, features: Features) -> Scores:
        """Accuracy, macro F1, mean cross-entropy (nats), expected calibration error, the accuracy of always guessing
        the most frequent class, and how well confidence tells right answers from wrong ones. With a threshold also the
        share of texts that are answered with a class, and the accuracy on these; all other figures score the likeliest
        class whatever the threshold. An example whose logits are not finite is wrong. Texts that belong to no class
        count only for the share of them that is answered with NONE; all other figures leave them out."""
        foreign = features["label"] == len(self.labels)
        if foreign.all():
            raise UsageError(f"none of the {len(foreign)} rows to score has a class, all are {NONE!r}; score more rows")
        if foreign.any():
            scores_of_classes = self.score(take(outputs, ~foreign), {"label": features["label"][~foreign]})
            with np.errstate(invalid="ignore"):
                sure = self._probabilities(outputs)[foreign].max(axis=-1) >= self.threshold
            none_found = float((~sure & ~without_numbers(outputs)[foreign]).mean())
            return dataclasses.replace(scores_of_classes, all=scores_of_classes.all | {"none_found": none_found})
        logits, labels = outputs["logits"], features["label"]
        # An answer that is NaN or infinite counts as a wrong class.
        predicted = np.where(without_numbers(outputs), (labels + 1) % len(self.labels), logits.argmax(axis=-1))
        confusion = metrics.confusion_of(labels, predicted, len(self.labels))
        by_class = metrics.by_class(self.labels, np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1))
        f1 = [figures["f1"] for figures in by_class.values()]
        with np.errstate(invalid="ignore"):
            probabilities = self._probabilities(outputs)
        likelihood = np.take_along_axis(probabilities, labels[:, None], axis=-1)
        right = predicted == labels
        confidence = probabilities.max(axis=-1)
        figures: dict[str, Any] = {
            "examples": int(len(labels)),
            "accuracy": float(right.sum() / len(labels)),
            "macro_f1": float(np.mean(f1)),
            **({"f1": f1[1]} if len(f1) == 2 else {}),
            "matthews": metrics.matthews(confusion),
            "loss": float(-np.log(np.maximum(likelihood, 1e-30)).mean()),
            "calibration_error": metrics.calibration_error(confidence, right),
            **metrics.risk_coverage(confidence, right),
            "majority_accuracy": float(confusion.sum(axis=1).max() / len(labels)),
            "confusion": confusion.tolist(),
            "by_class": by_class,
        }
        answered = confidence >= self.threshold
        if self.threshold and answered.any():
            figures |= {"answered": float(answered.mean()), "answered_accuracy": float(right[answered].mean())}
        if self.compared_by == "accuracy":
            return Scores(self.score_name, figures, right.astype(np.float64))
        scores = Scores(self.score_name, figures, np.stack([labels, predicted], axis=1).astype(np.float64), self._whole)
        figures["compared_by"] = self.compared_by
        figures[self.score_name] = scores.whole(scores.per_example)  # type: ignore[misc]
        return scores

    def _whole(self, rows: np.ndarray) -> float:
        """The primary score of true and predicted classes [n, 2], where it is not accuracy."""
        true, predicted = rows.astype(int).T
        confusion = metrics.confusion_of(true, predicted, len(self.labels))
        if self.compared_by == "matthews":
            return metrics.matthews(confusion)
        f1 = metrics.f1_of_classes(confusion)
        return float(f1[1] if self.compared_by == "f1" else f1.mean())

    def review(self, outputs: Outputs, features: Features, examples: Sequence[Example]) -> Review:
        """Wrong answers by their probability; for a text that belongs to no class, any class is wrong."""
        with np.errstate(invalid="ignore"):
            confidence = self._probabilities(outputs).max(axis=-1)
        none = len(self.labels)
        declined = (features["label"] == none) & (confidence < self.threshold)
        given = np.where(declined, none, outputs["logits"].argmax(axis=-1))
        wrong = (given != features["label"]) | without_numbers(outputs)
        names = (*self.labels, NONE)
        wanted, answers = ([names[number] for number in numbers] for numbers in (features["label"], given))
        return review(examples, wanted, answers, confidence, wrong)

    def tuned(self, outputs: Outputs, features: Features) -> ClassificationTask:
        """The task with the temperature that minimises cross-entropy on these examples (Guo et al. 2017,
        arXiv 1706.04599); unchanged with fewer than FEWEST examples or an output that is not finite."""
        if len(features["label"]) < FEWEST or without_numbers(outputs).any():
            return self
        temperature = metrics.best_temperature(outputs["logits"], features["label"], *TEMPERATURES)
        return dataclasses.replace(self, temperature=float(f"{temperature:.4g}"))

    def declining(self, outputs: Outputs, features: Features, precision: float) -> ClassificationTask:
        """The task with the lowest threshold at which the share of right answers is at least `precision`; without a
        threshold if none reaches it.

        The threshold lies between two probabilities that occur, so that rounding decides nothing.
        """
        confidence = self._probabilities(outputs).max(axis=-1)
        right = outputs["logits"].argmax(axis=-1) == features["label"]
        thresholds, coverage, risk = metrics.risks(confidence, right)
        enough = np.flatnonzero(1.0 - risk >= precision - 1e-12)
        if not len(enough):
            return dataclasses.replace(self, threshold=0.0)
        last = enough[-1]
        below = max(thresholds[last + 1], 0.0) if last + 1 < len(thresholds) else 0.0  # -inf stands for NaN
        threshold = float((thresholds[last] + below) / 2) if below else 0.0
        return dataclasses.replace(self, threshold=threshold)

    @property
    def tuning(self) -> str:
        chosen = [f"temperature {self.temperature:.3g}"] if self.temperature != 1.0 else []
        return ", ".join([*chosen, *([f"minimum probability {self.threshold:.3g}"] if self.threshold else [])])

    def _probabilities(self, outputs: Outputs) -> np.ndarray:
        """[n, C], float64."""
        return softmax(outputs["logits"] / self.temperature)

    def agreement(self, reference: Outputs, candidate: Outputs, features: Features) -> np.ndarray:
        """One where the most likely class is the same and both or neither of the networks reach the threshold."""
        same = reference["logits"].argmax(axis=-1) == candidate["logits"].argmax(axis=-1)
        if self.threshold:
            with np.errstate(invalid="ignore"):
                sure = [
                    self._probabilities(outputs).max(axis=-1) >= self.threshold for outputs in (reference, candidate)
                ]
            same &= sure[0] == sure[1]
        return (same & ~without_numbers(candidate)).astype(np.float64)


def _by_number(labels: Sequence[str]) -> list[str]:
    """The labels in numerical order if all are finite numbers, else unchanged."""
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
