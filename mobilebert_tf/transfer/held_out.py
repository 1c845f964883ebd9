"""How a model does on text that no stage trains on, and how near it is to its teacher there."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mobilebert_tf.data.pretraining_input import RecordSet, one_pass
from mobilebert_tf.models import PretrainingModel
from mobilebert_tf.training.loop import Measurement
from mobilebert_tf.transfer.objectives import by_name, distillation_term, layer_terms, prediction_terms
from mobilebert_tf.transfer.strategies import EMBEDDINGS, StagePlan
from mobilebert_tf.transfer.terms import MEASURED

MOST_EXAMPLES = 2048
"""How many held-out examples are read at most for a score."""

GLANCE = 512
"""And while training goes on."""

_BATCH = 32


@dataclasses.dataclass(frozen=True)
class Compared:
    """The terms that are measured of each pair of layers, and on which text."""

    names: tuple[str, ...]
    relation_heads: int = 1
    whole_text: bool = False
    """Without hidden words."""

    @classmethod
    def of(cls, plan: Sequence[StagePlan]) -> Compared:
        """Feature maps always, the others if a stage asks for them; hidden words if any stage hides them."""
        asked = {name for stage in plan for name, _ in stage.losses}
        names = tuple(name for name in MEASURED if name in asked | set(ALWAYS_COMPARED.names))
        return cls(names, max(stage.relation_heads for stage in plan), all(stage.whole_text for stage in plan))

    def terms(
        self, wanted: Mapping[str, Any], given: Mapping[str, Any], mask: Any, pairs: Sequence[tuple[int, int]]
    ) -> dict[int, dict[str, Any]]:
        return layer_terms(wanted, given, mask, pairs, self.names, self.relation_heads)


ALWAYS_COMPARED = Compared(("feature_map",))


def measurement(
    model: PretrainingModel,
    records: RecordSet,
    teacher: PretrainingModel | None = None,
    taught_by: Sequence[int] = (),
    compared: Compared = ALWAYS_COMPARED,
    examples: int = MOST_EXAMPLES,
) -> Measurement:
    """A function that measures `model` as it is when called, without dropout.

    Its scalars: losses (nats) and accuracies of the heads there are. With a teacher also `distillation`
    (KL of the masked words, nats), `teacher_agreement` (share of masked words where both first choices are
    the same), and for each layer, from 1, the `compared` terms against the teacher's layer that `taught_by`
    names: `layer_3/feature_map`.
    """
    pairs = tuple(enumerate(taught_by))
    compares = {"masked_words", "next_sentence"} <= set(model.heads.present)

    def terms(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        given = model(batch, training=False)
        wanted = teacher(batch, training=False) if teacher else {}
        result = dict(prediction_terms(given, batch)) if compares else {}
        if compares and teacher:
            result["distillation"] = distillation_term(wanted, given, batch)
            result["teacher_agreement"] = _agreement(wanted, given, batch["masked_lm_weights"])
        return result | by_name(compared.terms(wanted, given, batch["input_mask"], pairs))

    traced: Any = None

    def measure() -> dict[str, float]:
        nonlocal traced
        rows, counts = [], []
        batches = one_pass(records, _BATCH, examples, compared.whole_text)
        # By its specification, since the last batch is smaller and would be traced for itself.
        traced = traced or tf.function(terms, input_signature=[batches.element_spec], autograph=False)
        for batch in batches:
            rows.append({name: float(value) for name, value in traced(batch).items()})
            counts.append(_counts(batch))
        return {
            name: float(np.average([row[name] for row in rows], weights=[count[_unit(name)] for count in counts]))
            for name in rows[0]
        }

    return measure


def layer_statistics(
    teacher: PretrainingModel,
    student: PretrainingModel,
    records: RecordSet,
    taught_by: Sequence[int],
    compared: Compared,
) -> list[dict[str, Any]]:
    """Of every feature map, the embeddings' first: its mean and deviation over channels, averaged over real
    tokens, in teacher and student, and the `compared` terms between the two."""
    pairs = ((EMBEDDINGS, EMBEDDINGS), *enumerate(taught_by))
    batch = next(iter(one_pass(records, 4 * _BATCH, whole_text=compared.whole_text)))
    wanted, given = teacher.encoder(batch, training=False), student.encoder(batch, training=False)
    terms = compared.terms(wanted, given, batch["input_mask"], pairs)
    real = batch["input_mask"].numpy().astype(bool)
    return [
        {
            "layer": ours + 1,
            "teacher": _moments(wanted["feature_maps"][theirs + 1], real),
            "student": _moments(given["feature_maps"][ours + 1], real),
            **{name: float(value) for name, value in terms[ours].items()},
        }
        for ours, theirs in pairs
    ]


def show(metrics: Mapping[str, float]) -> str:
    """One line of a measurement of a model with heads."""
    line = (
        f"masked words {metrics['masked_word_accuracy']:.1%} right (loss {metrics['masked_word_loss']:.3f}), "
        f"next sentence {metrics['next_sentence_accuracy']:.1%}"
    )
    if "teacher_agreement" in metrics:
        line += f", {metrics['teacher_agreement']:.1%} as the teacher (KL {metrics['distillation']:.3f})"
    return line


def _agreement(wanted: Mapping[str, Any], given: Mapping[str, Any], weights: tf.Tensor) -> tf.Tensor:
    ours, theirs = (tf.argmax(outputs["masked_word_logits"], axis=-1) for outputs in (given, wanted))
    return tf.reduce_sum(tf.cast(ours == theirs, tf.float32) * weights) / tf.maximum(tf.reduce_sum(weights), 1.0)


def _counts(batch: Mapping[str, tf.Tensor]) -> dict[str, float]:
    """What the means of a batch are means of; batches differ in it."""
    return {
        "words": float(tf.reduce_sum(batch["masked_lm_weights"])),
        "tokens": float(tf.reduce_sum(batch["input_mask"])),
        "examples": float(batch["input_ids"].shape[0]),
    }


def _unit(name: str) -> str:
    if name.startswith("layer_"):
        return "tokens"
    return "examples" if name.startswith("next_sentence") else "words"


def _moments(feature_map: Any, real: np.ndarray) -> dict[str, float]:
    x = np.asarray(feature_map, np.float32)[real]
    return {"mean": float(x.mean()), "deviation": float(x.std(axis=-1).mean())}
