"""One block: narrow, attend, feed forward, widen. Paper figure 1 (b) teacher and (c) student."""

from __future__ import annotations

import keras

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.layers.attention import SelfAttention
from mobilebert_tf.layers.dense import Dense
from mobilebert_tf.layers.feedforward import FeedForward
from mobilebert_tf.layers.normalization import make_norm
from mobilebert_tf.layers.residual import ResidualDense


class Bottleneck(keras.layers.Layer):
    """The narrowing projection into a block, norm(x W + b): [R, H] -> [R, I]."""

    def __init__(self, config: MobileBertConfig, **kwargs):
        super().__init__(**kwargs)
        self.dense = Dense(config.intra_bottleneck_size, config, name="dense")
        self.norm = make_norm(config, "norm")

    def build(self, input_shape):
        self.dense.build(input_shape)
        self.norm.build((*input_shape[:-1], self.dense.units))

    def call(self, x):
        return self.norm(self.dense(x))


class Block(keras.layers.Layer):
    """One block of the encoder, a BERT layer between two bottlenecks.

    x [B T, H] (tokens as rows), input_mask [B, T] -> feature map [B T, H], scores [B, N, T, T],
    and (queries, keys, values), each [B T, I].
    """

    def __init__(self, config: MobileBertConfig, generator: keras.random.SeedGenerator, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        # Narrow.
        self.input_bottleneck = Bottleneck(config, name="input_bottleneck") if config.use_bottleneck else None
        shares = config.shares_query_key_bottleneck
        self.query_key_bottleneck = Bottleneck(config, name="query_key_bottleneck") if shares else None
        # Attend.
        self.attention = SelfAttention(config, generator, name="attention")
        self.attention_output = ResidualDense(
            config.intra_bottleneck_size,
            config,
            generator,
            dropout=0.0 if config.use_bottleneck else config.hidden_dropout_prob,
            name="attention_output",
        )
        # Feed forward.
        last = config.num_feedforward_networks - 1
        self.feedforwards = [
            FeedForward(config, generator, is_last=i == last, name=f"feedforward_{i}") for i in range(last + 1)
        ]
        # Widen.
        if config.use_bottleneck:
            self.output_bottleneck = ResidualDense(
                config.hidden_size, config, generator, dropout=config.hidden_dropout_prob, name="output_bottleneck"
            )

    def build(self, input_shape):
        wide = (None, self.config.hidden_size)
        thin = (None, self.config.intra_bottleneck_size)
        for bottleneck in (self.input_bottleneck, self.query_key_bottleneck):
            if bottleneck:
                bottleneck.build(wide)
        query_key = thin if self.config.use_bottleneck_attention or self.query_key_bottleneck else wide
        self.attention.build(query_key, query_key, thin if self.config.use_bottleneck_attention else wide)
        self.attention_output.build(thin)
        for feedforward in self.feedforwards:
            feedforward.build(thin)
        if self.config.use_bottleneck:
            self.output_bottleneck.build(thin)

    def call(self, x, input_mask, training: bool = False):
        inner = self.input_bottleneck(x) if self.input_bottleneck else x
        query_key, value = x, x
        if self.config.use_bottleneck_attention:
            query_key, value = inner, inner
        elif self.query_key_bottleneck:
            query_key = self.query_key_bottleneck(x)
        context, scores, projected = self.attention(query_key, query_key, value, input_mask, training=training)
        inner = self.attention_output(context, inner, training=training)
        for feedforward in self.feedforwards:
            inner = feedforward(inner, training=training)
        if not self.config.use_bottleneck:
            return inner, scores, projected
        return self.output_bottleneck(inner, x, training=training), scores, projected
