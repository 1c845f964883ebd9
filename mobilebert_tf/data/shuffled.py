"""Batches of a data set in memory, in an order that depends on the seed and the step alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

LENGTH_STEP = 16
"""Batches are cut to their longest example, rounded up to this many pieces: short
sentences cost what they need, and the number of different shapes stays small."""


def shuffled_batches(
    features: Mapping[str, np.ndarray], batch_size: int, seed: int, start_step: int = 0
) -> tf.data.Dataset:
    """Endless batches of features [n, ...], a new order each epoch, beginning at `start_step`.

    Batch i holds the examples i * batch_size ... of the concatenated epochs, so a
    restarted run sees what an undisturbed one would have.
    """
    count = len(features["input_ids"])
    lengths = features["input_mask"].sum(axis=1)
    tensors = {name: tf.constant(values) for name, values in features.items()}
    sequences = ("input_ids", "input_mask", "segment_ids")

    def rows():
        position = start_step * batch_size
        order, epoch = np.array([], np.int64), position // count
        position %= count
        while True:
            while len(order) < position + batch_size:
                order = np.concatenate([order, np.random.default_rng((seed, epoch)).permutation(count)])
                epoch += 1
            picked, order, position = order[position : position + batch_size], order[position + batch_size :], 0
            width = tensors["input_ids"].shape[1]
            yield picked, min(int(-(-lengths[picked].max() // LENGTH_STEP) * LENGTH_STEP), width)

    def batch(picked: tf.Tensor, length: tf.Tensor) -> dict[str, tf.Tensor]:
        taken = {name: tf.gather(values, picked) for name, values in tensors.items()}
        return taken | {name: taken[name][:, :length] for name in sequences}

    signature = (tf.TensorSpec([batch_size], tf.int64), tf.TensorSpec([], tf.int32))
    return tf.data.Dataset.from_generator(rows, output_signature=signature).map(batch).prefetch(2)
