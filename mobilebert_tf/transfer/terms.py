"""The terms of transfer and distillation as one table.

A new term that compares layers is a function in `losses` and an entry in `LAYER_TERMS`. Nothing here
imports TensorFlow, because the printed plan and the report read the table too.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Term:
    """One term of a stage's loss. One that compares layers has the same name in plans, in `losses` and in the log."""

    short: str
    """Abbreviation in the printed plan."""
    weight: float = 0.0
    """Default weight; 0 leaves the term out."""


@dataclasses.dataclass(frozen=True)
class LayerTerm(Term):
    """A term that compares a layer of the student with a layer of the teacher."""

    of: str = "feature_maps"
    """The encoder's output that it compares."""
    title: str = ""
    """Title of its picture; empty if it has no picture and is not measured on held-out text."""
    head_counts: bool = False
    """Whether teacher and student must have the same number of attention heads."""

    @property
    def of_blocks(self) -> bool:
        """Whether the term compares values from inside a block, which the embeddings do not have."""
        return self.of != "feature_maps"


# The weights are those of Google's release; the paper gives none. Relations are for teachers and students whose
# attention cannot be compared.
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
