"""The losses that fine-tuning minimises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from keras import ops

from mobilebert_tf.training import losses
from mobilebert_tf.training.loop import Objective
from mobilebert_tf.training.slices import WEIGHT

Predict = Callable[[Mapping[str, Any]], Any]
"""Batch -> outputs of the network."""


def classes(predict: Predict) -> Objective:
    """Mean cross-entropy of the labels [B] by logits [B, C], with the accuracy."""

    def objective(batch: Mapping[str, Any]) -> dict[str, Any]:
        logits, label = predict(batch), batch["label"]
        correct = ops.equal(ops.argmax(logits, axis=-1), ops.cast(label, "int32"))
        return {
            "loss": _mean(losses.cross_entropy(logits, label), batch),
            "accuracy": ops.mean(ops.cast(correct, "float32")),
        }

    return objective


def labels(predict: Predict) -> Objective:
    """Mean binary cross-entropy of every label: logits [B, C], labels [B, C] of 0 and 1."""

    def objective(batch: Mapping[str, Any]) -> dict[str, Any]:
        logits = ops.cast(predict(batch), "float32")
        truth = ops.cast(batch["label"], "float32")
        # log(1 + exp(x)) - x y, in the form that does not overflow.
        loss = ops.maximum(logits, 0.0) - logits * truth + ops.log1p(ops.exp(-ops.abs(logits)))
        correct = ops.equal(logits >= 0.0, truth > 0.5)
        return {"loss": _mean(loss, batch), "accuracy": ops.mean(ops.cast(correct, "float32"))}

    return objective


def span(predict: Predict) -> Objective:
    """Mean cross-entropy of the first and the last word piece: start and end logits [B, T], spans [B, 2].

    Padding is excluded, so the loss does not depend on the padded length of a batch.
    """

    def objective(batch: Mapping[str, Any]) -> dict[str, Any]:
        outputs, spans = predict(batch), ops.cast(batch["span"], "int32")
        padding = 1.0 - ops.cast(batch["input_mask"], "float32")
        logits = [ops.cast(outputs[name], "float32") - PADDING * padding for name in ("start_logits", "end_logits")]
        correct = [ops.equal(ops.argmax(values, axis=-1), spans[:, end]) for end, values in enumerate(logits)]
        likely = [_likelihood(values, spans[:, end]) for end, values in enumerate(logits)]
        return {
            "loss": -0.5 * ops.mean(likely[0] + likely[1]),
            "accuracy": ops.mean(ops.cast(ops.logical_and(*correct), "float32")),
        }

    return objective


def tokens(predict: Predict) -> Objective:
    """Mean cross-entropy of the labels [B, T] by logits [B, T, C], over the labels that are not negative."""

    def objective(batch: Mapping[str, Any]) -> dict[str, Any]:
        logits, label = ops.cast(predict(batch), "float32"), ops.cast(batch["token_label"], "int32")
        counts = ops.cast(label >= 0, "float32")
        known = ops.maximum(label, 0)
        likely = _likelihood(logits, known)
        correct = ops.cast(ops.equal(ops.argmax(logits, axis=-1), known), "float32")
        total = ops.maximum(ops.sum(counts), 1.0)
        figures = {"loss": -ops.sum(likely * counts) / total, "accuracy": ops.sum(correct * counts) / total}
        return {**figures, WEIGHT: ops.sum(counts)}

    return objective


def _likelihood(logits: Any, label: Any) -> Any:
    """Log probability of label [...] by logits [..., C]; C need not be known when the graph is built."""
    return ops.take_along_axis(ops.log_softmax(logits, axis=-1), label[..., None], axis=-1)[..., 0]


PADDING = 1e9
"""Number that is subtracted from the logits of padding."""


def _mean(loss: Any, batch: Mapping[str, Any]) -> Any:
    """Mean of a loss of any shape, multiplied by the weights of the batch, in the same shape, if it has any."""
    return ops.mean(loss * batch["weight"] if "weight" in batch else loss)


def squared_error(predict: Predict, offset: float, scale: float) -> Objective:
    """Mean squared error of scores [B, 1] against (label - offset) / scale, with its root in the label's unit."""

    def objective(batch: Mapping[str, Any]) -> dict[str, Any]:
        target = (ops.cast(batch["label"], "float32") - offset) / scale
        square = ops.mean(ops.square(ops.cast(predict(batch), "float32")[:, 0] - target))
        return {"loss": square, "root_mean_square_error": scale * ops.sqrt(square)}

    return objective


def classes_taught(output: Any, teacher: Any, temperature: float) -> Any:
    """T^2 KL(teacher || student) of the classes: both logits [B, C] divided by T; T^2 keeps the gradient's size."""
    return temperature**2 * ops.mean(losses.kl_divergence(teacher / temperature, output / temperature))


def labels_taught(output: Any, teacher: Any, temperature: float) -> Any:
    """T^2 times the mean KL(teacher || student) of each label on its own: both logits [B, C] divided by T."""
    teacher_logits, student_logits = (ops.cast(logits, "float32") / temperature for logits in (teacher, output))
    # Each label as two classes, yes and no, whose logits differ by the logit of the label.
    both = [ops.stack([logits, ops.zeros_like(logits)], axis=-1) for logits in (teacher_logits, student_logits)]
    return temperature**2 * ops.mean(losses.kl_divergence(*both))


def value_taught(output: Any, teacher: Any) -> Any:
    """Mean squared difference of scores [B, 1]."""
    return ops.mean(ops.square(ops.cast(output, "float32") - ops.cast(teacher, "float32")))


def tokens_taught(output: Any, teacher: Any, temperature: float, label: Any) -> Any:
    """T^2 times the mean KL(teacher || student) of both logits [B, T, C], over tokens whose label [B, T] is known."""
    counts = ops.cast(label >= 0, "float32")
    divergence = losses.kl_divergence(teacher / temperature, output / temperature)
    return temperature**2 * ops.sum(divergence * counts) / ops.maximum(ops.sum(counts), 1.0)


def span_taught(output: Mapping[str, Any], teacher: Mapping[str, Any], temperature: float, mask: Any) -> Any:
    """T^2 times the mean KL(teacher || student) of a span's begin and end: logits [B, T], mask [B, T]."""
    padding = PADDING * (1.0 - ops.cast(mask, "float32"))
    divergences = [
        losses.kl_divergence(
            *(ops.cast(side[name], "float32") / temperature - padding for side in (teacher, output)),
        )
        for name in ("start_logits", "end_logits")
    ]
    return temperature**2 * 0.5 * ops.mean(divergences[0] + divergences[1])
