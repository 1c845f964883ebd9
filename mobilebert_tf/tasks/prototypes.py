"""Classification without training: the class with the nearest mean vector of a few sentences, or none of them.

Source: nearest class means of sentence embeddings, as in prototypical networks (arXiv 1703.05175 §2).
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from mobilebert_tf.data import bad_rows
from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import Finite
from mobilebert_tf.tasks import examples as texts
from mobilebert_tf.tasks import metrics
from mobilebert_tf.tasks.embedding import EmbeddingTask
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.label_spelling import unseen
from mobilebert_tf.tasks.review import Review, review
from mobilebert_tf.tasks.task import NONE, Features, Outputs, Scores, without_numbers
from mobilebert_tf.tokenization import Tokenizer

CANDIDATES = 40
"""Number of thresholds to try; half as many margins are tried."""

ABOVE = 1e-3
"""Distance of the highest threshold to try from the largest cosine: more than a file's rounding."""


@dataclasses.dataclass(frozen=True)
class PrototypesTask(EmbeddingTask):
    """A few sentences per class; each class is kept as their mean vector at unit length."""

    centroids: tuple[tuple[Finite, ...], ...] = ()
    """Mean vectors of the classes, [C][H], in the order of the labels."""
    threshold: Finite = 0.0
    """Minimum cosine with the nearest centroid; below it a text belongs to no class."""
    margin: Finite = 0.0
    """Minimum lead of that cosine over the next centroid's."""

    name: ClassVar[str] = "prototypes"
    score_name: ClassVar[str] = "accuracy"
    agreement_name: ClassVar[str] = "same decision"
    answer_kind: ClassVar[str] = "prototypes"
    has_labels: ClassVar[bool] = True

    def read(self, path: str | os.PathLike[str], labelled: bool = True, every_row: bool = False) -> list[Example]:
        numbers = {label: number for number, label in enumerate((*self.labels, NONE))}

        def number(file: str, line: int, label: str) -> int:
            if label not in numbers:
                whose = "that prototypes were made of"
                raise UsageError(
                    f"{file}, line {line}: {unseen(label, self.labels, whose)}; texts that belong to none of them have "
                    f"the label {NONE!r}; {bad_rows.FIX}"
                )
            return numbers[label]

        return texts.read_examples(
            path, [self.text_column], self.label_column if labelled else None, number, every_row, header=self.header
        )

    def features(self, examples: Sequence[Example], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
        features = texts.encode(examples, tokenizer, self.max_seq_length)
        return features | texts.labels_of(examples, np.int32)

    def decode(self, outputs: Outputs, features: Features) -> list[dict[str, Any]]:
        """The label of each text, NONE if no class is near enough, and its cosines with all classes."""
        cosines = self._cosines(outputs)
        names = (*self.labels, NONE)
        return [
            {
                "label": names[decided],
                "cosine": float(row.max()),
                "cosines": {label: float(cosine) for label, cosine in zip(self.labels, row, strict=True)},
            }
            for decided, row in zip(self._decided(cosines), cosines, strict=True)
        ]

    def score(self, outputs: Outputs, features: Features) -> Scores:
        """Share of right answers, where NONE is right for a text of no class; share of texts that get a class; scores
        by class; and share of texts of no class that are answered with NONE."""
        labels = features["label"]
        decided = self._decided(self._cosines(outputs))
        right = (decided == labels) & ~without_numbers(outputs)
        confusion = np.zeros((len(self.labels) + 1,) * 2, int)
        np.add.at(confusion, (labels, decided), 1)
        counts = np.diag(confusion), confusion.sum(axis=0), confusion.sum(axis=1)
        foreign = labels == len(self.labels)
        figures: dict[str, Any] = {
            "examples": int(len(labels)),
            "accuracy": float(right.mean()),
            "majority_accuracy": float(np.bincount(labels).max() / len(labels)),
            "answered": float((decided < len(self.labels)).mean()),
            "by_class": metrics.by_class(self.labels, *(numbers[:-1] for numbers in counts)),
        }
        if foreign.any():
            figures["none_found"] = float(right[foreign].mean())
        return Scores(self.score_name, figures, right.astype(np.float64))

    def review(self, outputs: Outputs, features: Features, examples: Sequence[Example]) -> Review:
        """Wrong answers by the cosine of the text with the nearest class."""
        cosines, names = self._cosines(outputs), (*self.labels, NONE)
        decided = self._decided(cosines)
        wanted, given = ([names[number] for number in numbers] for numbers in (features["label"], decided))
        wrong = (decided != features["label"]) | without_numbers(outputs)
        return review(examples, wanted, given, cosines.max(axis=1), wrong, "cosine")

    def agreement(self, reference: Outputs, candidate: Outputs, features: Features) -> np.ndarray:
        """One where both decisions are the same."""
        same = self._decided(self._cosines(reference)) == self._decided(self._cosines(candidate))
        return (same & ~without_numbers(candidate)).astype(np.float64)

    def _cosines(self, outputs: Outputs) -> np.ndarray:
        """Cosines [n, C] of the vectors [n, H] with the centroids, float64."""
        return outputs["embedding"].astype(np.float64) @ np.array(self.centroids).T

    def _decided(self, cosines: np.ndarray) -> np.ndarray:
        return decide(cosines, self.threshold, self.margin)


def decide(cosines: np.ndarray, threshold: float, margin: float) -> np.ndarray:
    """The class of each row of cosines [n, C], int [n]; C for none."""
    ordered = np.sort(cosines, axis=1)
    best = ordered[:, -1]
    lead = best - ordered[:, -2] if cosines.shape[1] > 1 else np.full(len(best), np.inf)
    with np.errstate(invalid="ignore"):
        near = (best >= threshold) & (lead >= margin)
    return np.where(near, cosines.argmax(axis=1), cosines.shape[1])


@dataclasses.dataclass(frozen=True)
class Chosen:
    """Bounds for "none of these", and their scores on the examples that they were chosen on."""

    threshold: float
    margin: float
    right: float | None
    """Share of examples that are put into their class by centroids of the other examples; None: each is alone in its
    class."""
    none_found: float
    """Share of examples that are answered with NONE when their whole class is left out."""


def centroids_of(vectors: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Mean vectors of `count` classes at unit length: vectors [n, H], labels [n] -> [C, H]."""
    sums = np.zeros((count, vectors.shape[1]))
    np.add.at(sums, labels, vectors.astype(np.float64))
    return _unit(sums)


def choose_bounds(
    vectors: np.ndarray, labels: np.ndarray, count: int, threshold: float | None = None, margin: float | None = None
) -> Chosen:
    """Threshold and margin, chosen by leaving each example out of its class, and each class out of all classes.

    An example that is alone in its class is not used for the former. The bounds with the highest mean of both shares
    are chosen; of equally good ones the lowest.

    Args:
      vectors: vectors of the examples, [n, H] at unit length.
      labels: their classes, [n].
      count: C, number of classes.
      threshold: fixed threshold; None: chosen.
      margin: fixed margin; None: chosen.
    """
    sums = np.zeros((count, vectors.shape[1]))
    np.add.at(sums, labels, vectors.astype(np.float64))
    sizes = np.bincount(labels, minlength=count)
    # Each example is left out of the centroid of its own class.
    inside = vectors @ _unit(sums).T
    own = _unit(sums[labels] - vectors)
    inside[np.arange(len(labels)), labels] = (own * vectors).sum(axis=1)
    known = sizes[labels] > 1
    # Each example's class is left out: the right answer is then none of the others.
    outside = np.array([np.delete(row, label) for row, label in zip(vectors @ _unit(sums).T, labels, strict=True)])
    thresholds, margins = _candidates(inside[known], outside)
    best: tuple[float, Chosen] | None = None
    for least in thresholds if threshold is None else [threshold]:
        for lead in margins if margin is None else [margin]:
            right = float((decide(inside, least, lead) == labels)[known].mean()) if known.any() else None
            none_found = float((decide(outside, least, lead) == count - 1).mean())
            score = none_found + (none_found if right is None else right)
            if best is None or score > best[0] + 1e-12:
                best = score, Chosen(float(least), float(lead), right, none_found)
    assert best
    return best[1]


def _candidates(inside: np.ndarray, outside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Thresholds and margins to try: no bound, quantiles of the cosines and leads that occur, and a threshold that is
    just above all cosines."""
    nearest = np.concatenate([cosines.max(axis=1) for cosines in (inside, outside) if len(cosines)])
    shares = np.linspace(0, 1, CANDIDATES)
    thresholds = np.concatenate([[-1.0], np.quantile(nearest, shares), [nearest.max() + ABOVE]])
    if outside.shape[1] < 2:
        return thresholds, np.array([0.0])
    leads = np.concatenate([np.diff(np.sort(cosines, axis=1)[:, -2:], axis=1)[:, 0] for cosines in (inside, outside)])
    return thresholds, np.concatenate([[0.0], np.quantile(leads, shares[::2])])


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.maximum(lengths, 1e-12)
