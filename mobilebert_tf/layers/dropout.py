"""Dropout from one generator per network, so that one variable holds all its randomness."""

from __future__ import annotations

import keras
import tensorflow as tf

_LEVELS = 1 << 16
"""16 random bits decide about an element, so that one 32-bit number serves two. The
generator is most of the cost of a dropout; the rate is met to 8e-6."""


class Dropout(keras.layers.Layer):
    """Zero a share `rate` of the elements in training and scale up the others: any shape.

    The generator is shared by all dropouts of a network. A checkpoint of its one
    variable therefore continues the same random sequence after a restart.
    """

    def __init__(self, rate: float, generator: keras.random.SeedGenerator, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.generator = generator

    def call(self, x, training: bool = False):
        if not training or self.rate == 0.0:
            return x
        dropped = round(self.rate * _LEVELS)
        kept = _random_16_bits(tf.shape(x), self.generator.next()) >= tf.constant(dropped, tf.uint16)
        # The scale goes into the mask: x then has one product ahead and one in its gradient.
        return x * (tf.cast(kept, x.dtype) * (_LEVELS / (_LEVELS - dropped)))


def _random_16_bits(shape, seed):
    size = tf.reduce_prod(shape)
    pairs = tf.random.stateless_uniform([(size + 1) // 2], tf.cast(seed, tf.int32), None, None, tf.uint32)
    return tf.reshape(tf.reshape(tf.bitcast(pairs, tf.uint16), [-1])[:size], shape)
