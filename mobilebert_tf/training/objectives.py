"""What fine-tuning minimises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from keras import ops

from mobilebert_tf.training.loop import Objective
from mobilebert_tf.transfer import losses

Predict = Callable[[Mapping[str, Any]], Any]
"""Batch -> what the network makes of it."""


def classes(predict: Predict) -> Objective:
    """Cross-entropy of the label in logits [B, C]; with the share of the batch that is right."""

    def objective(batch: Mapping[str, Any]) -> dict[str, Any]:
        logits, label = predict(batch), batch["label"]
        right = ops.equal(ops.argmax(logits, axis=-1), ops.cast(label, "int32"))
        return {"loss": losses.classes(logits, label), "accuracy": ops.mean(ops.cast(right, "float32"))}

    return objective


def labels(predict: Predict) -> Objective:
    """Mean binary cross-entropy of every label in logits [B, C], labels [B, C] of 0 and 1."""

    def objective(batch: Mapping[str, Any]) -> dict[str, Any]:
        logits = ops.cast(predict(batch), "float32")
        wanted = ops.cast(batch["label"], "float32")
        # log(1 + exp(x)) - x y, in the form that does not overflow.
        loss = ops.maximum(logits, 0.0) - logits * wanted + ops.log1p(ops.exp(-ops.abs(logits)))
        right = ops.equal(logits >= 0.0, wanted > 0.5)
        return {"loss": ops.mean(loss), "accuracy": ops.mean(ops.cast(right, "float32"))}

    return objective


def squared_error(predict: Predict, offset: float, scale: float) -> Objective:
    """Mean square of scores [B, 1] less (label - offset) / scale; with its root in the label's unit."""

    def objective(batch: Mapping[str, Any]) -> dict[str, Any]:
        wanted = (ops.cast(batch["label"], "float32") - offset) / scale
        square = ops.mean(ops.square(ops.cast(predict(batch), "float32")[:, 0] - wanted))
        return {"loss": square, "root_mean_square_error": scale * ops.sqrt(square)}

    return objective
