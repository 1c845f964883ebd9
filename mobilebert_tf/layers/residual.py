"""The end of every sublayer: project, drop out, add what came in, normalise."""

from __future__ import annotations

import keras

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.layers.dense import Dense
from mobilebert_tf.layers.dropout import Dropout
from mobilebert_tf.layers.normalization import NoNorm, make_norm


class ResidualDense(keras.layers.Layer):
    """norm(dropout(x W + b) + residual): [R, in] and [R, units] -> [R, units]."""

    def __init__(
        self,
        units: int,
        config: MobileBertConfig,
        generator: keras.random.SeedGenerator,
        dropout: float = 0.0,
        epsilon: float | None = None,
        **kwargs,
    ):
        """`dropout`: the rate; `epsilon`: the norm's own, where it has one."""
        super().__init__(**kwargs)
        self.dense = Dense(units, config, name="dense")
        self.dropout = Dropout(dropout, generator, name="dropout")
        self.norm = make_norm(config, "norm", epsilon)

    def build(self, input_shape):
        self.dense.build(input_shape)
        self.norm.build((None, self.dense.units))

    def call(self, x, residual, training: bool = False):
        if isinstance(self.norm, NoNorm) and not (training and self.dropout.rate):
            # Two shifts of the same channels: b joins beta before either meets a row.
            return self.norm(self.dense.product(x) + residual, bias=self.dense.bias)
        return self.norm(self.dropout(self.dense(x), training=training) + residual)
