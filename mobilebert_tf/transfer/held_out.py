"""Measurements of a model, and of its distance from the teacher, on text that no stage trains on."""

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
"""Most held-out examples that are read for a score."""

GLANCE = 512
"""Most held-out examples that are read for a measurement during training."""

_BATCH = 32


@dataclasses.dataclass(frozen=True)
class Compared:
    """The terms that are measured for each pair of layers, and the text they are measured on."""

    names: tuple[str, ...]
    relation_heads: int = 1
    whole_text: bool = False
    """Whether no word of the text is masked."""

    @classmethod
    def of(cls, plan: Sequence[StagePlan]) -> Compared:
        """Feature maps, and the other `MEASURED` terms that a stage uses; words are masked if any stage masks them."""
        used = {name for stage in plan for name, _ in stage.losses}
        names = tuple(name for name in MEASURED if name in used | set(ALWAYS_COMPARED.names))
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
    """A function that measures `model` in its state at the time of the call, without dropout.

    It returns losses (nats) and accuracies of the heads if the model has both. With a teacher it adds
    `distillation` (KL of the masked words, nats), `teacher_agreement` (share of masked words whose most likely
    word is the same for both) and, for each layer, from 1, the `compared` terms against the teacher's layer that
    `taught_by` names: `layer_3/feature_map`.
    """
    pairs = tuple(enumerate(taught_by))
    predicts = {"masked_words", "next_sentence"} <= set(model.heads.present)

    def terms(batch: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        student_outputs = model(batch, training=False)
        teacher_outputs = teacher(batch, training=False) if teacher else {}
        result = dict(prediction_terms(student_outputs, batch)) if predicts else {}
        if predicts and teacher:
            result["distillation"] = distillation_term(teacher_outputs, student_outputs, batch)
            result["teacher_agreement"] = _agreement(teacher_outputs, student_outputs, batch["masked_lm_weights"])
        return result | by_name(compared.terms(teacher_outputs, student_outputs, batch["input_mask"], pairs))

    traced: Any = None

    def measure() -> dict[str, float]:
        nonlocal traced
        rows, counts = [], []
        batches = one_pass(records, _BATCH, examples, compared.whole_text)
        # Traced for the dataset's specification: the last batch is smaller and would else cause a second trace.
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
    """Statistics of every feature map, the embeddings' first.

    Each has the mean and the deviation over channels, averaged over real tokens, in teacher and student, and the
    `compared` terms between the two.
    """
    pairs = ((EMBEDDINGS, EMBEDDINGS), *enumerate(taught_by))
    batch = next(iter(one_pass(records, 4 * _BATCH, whole_text=compared.whole_text)))
    teacher_outputs, student_outputs = teacher.encoder(batch, training=False), student.encoder(batch, training=False)
    terms = compared.terms(teacher_outputs, student_outputs, batch["input_mask"], pairs)
    real = batch["input_mask"].numpy().astype(bool)
    return [
        {
            "layer": student_layer + 1,
            "teacher": _moments(teacher_outputs["feature_maps"][teacher_layer + 1], real),
            "student": _moments(student_outputs["feature_maps"][student_layer + 1], real),
            **{name: float(value) for name, value in terms[student_layer].items()},
        }
        for student_layer, teacher_layer in pairs
    ]


def show(metrics: Mapping[str, float]) -> str:
    """One line that shows a measurement of a model with heads."""
    line = (
        f"masked words {metrics['masked_word_accuracy']:.1%} right (loss {metrics['masked_word_loss']:.3f}), "
        f"next sentence {metrics['next_sentence_accuracy']:.1%}"
    )
    if "teacher_agreement" in metrics:
        line += f", {metrics['teacher_agreement']:.1%} agreement with the teacher (KL {metrics['distillation']:.3f})"
    return line


def _agreement(wanted: Mapping[str, Any], given: Mapping[str, Any], weights: tf.Tensor) -> tf.Tensor:
    student, teacher = (tf.argmax(outputs["masked_word_logits"], axis=-1) for outputs in (given, wanted))
    return tf.reduce_sum(tf.cast(student == teacher, tf.float32) * weights) / tf.maximum(tf.reduce_sum(weights), 1.0)


def _counts(batch: Mapping[str, tf.Tensor]) -> dict[str, float]:
    """Numbers of words, tokens and examples in a batch: the weights of its means."""
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
