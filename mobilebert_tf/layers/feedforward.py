"""One feed-forward network with its residual and norm."""

from __future__ import annotations

import keras

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.layers.activation import activate
from mobilebert_tf.layers.dense import Dense
from mobilebert_tf.layers.dropout import Dropout
from mobilebert_tf.layers.normalization import make_norm


class FeedForward(keras.layers.Layer):
    """norm(dropout(W2 act(W1 x)) + x): [R, I] -> [R, I]. Paper §3.2, "stacked FFNs"."""

    def __init__(
        self,
        config: MobileBertConfig,
        generator: keras.random.SeedGenerator,
        is_last: bool,
        **kwargs,
    ):
        """The last network of a block is BERT's own: its norm may have an epsilon of its own, and
        without a bottleneck its output is dropped out. The released code treats the others alike."""
        super().__init__(**kwargs)
        self.config = config
        self.intermediate = Dense(config.intermediate_size, config, name="intermediate")
        self.output_dense = Dense(config.intra_bottleneck_size, config, name="output")
        drops = is_last and not config.use_bottleneck
        self.dropout = Dropout(config.hidden_dropout_prob if drops else 0.0, generator, name="dropout")
        self.norm = make_norm(config, "norm", config.inner_norm_eps if is_last else None)

    def build(self, input_shape):
        self.intermediate.build(input_shape)
        self.output_dense.build((*input_shape[:-1], self.config.intermediate_size))
        self.norm.build(input_shape)

    def call(self, x, training: bool = False):
        y = self.output_dense(activate(self.config.hidden_act, self.intermediate(x)))
        return self.norm(self.dropout(y, training=training) + x)
