"""The loss that each stage minimises, composed of the terms in `losses`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from mobilebert_tf.models import PretrainingModel
from mobilebert_tf.training.loop import Objective
from mobilebert_tf.training.losses import classes
from mobilebert_tf.training.replicas import mean_over_replicas
from mobilebert_tf.transfer import losses
from mobilebert_tf.transfer.strategies import EMBEDDINGS, StagePlan
from mobilebert_tf.transfer.terms import LAYER_TERMS, MEASURED


def pretraining(model: PretrainingModel) -> Objective:
    """The pre-training loss of a teacher: masked words + next sentence, with dropout. BERT §3.1."""

    def objective(batch: Mapping[str, Any]) -> dict[str, Any]:
        terms = prediction_terms(model(batch, training=True), batch)
        return {"loss": terms["masked_word_loss"] + terms["next_sentence_loss"], **terms}

    return objective


def transfer(teacher: PretrainingModel, student: PretrainingModel, stage: StagePlan) -> Objective:
    """The loss of one stage of a transfer plan.

    Both networks run without dropout: the student imitates a function, not a noisy
    sample of it. Blocks above the last compared one are computed only if the losses need
    the heads. Gradients stop where the loop watches no variable, so frozen lower layers
    cost only a forward pass.
    """
    weights = dict(stage.losses)

    def objective(batch: Mapping[str, Any]) -> dict[str, Any]:
        teacher_outputs, student_outputs = _outputs(teacher, student, stage, batch)
        loss: Any = 0.0
        terms: dict[str, Any] = {}
        if stage.pairs:
            compared = [name for name in LAYER_TERMS if name in weights]
            by_layer = layer_terms(
                teacher_outputs, student_outputs, batch["input_mask"], stage.pairs, compared, stage.relation_heads
            )
            terms = {name: sum(layer.get(name, 0.0) for layer in by_layer.values()) for name in compared}
            loss = sum(weights[name] * terms[name] for name in compared) / len(stage.pairs)
            if len(stage.pairs) > 1:
                terms |= by_name(by_layer)
        if stage.predicts:
            terms |= prediction_terms(student_outputs, batch)
            loss += weights.get("masked_words", 0.0) * terms["masked_word_loss"]
            loss += weights.get("next_sentence", 0.0) * terms["next_sentence_loss"]
        if "distillation" in weights:
            terms["distillation"] = distillation_term(teacher_outputs, student_outputs, batch, stage.temperature)
            loss += weights["distillation"] * terms["distillation"]
        return {"loss": loss, **terms}

    return objective


def _outputs(
    teacher: PretrainingModel, student: PretrainingModel, stage: StagePlan, batch: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The outputs of teacher and student for a batch, computed only as far up as the stage needs them."""
    if not stage.predicts:
        student_depth, teacher_depth = (max(depths) + 1 for depths in zip(*stage.pairs, strict=True))
        return (
            teacher.encoder(batch, training=False, num_layers=teacher_depth),
            student.encoder(batch, training=False, num_layers=student_depth),
        )
    needs_teacher = stage.pairs or "distillation" in dict(stage.losses)
    return (teacher(batch, training=False) if needs_teacher else {}), student(batch, training=False)


def prediction_terms(outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> dict[str, Any]:
    """Losses and accuracies of the two heads."""
    words, weights = batch["masked_lm_ids"], batch["masked_lm_weights"]
    logits, sentence_logits = outputs["masked_word_logits"], outputs["next_sentence_logits"]
    total = _count(weights)
    return {
        "masked_word_loss": losses.masked_words(logits, words, weights, total),
        "masked_word_accuracy": losses.masked_mean(_right(logits, words), weights, total),
        "next_sentence_loss": classes(sentence_logits, batch["next_sentence_labels"]),
        "next_sentence_accuracy": _accuracy(sentence_logits, batch["next_sentence_labels"]),
    }


def distillation_term(
    wanted: Mapping[str, Any], given: Mapping[str, Any], batch: Mapping[str, Any], temperature: float = 1.0
) -> Any:
    """The distillation loss: divergence of the student's masked words (`given`) from the teacher's (`wanted`)."""
    weights = batch["masked_lm_weights"]
    logits = ops.stop_gradient(wanted["masked_word_logits"]), given["masked_word_logits"]
    return losses.masked_words_distilled(*logits, weights, temperature, _count(weights))


def layer_terms(
    wanted: Mapping[str, Any],
    given: Mapping[str, Any],
    mask: Any,
    pairs: Sequence[tuple[int, int]],
    names: Sequence[str],
    relation_heads: int = 1,
) -> dict[int, dict[str, Any]]:
    """The terms named in `names` for each pair of layers, by the student's layer.

    `wanted`, `given`: outputs of the teacher's and the student's encoder.
    """
    total = _count(mask)
    by_layer: dict[int, dict[str, Any]] = {}
    for student_layer, teacher_layer in pairs:
        # Feature map 0 is the embeddings' output, so that of block i is i + 1.
        maps = ops.stop_gradient(wanted["feature_maps"][teacher_layer + 1]), given["feature_maps"][student_layer + 1]
        channels = [losses.Channels(feature_map) for feature_map in maps]
        by_layer[student_layer] = {}
        for name in names:
            of, options = LAYER_TERMS[name].of, {"heads": relation_heads} if name == "relations" else {}
            if not LAYER_TERMS[name].of_blocks:
                by_layer[student_layer][name] = getattr(losses, name)(*channels, mask, total)
            elif student_layer != EMBEDDINGS:
                sides = keras.tree.map_structure(ops.stop_gradient, wanted[of][teacher_layer]), given[of][student_layer]
                by_layer[student_layer][name] = getattr(losses, name)(*sides, mask, total, **options)
    return by_layer


def by_name(by_layer: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """The terms that are logged for each layer, under their names in the log: "layer_3/attention"."""
    return {
        f"layer_{layer + 1}/{name}": terms[name]
        for layer, terms in by_layer.items()
        for name in MEASURED
        if name in terms
    }


def _count(mask: Any) -> Any:
    """Number of ones in the mask, averaged over the replicas that share the batch; at least 1."""
    return ops.maximum(mean_over_replicas(ops.sum(ops.cast(mask, "float32"))), 1.0)


def _right(logits: Any, labels: Any) -> Any:
    return ops.cast(ops.equal(ops.argmax(logits, axis=-1), ops.cast(labels, "int32")), "float32")


def _accuracy(logits: Any, labels: Any) -> Any:
    return ops.mean(_right(logits, labels))
