"""Dropout from one generator per network, so that one variable holds all its randomness."""

from __future__ import annotations

import keras


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
        return keras.random.dropout(x, self.rate, seed=self.generator)
