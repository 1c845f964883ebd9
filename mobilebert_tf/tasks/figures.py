"""Figures of a held-out set, as in metrics.json and report.json."""

from __future__ import annotations

import dataclasses
from typing import Literal

from mobilebert_tf.fields import Correlation, Count, Finite, Share

SCORE_TITLES = {
    "accuracy": "accuracy",
    "f1": "F1",
    "macro_f1": "macro F1",
    "micro_f1": "micro F1",
    "matthews": "Matthews' correlation",
    "spearman": "Spearman",
}
"""Titles of primary scores in tables and pictures, by their names among the figures."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassScore:
    """Scores of a model on one class."""

    f1: Share
    precision: Share
    recall: Share
    support: Count


@dataclasses.dataclass(frozen=True, kw_only=True)
class Score:
    """Scores of a model on a labelled held-out set."""

    examples: Count | None = None
    accuracy: Share | None = None
    macro_f1: Share | None = None
    matthews: Correlation | None = None
    compared_by: Literal["f1", "macro_f1", "matthews"] | None = None
    """Name of the classification score by which models are compared, where that is not accuracy."""
    loss: Finite | None = None
    majority_accuracy: Share | None = None
    confusion: tuple[tuple[Count, ...], ...] | None = None
    """[C, C] counts, true class before predicted class."""
    micro_f1: Share | None = None
    """Micro F1 of a multi-label task."""
    f1: Share | None = None
    """F1 of the second of two classes, of the words of answers (with `exact`), or of entities (with `precision`)."""
    exact: Share | None = None
    precision: Share | None = None
    spearman: Correlation | None = None
    """Spearman's correlation of values, or of the cosines of embeddings, with the labels."""
    pearson: Correlation | None = None
    """Pearson's correlation of the same."""
    by_class: dict[str, ClassScore] = dataclasses.field(default_factory=dict)
    root_mean_square_error: Finite | None = None

    @property
    def primary(self) -> float | None:
        """The score by which models are compared; None: it was not a number."""
        if self.compared_by:
            compared: float | None = getattr(self, self.compared_by)
            return compared
        scores = (self.accuracy, self.micro_f1, self.f1, self.spearman)
        return next((score for score in scores if score is not None), None)

    @property
    def name(self) -> str:
        """Title of the primary score in tables."""
        known = [name for name in ("accuracy", "micro_f1", "f1", "spearman") if getattr(self, name) is not None]
        return SCORE_TITLES[self.compared_by or [*known, "accuracy"][0]]

    @property
    def second(self) -> tuple[str, float | None]:
        """Name and value of the secondary score."""
        if self.spearman is not None:
            return "Pearson", self.pearson
        if self.f1 is not None and self.accuracy is None:
            return ("exact", self.exact) if self.exact is not None else ("precision", self.precision)
        return "macro F1", self.macro_f1

    def __post_init__(self) -> None:
        if self.confusion and {len(row) for row in self.confusion} != {len(self.confusion)}:
            raise ValueError("confusion: is not a square table")
