"""Figures of a held-out set, as metrics.json and report.json have them."""

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
"""What tables and pictures call a primary score, by its name among the figures."""


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
        """What tables call the primary score."""
        there = (name for name in ("accuracy", "micro_f1", "f1", "spearman") if getattr(self, name) is not None)
        return SCORE_TITLES[self.compared_by or next(there, "accuracy")]

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
