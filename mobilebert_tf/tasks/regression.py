"""Regression: a number for a text, or for a pair of texts, such as their similarity."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mobilebert_tf import notes
from mobilebert_tf.config import Heads
from mobilebert_tf.data.splitting import value_strata
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import Finite
from mobilebert_tf.tasks import examples as texts
from mobilebert_tf.tasks import metrics
from mobilebert_tf.tasks.cell_values import LARGEST, has_decimal_comma, is_ambiguous, value_of
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.review import Review, review
from mobilebert_tf.tasks.task import Features, Outputs, Scores, Task, without_numbers
from mobilebert_tf.tokenization import Tokenizer

if TYPE_CHECKING:
    from mobilebert_tf.training.loop import Objective

CLOSE = 0.05
"""Greatest difference between values that agree, as a share of the range of the reference's values."""


SAME = 1e-4
"""Difference, in training deviations, within which values agree even where all of the reference's values are equal."""


@dataclasses.dataclass(frozen=True)
class RegressionTask(Task):
    """A table whose label column holds numbers."""

    offset: Finite = 0.0
    scale: Finite = 1.0
    """The value is offset + scale * output, so that the network learns values around zero with a deviation of one."""
    value_range: tuple[Finite, ...] = ()
    """Smallest and largest value that tables may have, inclusive; (): any value."""

    name: ClassVar[str] = "regression"
    outputs: ClassVar[tuple[str, ...]] = ("score",)
    score_name: ClassVar[str] = "spearman"
    agreement_name: ClassVar[str] = "within 5 %"
    answer_kind: ClassVar[str] = "value"
    can_be_taught: ClassVar[bool] = True

    @classmethod
    def discover(cls, path: str | os.PathLike[str], **columns: Any) -> RegressionTask:
        """The task of a training table, with the mean and deviation of its values.

        Raises:
          UsageError: the table is broken, a value is not a number, or all values are equal.
        """
        draft = cls(**columns)
        values = np.array([example.label for example in draft.read(path)], np.float64)
        if values.min() == values.max():
            raise UsageError(
                f"{path}: column {draft.label_column!r} has {values[0]:g} in every row; there is nothing to learn"
            )
        return dataclasses.replace(draft, offset=float(values.mean()), scale=float(values.std()))

    @property
    def heads(self) -> Heads:
        return Heads.of(["classifier"], 1)

    def read(self, path: str | os.PathLike[str], labelled: bool = True, every_row: bool = False) -> list[Example]:
        columns = [self.text_column, *filter(None, [self.text_pair_column])]

        def in_range(file: str, line: int, cell: str) -> float:
            value = number(file, line, cell)
            if self.value_range and not self.value_range[0] <= value <= self.value_range[1]:
                raise UsageError(
                    f"{file}, line {line}: {cell} is outside this task's values, {self.value_range[0]:g} to "
                    f"{self.value_range[1]:g}"
                )
            return value

        return texts.read_examples(
            path, columns, self.label_column if labelled else None, in_range, every_row, header=self.header
        )

    def strata(self, examples: Sequence[Example]) -> list[tuple[Any, ...]]:
        """The tenth of the examples, ordered by value, that each one is in."""
        return list(value_strata(np.array([e.label for e in examples], np.float64)))

    def features(self, examples: Sequence[Example], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
        features = texts.encode(examples, tokenizer, self.max_seq_length)
        return features | texts.labels_of(examples, np.float32)

    def objective(self, predict: Callable[[Mapping[str, Any]], Any]) -> Objective:
        """Squared error of scores [B, 1], in units of the deviation of the training values."""
        from mobilebert_tf.training import objectives

        return objectives.squared_error(predict, self.offset, self.scale)

    def as_taught(self, teacher: Task, outputs: Outputs) -> Outputs:
        """The teacher's values [R, 1] relative to this task's mean, in units of this task's deviation."""
        assert isinstance(teacher, RegressionTask), "the same task"
        values = teacher.offset + teacher.scale * outputs["score"].astype(np.float64)
        return {"score": ((values - self.offset) / self.scale).astype(np.float32)}

    def distance_from_teacher(
        self, output: Any, teacher: Mapping[str, Any], temperature: float, batch: Mapping[str, Any]
    ) -> Any:
        from mobilebert_tf.training import objectives

        return objectives.value_taught(output, teacher["score"])

    def decode(self, outputs: Outputs, features: Features) -> list[dict[str, Any]]:
        return [{"value": float(value)} for value in self._values(outputs)]

    def score(self, outputs: Outputs, features: Features) -> Scores:
        """Spearman's and Pearson's correlation; root mean square error and mean absolute error in the label's unit."""
        values, label = self._values(outputs), features["label"]
        figures = metrics.of_values(values, label)
        return Scores(self.score_name, figures, np.stack([values, label], axis=1), metrics.rank_correlation)

    def review(self, outputs: Outputs, features: Features, examples: Sequence[Example]) -> Review:
        """The largest errors."""
        values, wanted = self._values(outputs), features["label"].astype(np.float64)
        shown, given = ([f"{value:.4g}" for value in some] for some in (wanted, values))
        return review(examples, shown, given, values - wanted, np.ones(len(values), bool), "error")

    def agreement(self, reference: Outputs, candidate: Outputs, features: Features) -> np.ndarray:
        """One where the values differ by at most a twentieth of the range of the reference's, or hardly at all."""
        wanted, given = self._values(reference), self._values(candidate)
        allowed = max(CLOSE * float(np.ptp(wanted)), SAME * abs(self.scale), float(np.finfo(np.float32).tiny))
        with np.errstate(invalid="ignore"):
            close = np.abs(wanted - given) <= allowed
        return (close & ~without_numbers(candidate)).astype(np.float64)

    def _values(self, outputs: Outputs) -> np.ndarray:
        """Values [n] in the label's unit."""
        return self.offset + self.scale * outputs["score"][:, 0].astype(np.float64)


def number(path: str, line: int, cell: str) -> float:
    """The number in a cell of a table. Raises UsageError."""
    value = value_of(cell)
    if value is not None and is_ambiguous(cell):
        raise UsageError(
            f"{path}, line {line}: the comma in {cell!r} may separate decimals or thousands; write numbers "
            "with a decimal point"
        )
    if value is not None and abs(value) > LARGEST:
        raise UsageError(f"{path}, line {line}: {cell} is larger than {LARGEST:g}; write it in another unit")
    if value is not None and has_decimal_comma(cell):
        notes.say(f"{path}: commas in its numbers are read as decimal points")
    if value is None:
        raise UsageError(
            f"{path}, line {line}: {cell!r} is not a number, which --task=regression or embedding needs as the label; "
            "for classes leave --task out"
        )
    return value
