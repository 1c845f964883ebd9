"""One set of array functions for both forms of weights: NumPy's arrays and TensorFlow's tensors.

An export rewrites arrays in float64; quantisation-aware fine-tuning rewrites tensors in every step.
"""

from __future__ import annotations

import functools
import types
from typing import Any

import numpy as np


def functions(array: Any) -> Any:
    """The array module of `array`: NumPy, or TensorFlow under NumPy's names."""
    return np if isinstance(array, np.ndarray) else _of_tensors()


def as_constant(array: Any) -> Any:
    """The same values, through which no gradient passes."""
    if isinstance(array, np.ndarray):
        return array
    import tensorflow as tf

    return tf.stop_gradient(array)


@functools.cache
def _of_tensors() -> Any:
    # `tensorflow.experimental.numpy` has the same functions but takes three times as long to trace.
    import tensorflow as tf

    return types.SimpleNamespace(
        abs=tf.abs,
        concatenate=tf.concat,
        matmul=lambda vector, matrix: tf.linalg.matvec(matrix, vector, transpose_a=True),
        max=tf.reduce_max,
        min=tf.reduce_min,
        ones_like=tf.ones_like,
        reshape=tf.reshape,
        sqrt=tf.sqrt,
        stack=tf.stack,
        zeros_like=tf.zeros_like,
    )
