"""Dense layer on the last axis, as one plain matrix product."""

from __future__ import annotations

import keras
from keras import ops

from mobilebert_tf.config import MobileBertConfig


class Dense(keras.layers.Layer):
    """y = x W + b on the last axis: [..., in] -> [..., units].

    Leading axes are folded into one, so that the product is a single [rows, in] x
    [in, units] matmul, which TensorFlow fuses with the bias; `keras.layers.Dense`
    leaves a batched product and a broadcast there, whose gradient is slower.
    """

    def __init__(self, units: int, config: MobileBertConfig, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.initializer = truncated_normal(config)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], self.units), initializer=self.initializer
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, x):
        leading = ops.shape(x)[:-1]
        y = ops.matmul(ops.reshape(x, (-1, x.shape[-1])), self.kernel) + self.bias
        return ops.reshape(y, (*leading, self.units))


def truncated_normal(config: MobileBertConfig) -> keras.initializers.Initializer:
    """Initial weights of every matrix: normal, cut at two deviations of `initializer_range`."""
    return keras.initializers.TruncatedNormal(stddev=config.initializer_range)
