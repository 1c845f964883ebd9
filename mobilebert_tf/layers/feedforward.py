"""One feed-forward network with its residual and norm."""

from __future__ import annotations

import keras

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.layers.activation import activate
from mobilebert_tf.layers.dense import Dense
from mobilebert_tf.layers.residual import ResidualDense


class FeedForward(keras.layers.Layer):
    """norm(dropout(W2 act(W1 x)) + x): [R, I] -> [R, I]. Paper §3.2, "stacked FFNs"."""

    def __init__(
        self,
        config: MobileBertConfig,
        generator: keras.random.SeedGenerator,
        is_last: bool,
        **kwargs,
    ):
        """`is_last`: whether it is the last one of its block, the one that BERT has too.

        Its norm may then have its own epsilon, and without a bottleneck its output goes through dropout. The
        others have neither, as in the released code.
        """
        super().__init__(**kwargs)
        self.config = config
        self.intermediate = Dense(config.intermediate_size, config, name="intermediate")
        self.output_dense = ResidualDense(
            config.intra_bottleneck_size,
            config,
            generator,
            dropout=config.hidden_dropout_prob if is_last and not config.use_bottleneck else 0.0,
            epsilon=config.inner_norm_eps if is_last else None,
            name="output",
        )

    def build(self, input_shape):
        self.intermediate.build(input_shape)
        self.output_dense.build((*input_shape[:-1], self.config.intermediate_size))

    def call(self, x, training: bool = False):
        hidden = activate(self.config.hidden_act, self.intermediate(x))
        return self.output_dense(hidden, x, training=training)
