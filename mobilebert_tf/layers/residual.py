"""The end of every sublayer: project, apply dropout, add the sublayer's input, normalise."""

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
        """`dropout`: the rate; `epsilon`: that of the norm if it is not `layer_norm_eps`."""
        super().__init__(**kwargs)
        self.dense = Dense(units, config, name="dense")
        self.dropout = Dropout(dropout, generator, name="dropout")
        self.norm = make_norm(config, "norm", epsilon)

    def build(self, input_shape):
        self.dense.build(input_shape)
        self.norm.build((None, self.dense.units))

    def call(self, x, residual, training: bool = False):
        if isinstance(self.norm, NoNorm) and not (training and self.dropout.rate):
            # b and beta shift the same channels: they are added to each other once, instead of both to every row.
            return self.norm(self.dense.product(x) + residual, bias=self.dense.bias)
        return self.norm(self.dropout(self.dense(x), training=training) + residual)
