"""Logits of a Keras model over any number of examples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import keras
import numpy as np
import tensorflow as tf

from mobilebert_tf.data.progress import track


def keras_logits(
    model: keras.Model, features: Mapping[str, np.ndarray], batch_size: int = 32, show_progress: bool = False
) -> np.ndarray:
    """float32 [n, C]: the model's logits for `input_ids`, `input_mask`, `segment_ids` [n, T].

    The last batch is filled up with copies of its first row, so that one traced graph
    serves all batches.
    """
    inputs = {name: values for name, values in features.items() if name != "label"}
    count = len(inputs["input_ids"])
    size = min(batch_size, count)

    @tf.function(autograph=False)
    def logits(batch: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return tf.cast(model(batch, training=False), tf.float32)

    starts: Iterable[int] = range(0, count, size)
    if show_progress:
        starts = track(starts, "running Keras", "batches", len(range(0, count, size)))
    rows = []
    for start in starts:
        batch = {name: values[start : start + size] for name, values in inputs.items()}
        real = len(batch["input_ids"])
        full = {name: np.concatenate([b, np.repeat(b[:1], size - real, axis=0)]) for name, b in batch.items()}
        rows.append(logits(full).numpy()[:real])
    return np.concatenate(rows)
