"""Multi-label classification: each label of a text is decided by itself, with its own threshold."""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mobilebert_tf.config import Heads
from mobilebert_tf.data import bad_rows
from mobilebert_tf.data.tables import read_table
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import Share
from mobilebert_tf.tasks import examples as texts
from mobilebert_tf.tasks import metrics
from mobilebert_tf.tasks.cell_values import list_in
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.label_spelling import say_alike, say_missing, unseen
from mobilebert_tf.tasks.review import Review, review
from mobilebert_tf.tasks.task import Features, Outputs, Scores, Task, without_numbers
from mobilebert_tf.tokenization import Tokenizer, is_one_line

if TYPE_CHECKING:
    from mobilebert_tf.training.loop import Objective

HALF = 0.5
"""Threshold of a label before tuning, and of a label that no example has."""


@dataclasses.dataclass(frozen=True)
class MultilabelTask(Task):
    """A table whose label column holds none, one or several labels."""

    labels: tuple[str, ...]
    separator: str = ","
    """Text between the labels of a cell; blanks around labels are ignored."""
    label_columns: tuple[str, ...] = ()
    """Columns of 0 and 1, one for each label, used in place of the label column."""
    thresholds: tuple[Share, ...] = ()
    """Minimum probability of each label, [C]; (): a half for all."""

    name: ClassVar[str] = "multilabel"
    outputs: ClassVar[tuple[str, ...]] = ("logits",)
    score_name: ClassVar[str] = "micro_f1"
    agreement_name: ClassVar[str] = "same labels"
    answer_kind: ClassVar[str] = "labels"
    has_labels: ClassVar[bool] = True
    tunes_answers: ClassVar[bool] = True
    can_be_taught: ClassVar[bool] = True

    @classmethod
    def discover(cls, path: str | os.PathLike[str], **columns: Any) -> MultilabelTask:
        """The task of a training table: its labels are all labels of the table, sorted.

        Raises:
          UsageError: the table is broken or has no label.
        """
        draft = cls(labels=(), **columns)
        if draft.label_columns:
            return draft._of_columns(path)
        counts: collections.Counter[str] = collections.Counter()
        rows = 0
        for line, row in read_table(path, [draft.label_column], draft.header, structured=[draft.label_column]):
            cell = row[draft.label_column] or ""
            try:
                labels = draft._split(cell if isinstance(cell, str) else json.dumps(cell, ensure_ascii=False))
            except UsageError as problem:
                bad_rows.refuse(str(path), line, f"column {draft.label_column!r} {problem}")
                continue
            counts.update(labels)
            rows += 1
        texts.check_rows(path, rows)
        say_alike(path, counts)
        say_missing(path, counts)
        if not counts:
            raise UsageError(f"{path}: column {draft.label_column!r} has no label in any row")
        broken = next((label for label in counts if not is_one_line(label)), None)
        if broken is not None:
            raise UsageError(f"{path}: the label {broken!r} has a line break; replace it")
        return dataclasses.replace(draft, labels=tuple(sorted(counts)))

    def _of_columns(self, path: str | os.PathLike[str]) -> MultilabelTask:
        """The task whose labels are the names of the label columns. Raises UsageError: all are 0 in every row."""
        twice = [column for column, times in collections.Counter(self.label_columns).items() if times > 1]
        if twice:
            raise UsageError(f"--label_columns: names {twice[0]!r} twice")
        task = dataclasses.replace(self, labels=self.label_columns)
        counts = collections.Counter(number for example in task.read(path) for number in example.label)  # type: ignore
        if not counts:
            raise UsageError(f"{path}: columns {', '.join(self.label_columns)} are 0 in every row")
        return task

    @property
    def heads(self) -> Heads:
        return Heads.of(["classifier"], len(self.labels))

    def read(self, path: str | os.PathLike[str], labelled: bool = True, every_row: bool = False) -> list[Example]:
        numbers = {label: number for number, label in enumerate(self.labels)}

        def marks(file: str, line: int, cell: str) -> tuple[int, ...]:
            try:
                labels = self._split(cell)
            except UsageError as problem:
                raise UsageError(f"{file}, line {line}: column {self.label_column!r} {problem}") from None
            strange = next((label for label in labels if label not in numbers), None)
            if strange is not None:
                raise UsageError(f"{file}, line {line}: {unseen(strange, self.labels)}; {bad_rows.FIX}")
            return tuple(sorted({numbers[label] for label in labels}))

        def of_columns(file: str, line: int, cell: str) -> tuple[int, ...]:
            row = cells.get(line)
            if row is None:  # a cell is missing, so the row was left out
                raise UsageError(f"{file}, line {line}: lacks some of the columns {', '.join(self.label_columns)}")
            values = [_is_set(file, line, column, row[column]) for column in self.label_columns]
            return tuple(number for number, is_set in enumerate(values) if is_set)

        columns = [self.text_column, *filter(None, [self.text_pair_column])]
        label = self.label_column if labelled else None
        if self.label_columns and labelled:
            cells = dict(read_table(path, self.label_columns, self.header))
            label, marks = self.label_columns[0], of_columns
        return texts.read_examples(
            path, columns, label, marks, every_row, may_be_empty=True, header=self.header, label_may_be_list=True
        )

    def strata(self, examples: Sequence[Example]) -> list[tuple[Any, ...]]:
        """The labels of each example; examples without a label form one stratum."""
        return [example.label or (-1,) for example in examples]  # type: ignore[misc]

    def label_cells(self, example: Example) -> dict[str, Any]:
        if self.label_columns:
            own = example.label or ()
            return {column: int(number in own) for number, column in enumerate(self.label_columns)}  # type: ignore[operator]
        labels = [self.labels[number] for number in example.label]  # type: ignore[union-attr]
        cell = self.separator.join(labels)
        return {self.label_column: cell if self._split(cell) == labels else labels}

    def features(self, examples: Sequence[Example], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
        """The features of every task; `label` is int32 [n, C], 1 for each label that an example has."""
        features = texts.encode(examples, tokenizer, self.max_seq_length)
        if all(example.label is not None for example in examples):
            features["label"] = np.zeros((len(examples), len(self.labels)), np.int32)
            for row, example in enumerate(examples):
                features["label"][row, list(example.label)] = 1  # type: ignore[arg-type]
        return features

    def objective(self, predict: Callable[[Mapping[str, Any]], Any]) -> Objective:
        """Binary cross-entropy of each label, from logits [B, C]."""
        from mobilebert_tf.training import objectives

        return objectives.labels(predict)

    def as_taught(self, teacher: Task, outputs: Outputs) -> Outputs:
        """The teacher's logits [R, C] in the order of these labels."""
        return {"logits": outputs["logits"][:, [teacher.labels.index(label) for label in self.labels]]}

    def distance_from_teacher(
        self, output: Any, teacher: Mapping[str, Any], temperature: float, batch: Mapping[str, Any]
    ) -> Any:
        from mobilebert_tf.training import objectives

        return objectives.labels_taught(output, teacher["logits"], temperature)

    def decode(self, outputs: Outputs, features: Features) -> list[dict[str, Any]]:
        """The labels of each text, likeliest first, and the probabilities of all labels."""
        answers = []
        for row, chosen in zip(sigmoid(outputs["logits"]), self._decided(outputs), strict=True):
            order = sorted(np.flatnonzero(chosen), key=lambda number: -row[number])
            answers.append({
                "labels": [self.labels[number] for number in order],
                "probabilities": {label: float(p) for label, p in zip(self.labels, row, strict=True)},
            })  # fmt: skip
        return answers

    def score(self, outputs: Outputs, features: Features) -> Scores:
        """F1 over all decisions together (micro) and as a mean over labels (macro), the share of texts whose labels are
        all right, and mean cross-entropy (nats). Every decision of an example whose logits are not finite is wrong."""
        wanted, decided = features["label"].astype(bool), self._decided(outputs)
        broken = without_numbers(outputs)
        decided[broken] = ~wanted[broken]
        likely = np.clip(sigmoid(outputs["logits"]), 1e-30, 1.0)
        unlikely = np.clip(sigmoid(-outputs["logits"]), 1e-30, 1.0)
        with np.errstate(invalid="ignore"):
            loss = -np.where(wanted, np.log(likely), np.log(unlikely)).mean()
        by_class = metrics.by_class(
            self.labels, (wanted & decided).sum(axis=0), decided.sum(axis=0), wanted.sum(axis=0)
        )
        figures = {
            "examples": int(len(wanted)),
            "micro_f1": f1(wanted, decided),
            "macro_f1": float(np.mean([scores["f1"] for scores in by_class.values()])),
            "exact": float((wanted == decided).all(axis=1).mean()),
            "loss": float(loss),
            "by_class": by_class,
        }
        counts = np.stack([(wanted & decided).sum(axis=1), wanted.sum(axis=1) + decided.sum(axis=1)], axis=1)
        return Scores(self.score_name, figures, counts.astype(np.float64), metrics.f1_of_counts)

    def review(self, outputs: Outputs, features: Features, examples: Sequence[Example]) -> Review:
        """Texts with a wrong label, by the highest probability of one of their wrong decisions (a yes or a no)."""
        wanted, decided = features["label"].astype(bool), self._decided(outputs)
        likely = sigmoid(outputs["logits"])
        size = np.where(wanted == decided, -np.inf, np.where(decided, likely, 1.0 - likely)).max(axis=1)
        size[without_numbers(outputs)] = np.nan
        wrong = (wanted != decided).any(axis=1) | without_numbers(outputs)
        return review(examples, list(map(self._named, wanted)), list(map(self._named, decided)), size, wrong)

    def _named(self, chosen: np.ndarray) -> str:
        return f"{self.separator} ".join(self.labels[number] for number in np.flatnonzero(chosen)) or "no label"

    def agreement(self, reference: Outputs, candidate: Outputs, features: Features) -> np.ndarray:
        """Share of labels with the same decision."""
        same = (self._decided(reference) == self._decided(candidate)).mean(axis=1)
        return np.where(without_numbers(candidate), 0.0, same)

    def tuned(self, outputs: Outputs, features: Features) -> MultilabelTask:
        """The task with the thresholds that together give the highest micro F1 on these examples.

        A threshold lies between two probabilities that occur; of equally good ones the one nearest to a half is taken.
        A label that no example or every example has keeps a half.

        Source: Dinkelbach 1967, On nonlinear fractional programming. F1 is 2 right / (wanted + decided), sums over
        labels; where F is its maximum, the sum of 2 right - F decided has its maximum too, label by label.
        """
        likely, wanted = sigmoid(outputs["logits"]), features["label"].astype(bool)
        thresholds = (HALF,) * len(self.labels)
        reached = f1(wanted, likely >= HALF)
        while True:
            better = tuple(_best(*columns, reached) for columns in zip(likely.T, wanted.T, strict=True))
            score = f1(wanted, likely >= np.array(better))
            if score <= reached + 1e-12:
                return dataclasses.replace(self, thresholds=thresholds)
            thresholds, reached = better, score

    @property
    def tuning(self) -> str:
        low, high = min(self.thresholds, default=HALF), max(self.thresholds, default=HALF)
        return f"thresholds from {low:.2f} to {high:.2f}" if self.thresholds else ""

    def _decided(self, outputs: Outputs) -> np.ndarray:
        """Whether each label is given, bool [n, C]."""
        thresholds = np.array(self.thresholds or (HALF,) * len(self.labels))
        with np.errstate(invalid="ignore"):
            decided: np.ndarray = sigmoid(outputs["logits"]) >= thresholds
        return decided

    def _split(self, cell: str) -> list[str]:
        """The labels in a cell, which may also hold a list as written by JSON, Python or NumPy.

        Raises:
          UsageError: the cell holds something else in brackets.
        """
        listed = list_in(cell)
        word = cell.strip()
        if listed is None and word[:1] in ("[", "{") and word[-1:] in ("]", "}") and re.search(_STRUCTURE, word):
            raise UsageError(
                f"holds {word[:60]!r}, which is not a list of labels; spans of a text need --task=entities and "
                "columns of tokens and tags"
            )
        labels = cell.split(self.separator) if listed is None else listed
        return [label.strip() for label in labels if label.strip()]


_STRUCTURE = r"""["'{},]"""
"""Characters that mark brackets as a list or an object; [OTHER] may be a label."""

_SET, _UNSET = ("1", "1.0", "true", "yes"), ("0", "0.0", "false", "no", "")
"""Values of cells in label columns, in lower case."""


def _is_set(file: str, line: int, column: str, cell: str | None) -> bool:
    """Whether a row has the label of a column. Raises UsageError: the cell is neither yes nor no."""
    word = (cell or "").strip().lower()
    if word not in (*_SET, *_UNSET):
        raise UsageError(f"{file}, line {line}: column {column!r} holds {cell!r}; a label's column must hold 0 or 1")
    return word in _SET


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits, float64."""
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-logits.astype(np.float64)))


def f1(wanted: np.ndarray, decided: np.ndarray) -> float:
    """F1, 2 right / (wanted + decided), of bool arrays of one shape; 1 where nothing is wanted or decided."""
    all_of_both = wanted.sum() + decided.sum()
    return float(2 * (wanted & decided).sum() / all_of_both) if all_of_both else 1.0


def _best(likely: np.ndarray, wanted: np.ndarray, share: float) -> float:
    """The threshold of one label with the greatest 2 right - `share` decided."""
    if wanted.all() or not wanted.any():
        return HALF
    values = np.unique(likely)
    # A threshold below the smallest probability gives the label to all examples.
    borders = np.concatenate([[HALF, values[0] / 2], (values[1:] + values[:-1]) / 2])
    # Counted, since a table of examples by borders would take gigabytes for ten thousand examples.
    decided = len(likely) - np.searchsorted(np.sort(likely), borders)
    right = wanted.sum() - np.searchsorted(np.sort(likely[wanted]), borders)
    worth = 2 * right - share * decided
    best = borders[worth >= worth.max() - 1e-9]
    return float(best[np.abs(best - HALF).argmin()])
