"""What a stage minimises, put together from the terms in `losses`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import ops

from mobilebert_tf.models import ClassificationModel, PretrainingModel
from mobilebert_tf.training.loop import Objective
from mobilebert_tf.transfer import losses
from mobilebert_tf.transfer.strategies import EMBEDDINGS, StagePlan, TransferOptions


def pretraining(model: PretrainingModel) -> Objective:
    """Masked words + next sentence, with dropout: how a teacher is made. BERT §3.1."""

    def objective(batch: Mapping[str, Any]) -> dict[str, Any]:
        terms = prediction_terms(model(batch, training=True), batch)
        return {"loss": terms["masked_word_loss"] + terms["next_sentence_loss"], **terms}

    return objective


def classification(model: ClassificationModel) -> Objective:
    """Cross-entropy of the label, with dropout: fine-tuning."""

    def objective(batch: Mapping[str, Any]) -> dict[str, Any]:
        logits = model(batch, training=True)
        return {"loss": losses.classes(logits, batch["label"]), "accuracy": _accuracy(logits, batch["label"])}

    return objective


def transfer(
    teacher: PretrainingModel, student: PretrainingModel, stage: StagePlan, options: TransferOptions
) -> Objective:
    """The loss of one stage of a transfer plan.

    Neither side drops anything out: the student is to imitate a function, not a noisy
    sample of it. Blocks above the last compared one are computed only if the heads
    are asked for; gradients stop where the loop watches no variable, so a frozen prefix
    costs a forward pass.
    """

    def objective(batch: Mapping[str, Any]) -> dict[str, Any]:
        if stage.predicts:
            given = student(batch, training=False)
            asked = stage.pairs or options.ground_truth_ratio < 1.0
            wanted = teacher(batch, training=False) if asked else {}
        else:
            ours, theirs = (max(depths) + 1 for depths in zip(*stage.pairs, strict=True))
            wanted = teacher.encoder(batch, training=False, num_layers=theirs)
            given = student.encoder(batch, training=False, num_layers=ours)
        loss: Any = 0.0
        terms: dict[str, Any] = {}
        if stage.pairs:
            terms = _layer_terms(wanted, given, batch["input_mask"], stage, options)
            loss = sum(weight * terms[name] for name, weight in options.compared.items()) / len(stage.pairs)
        if stage.predicts:
            true = options.ground_truth_ratio
            terms |= prediction_terms(given, batch)
            loss += true * terms["masked_word_loss"] + terms["next_sentence_loss"]
            if true < 1.0:
                terms["distillation"] = losses.masked_words_distilled(
                    ops.stop_gradient(wanted["masked_word_logits"]),
                    given["masked_word_logits"],
                    batch["masked_lm_weights"],
                    options.temperature,
                )
                loss += (1.0 - true) * terms["distillation"]
        return {"loss": loss, **terms}

    return objective


def prediction_terms(outputs: Mapping[str, Any], batch: Mapping[str, Any]) -> dict[str, Any]:
    """Losses and accuracies of the two heads."""
    words, weights = batch["masked_lm_ids"], batch["masked_lm_weights"]
    logits, sentence_logits = outputs["masked_word_logits"], outputs["next_sentence_logits"]
    return {
        "masked_word_loss": losses.masked_words(logits, words, weights),
        "masked_word_accuracy": losses.masked_mean(_right(logits, words), weights),
        "next_sentence_loss": losses.classes(sentence_logits, batch["next_sentence_labels"]),
        "next_sentence_accuracy": _accuracy(sentence_logits, batch["next_sentence_labels"]),
    }


def _layer_terms(
    wanted: Mapping[str, Any], given: Mapping[str, Any], mask: Any, stage: StagePlan, options: TransferOptions
) -> dict[str, Any]:
    """Transfer terms summed over the compared layers, those that count."""
    totals: dict[str, Any] = dict.fromkeys(options.compared, 0.0)
    for ours, theirs in stage.pairs:
        maps = (ops.stop_gradient(wanted["feature_maps"][theirs + 1]), given["feature_maps"][ours + 1], mask)
        for name in totals:
            if name != "attention":
                totals[name] += getattr(losses, name)(*maps)
            elif ours != EMBEDDINGS:
                scores = ops.stop_gradient(wanted["attention_scores"][theirs]), given["attention_scores"][ours]
                totals[name] += losses.attention(*scores, mask)
    return totals


def _right(logits: Any, labels: Any) -> Any:
    return ops.cast(ops.equal(ops.argmax(logits, axis=-1), ops.cast(labels, "int32")), "float32")


def _accuracy(logits: Any, labels: Any) -> Any:
    return ops.mean(_right(logits, labels))
