"""The terms of transfer and distillation as one table.

A new term of a layer is a function in `losses` and an entry in `LAYER_TERMS`. Nothing here imports
TensorFlow: the printed plan and the report read the table too.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Term:
    """One term of a stage's loss; its name is the function's in `losses`, and the log's."""

    short: str
    """In the printed plan."""
    weight: float = 0.0
    """By default; 0 leaves it out."""


@dataclasses.dataclass(frozen=True)
class LayerTerm(Term):
    """A term that compares a layer of the student with a layer of the teacher."""

    of: str = "feature_maps"
    """The encoder's output that it compares."""
    title: str = ""
    """Of its picture; empty where it has none and is not measured on held-out text."""
    head_counts: bool = False
    """Whether teacher and student need equally many attention heads for it."""

    @property
    def of_blocks(self) -> bool:
        """Whether it compares what is inside a block, which the embeddings do not have."""
        return self.of != "feature_maps"


# Weights: Google's release; the paper gives none. Relations are for pairs that attention cannot compare.
LAYER_TERMS: dict[str, LayerTerm] = {
    "feature_map": LayerTerm("FMT", 100.0, title="feature maps: normalised squared error"),
    "feature_map_mean": LayerTerm("mean", 5000.0),
    "feature_map_variance": LayerTerm("variance", 5.0),
    "attention": LayerTerm(
        "AT", 1.0, of="attention_scores", title="attention: KL(teacher ‖ student), nats", head_counts=True
    ),
    "relations": LayerTerm(
        "RT", of="queries_keys_values", title="relations: KL(teacher ‖ student), nats, queries + keys + values"
    ),
}

WORD_TERMS: dict[str, Term] = {"masked_words": Term("MLM"), "distillation": Term("KD"), "next_sentence": Term("NSP")}

TERMS: dict[str, Term] = {**LAYER_TERMS, **WORD_TERMS}

MEASURED = {name: term.title for name, term in LAYER_TERMS.items() if term.title}
"""Terms that are measured layer by layer on held-out text, with the titles of their pictures."""
