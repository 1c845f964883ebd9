"""Dropout that draws from one generator per network, so that one variable holds all of its random state."""

from __future__ import annotations

import keras
import tensorflow as tf

_LEVELS = 1 << 16
"""Number of values of 16 random bits, which decide about one element, so that one 32-bit number serves two: the
generator is most of the cost of a dropout. The rate is met to within 8e-6."""


class Dropout(keras.layers.Layer):
    """In training, set a share `rate` of the elements of x to zero and scale up the others; any shape.

    All dropouts of a network share the generator. A run that is restored from a checkpoint
    of its one variable therefore continues the same random sequence.
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
        # The scale is part of the mask: one product in the forward pass, one in the gradient.
        return x * (tf.cast(kept, x.dtype) * (_LEVELS / (_LEVELS - dropped)))


def _random_16_bits(shape, seed):
    size = tf.reduce_prod(shape)
    pairs = tf.random.stateless_uniform([(size + 1) // 2], tf.cast(seed, tf.int32), None, None, tf.uint32)
    return tf.reshape(tf.reshape(tf.bitcast(pairs, tf.uint16), [-1])[:size], shape)
