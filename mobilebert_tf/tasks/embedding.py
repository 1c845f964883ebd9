"""Sentence embeddings: a vector for each text; products of vectors measure the similarity of texts."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from mobilebert_tf.config import Heads
from mobilebert_tf.errors import FailedError
from mobilebert_tf.tasks import examples as texts
from mobilebert_tf.tasks import metrics
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.regression import number
from mobilebert_tf.tasks.task import Features, Outputs, Scores, Task, without_numbers
from mobilebert_tf.tokenization import Tokenizer

ALIKE = 1e-4
"""Greatest difference of vectors' components below which the vectors of different texts count as the same."""


@dataclasses.dataclass(frozen=True)
class EmbeddingTask(Task):
    """The mean of the last feature map over real tokens, at unit length, as in sentence-transformers.

    Each side of a pair of texts is a row of the network's inputs: example i has rows 2i and 2i + 1.
    """

    name: ClassVar[str] = "embedding"
    outputs: ClassVar[tuple[str, ...]] = ("embedding",)
    score_name: ClassVar[str] = "spearman"
    agreement_name: ClassVar[str] = "cosine"
    answer_kind: ClassVar[str] = "vector"

    @property
    def heads(self) -> Heads:
        return Heads()

    def read(self, path: str | os.PathLike[str], labelled: bool = True, every_row: bool = False) -> list[Example]:
        columns = [self.text_column, *filter(None, [self.text_pair_column])]
        label = self.label_column if labelled and self.text_pair_column else None
        return texts.read_examples(path, columns, label, number, every_row, header=self.header)

    @property
    def judges_pairs(self) -> bool:
        return False

    def inputs(self, examples: Sequence[Example]) -> list[Example]:
        return [Example(side) for e in examples for side in (e.text, e.text_pair) if side is not None]

    def features(self, examples: Sequence[Example], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
        features = texts.encode(self.inputs(examples), tokenizer, self.max_seq_length)
        sides = 2 if self.text_pair_column else 1
        features["row_example"] = np.repeat(np.arange(len(examples)), sides)
        return features | texts.labels_of(examples, np.float32)

    def decode(self, outputs: Outputs, features: Features) -> list[dict[str, Any]]:
        """The vector of each text; for pairs, the cosine of their two vectors."""
        vectors = outputs["embedding"]
        if self.text_pair_column:
            return [{"cosine": float(cosine)} for cosine in _cosines(vectors)]
        return [{"embedding": [float(value) for value in row]} for row in vectors]

    def score(self, outputs: Outputs, features: Features) -> Scores:
        """Correlation of the cosines of pairs with the similarities that people gave them."""
        cosines = _cosines(outputs["embedding"])
        figures = {"examples": int(len(cosines)), **metrics.correlations(cosines, features["label"])}
        pairs = np.stack([cosines, features["label"]], axis=1)
        return Scores(self.score_name, figures, pairs, metrics.rank_correlation)

    def agreement(self, reference: Outputs, candidate: Outputs, features: Features) -> np.ndarray:
        """Cosine of the two networks' vectors of each text; negative cosines count as zero."""
        with np.errstate(invalid="ignore"):
            cosine = (reference["embedding"] * candidate["embedding"]).sum(axis=1, dtype=np.float64)
        return np.where(without_numbers(candidate), 0.0, np.clip(cosine, 0.0, 1.0))


def check_vectors(vectors: np.ndarray, ids: np.ndarray, source: str | os.PathLike[str]) -> None:
    """Check the vectors [R, H] of texts with these ids [R, T].

    Raises:
      FailedError: a vector is not finite or not of unit length, or all are the same.
    """
    if fault := vector_fault(vectors, ids):
        raise FailedError(f"{source}: {fault}; train it again, or export it again")


def vector_fault(vectors: np.ndarray, ids: np.ndarray) -> str | None:
    """The fault of the vectors [R, H] of texts with these ids [R, T]; None if there is none."""
    _, different = np.unique(ids, axis=0, return_index=True)
    vectors = vectors[different]
    broken = int((~np.isfinite(vectors)).any(axis=1).sum())
    if broken:
        return f"gives vectors that are NaN or infinite for {broken} of {len(vectors)} texts"
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    if (np.abs(lengths - 1.0) > 1e-2).any():
        return f"gives vectors whose length is not one but {lengths[np.abs(lengths - 1.0).argmax()]:.3g}"
    if len(vectors) > 1 and np.abs(vectors - vectors[0]).max() < ALIKE:
        return f"gives the same vector for {len(vectors)} texts"
    return None


def _cosines(vectors: np.ndarray) -> np.ndarray:
    """Cosines of pairs whose vectors are successive rows [2n, H], float64 [n]."""
    return (vectors[0::2].astype(np.float64) * vectors[1::2]).sum(axis=1)
