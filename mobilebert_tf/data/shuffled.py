"""Batches of a data set in memory, in an order that depends only on the seed and the step."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

_PER_TOKEN = ("teacher_start_logits", "teacher_end_logits", "teacher_token_logits")
SEQUENCES = ("input_ids", "input_mask", "segment_ids", "token_label", *_PER_TOKEN)
"""Features with a value for each token."""

LENGTH_STEP = 8
"""Batches are cut to their longest example, rounded up to a multiple of this many pieces: short
sentences cost no more than they need, and the number of different shapes stays small."""

GROUPED_BATCHES = 16
"""Number of batches sorted by length together and then shuffled again; more would hardly save more padding."""


def shuffled_batches(
    features: Mapping[str, np.ndarray], batch_size: int, seed: int, start_step: int = 0
) -> tf.data.Dataset:
    """Endless batches of features [n, ...], in a new order each epoch, beginning at `start_step`.

    A batch has examples of similar length. Batch i holds the examples from i * batch_size on in the
    concatenated epochs, so a restarted run gets the same batches as an uninterrupted one.
    """
    lengths = features["input_mask"].sum(axis=1)
    tensors = {name: tf.constant(values) for name, values in features.items()}
    sequences = [name for name in SEQUENCES if name in tensors]
    width = tensors["input_ids"].shape[1]

    @functools.lru_cache(maxsize=2)
    def order(epoch: int) -> np.ndarray:
        return epoch_order(lengths, batch_size, seed, epoch)

    def rows(step: np.int64) -> tuple[np.ndarray, np.int32]:
        epoch, position = divmod(int(step) * batch_size, len(lengths))
        picked = order(epoch)[position : position + batch_size]
        while len(picked) < batch_size:
            epoch += 1
            picked = np.concatenate([picked, order(epoch)])[:batch_size]
        return picked, np.int32(min(-(-lengths[picked].max() // LENGTH_STEP) * LENGTH_STEP, width))

    def batch(step: tf.Tensor) -> dict[str, tf.Tensor]:
        picked, length = tf.numpy_function(rows, [step], [tf.int64, tf.int32])
        picked.set_shape([batch_size])
        length.set_shape([])
        gathered = {name: tf.gather(values, picked) for name, values in tensors.items()}
        return gathered | {name: gathered[name][:, :length] for name in sequences}

    # Not from_generator: it makes the process return freed memory to the system, which `freed_memory` prevents.
    return tf.data.Dataset.counter(start_step).map(batch).prefetch(2)


def epoch_order(lengths: np.ndarray, batch_size: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the examples of an epoch: each occurs once, a batch has similar lengths, and batches are shuffled.

    Batches are counted over all epochs, so the first examples may fill one that the epoch before began.
    """
    random = np.random.default_rng((seed, epoch))
    order = random.permutation(len(lengths))
    begun = -epoch * len(lengths) % batch_size
    ordered = [order[:begun]]
    for start in range(begun, len(order), GROUPED_BATCHES * batch_size):
        group = order[start : start + GROUPED_BATCHES * batch_size]
        # Not quite sorted: a small table is a single group, and would have the same batches in every epoch.
        group = group[np.argsort(lengths[group] * random.uniform(0.8, 1.2, len(group)))]
        whole = len(group) // batch_size * batch_size
        # The examples that do not fill a batch are drawn from the whole group, so they are not always its longest.
        rest = np.sort(random.choice(len(group), len(group) - whole, replace=False))
        batches = np.delete(group, rest).reshape(-1, batch_size)
        ordered += [*random.permutation(batches), group[rest]]
    return np.concatenate(ordered)
