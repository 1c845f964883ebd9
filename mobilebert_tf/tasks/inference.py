"""Logits of a Keras model over any number of examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from mobilebert_tf.data.progress import track

if TYPE_CHECKING:
    from mobilebert_tf.tasks.classification import ClassificationTask
    from mobilebert_tf.training.loop import Measurement

GLANCE = 512
"""Largest number of rows that are scored while training goes on."""


def keras_logits(
    model: keras.Model, features: Mapping[str, np.ndarray], batch_size: int = 32, show_progress: bool = False
) -> np.ndarray:
    """float32 [n, C]: the model's logits for `input_ids`, `input_mask`, `segment_ids` [n, T].

    The last batch is filled up with copies of its first row, so that one traced graph
    serves all batches.
    """
    return _logits(_traced(model), features, batch_size, show_progress)


def measurement(model: keras.Model, task: ClassificationTask, features: Mapping[str, np.ndarray]) -> Measurement:
    """Accuracy and loss of `model` as it is when asked, on at most GLANCE of the labelled rows, taken evenly.

    Padding that none of them needs is left out.
    """
    glance = glance_at(features)
    longest = int(glance["input_mask"].sum(axis=1).max())
    cropped = {name: values if name == "label" else values[:, :longest] for name, values in glance.items()}
    traced = _traced(model)

    def measure() -> dict[str, float]:
        return short_metrics(task, _logits(traced, cropped), cropped["label"])

    return measure


def glance_at(features: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """At most GLANCE of the rows, taken evenly."""
    count = len(features["input_ids"])
    rows = np.linspace(0, count - 1, min(count, GLANCE)).round().astype(int)
    return {name: values[rows] for name, values in features.items()}


def short_metrics(task: ClassificationTask, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Those of the task's metrics that a curve is drawn of."""
    metrics = task.metrics(logits, labels)
    return {name: metrics[name] for name in ("accuracy", "loss")}


def _traced(model: keras.Model) -> Callable[[Mapping[str, Any]], tf.Tensor]:
    @tf.function(autograph=False)
    def logits(batch: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return tf.cast(model(batch, training=False), tf.float32)

    return logits


def _logits(
    traced: Callable[[Mapping[str, Any]], tf.Tensor],
    features: Mapping[str, np.ndarray],
    batch_size: int = 32,
    show_progress: bool = False,
) -> np.ndarray:
    inputs = {name: values for name, values in features.items() if name != "label"}
    count = len(inputs["input_ids"])
    size = min(batch_size, count)

    starts: Iterable[int] = range(0, count, size)
    if show_progress:
        starts = track(starts, "running Keras", "batches", len(range(0, count, size)))
    rows = []
    for start in starts:
        batch = {name: values[start : start + size] for name, values in inputs.items()}
        real = len(batch["input_ids"])
        full = {name: np.concatenate([b, np.repeat(b[:1], size - real, axis=0)]) for name, b in batch.items()}
        rows.append(traced(full).numpy()[:real])
    return np.concatenate(rows)
