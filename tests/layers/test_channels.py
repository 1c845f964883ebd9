"""Compares hand-written gradients with arithmetic in float64."""

import numpy as np
import tensorflow as tf

from mobilebert_tf.layers.channels import scale_and_shift, shift

# Sums of 40 float32 products: rounding stays below 40 x 6e-8 of the largest partial sum.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


def rows(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def test_shift():
    x, bias, dy = rows(0, 40, 6), rows(1, 6), rows(2, 40, 6)
    x_, bias_ = tf.Variable(x, dtype="float32"), tf.Variable(bias, dtype="float32")
    with tf.GradientTape() as tape:
        y = shift(x_, bias_)
    dx, dbias = tape.gradient(y, [x_, bias_], output_gradients=tf.constant(dy, "float32"))
    np.testing.assert_allclose(y, x + bias, **CLOSE)
    np.testing.assert_allclose(dx, dy, **CLOSE)
    np.testing.assert_allclose(dbias, dy.sum(0), **CLOSE)


def test_scale_and_shift():
    x, gamma, beta, dy = rows(0, 40, 6), rows(1, 6), rows(2, 6), rows(3, 40, 6)
    variables = [tf.Variable(value, dtype="float32") for value in (x, gamma, beta)]
    with tf.GradientTape() as tape:
        y = scale_and_shift(*variables)
    dx, dgamma, dbeta = tape.gradient(y, variables, output_gradients=tf.constant(dy, "float32"))
    np.testing.assert_allclose(y, gamma * x + beta, **CLOSE)
    np.testing.assert_allclose(dx, gamma * dy, **CLOSE)
    np.testing.assert_allclose(dgamma, (dy * x).sum(0), **CLOSE)
    np.testing.assert_allclose(dbeta, dy.sum(0), **CLOSE)
