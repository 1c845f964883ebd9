"""Per-channel parameters applied to rows, with gradients that are fast on a CPU."""

from __future__ import annotations

import tensorflow as tf


def shift(x, bias):
    """x + bias: [R, C] and [C] -> [R, C]."""

    @tf.custom_gradient
    def function(x, bias):
        return x + bias, lambda dy: (dy, _sum_rows(dy))

    return function(x, tf.convert_to_tensor(bias))


def scale_and_shift(x, gamma, beta):
    """x * gamma + beta: [R, C], [C] and [C] -> [R, C]."""

    @tf.custom_gradient
    def function(x, gamma, beta):
        return x * gamma + beta, lambda dy: (dy * gamma, _sum_rows(dy * x), _sum_rows(dy))

    return function(x, tf.convert_to_tensor(gamma), tf.convert_to_tensor(beta))


def _sum_rows(x):
    """Sum over rows, [R, C] -> [C], as a product with a row of ones: several times as fast as a reduction."""
    return tf.reshape(tf.matmul(tf.ones((1, tf.shape(x)[0]), x.dtype), x), [-1])
