"""Multi-head self-attention that also returns its scores, which attention transfer needs."""

from __future__ import annotations

import math

import keras
from keras import ops

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.layers.dense import Dense
from mobilebert_tf.layers.dropout import Dropout


class SelfAttention(keras.layers.Layer):
    """Self-attention whose queries, keys and values may come from tensors of different width (paper §3.2, figure 1).

    query, key, value [B T, *], tokens as rows, and input_mask [B, T] (1 real, 0 padding)
    -> context [B T, I]; scores [B, N, T, T], scaled and masked, before the softmax; and
    queries, keys, values [B T, I], before they are split into heads and scaled.
    """

    def __init__(self, config: MobileBertConfig, generator: keras.random.SeedGenerator, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        width = config.intra_bottleneck_size
        self.query = Dense(width, config, name="query")
        self.key = Dense(width, config, name="key")
        self.value = Dense(width, config, name="value")
        self.dropout = Dropout(config.attention_probs_dropout_prob, generator, name="dropout")

    def build(self, query_shape, key_shape, value_shape, *_):
        self.query.build(query_shape)
        self.key.build(key_shape)
        self.value.build(value_shape)

    def call(self, query, key, value, input_mask, training: bool = False):
        shape = (*ops.shape(input_mask), self.config.num_attention_heads, self.config.head_size)
        # The queries are scaled, not the scores: T x D multiplications instead of T x T.
        projected = self.query(query), self.key(key), self.value(value)
        q = _split_heads(projected[0] * (1.0 / math.sqrt(self.config.head_size)), shape)
        k = ops.transpose(ops.reshape(projected[1], shape), (0, 2, 3, 1))  # [B, N, D, T]
        v = _split_heads(projected[2], shape)
        scores = mask_scores(ops.matmul(q, k), input_mask, self.config)
        probabilities = self.dropout(ops.softmax(scores, axis=-1), training=training)
        context = ops.transpose(ops.matmul(probabilities, v), (0, 2, 1, 3))
        return ops.reshape(context, (-1, self.config.intra_bottleneck_size)), scores, projected


def _split_heads(x, shape):
    """[B T, I] -> [B, N, T, D]; `shape` is (B, T, N, D)."""
    return ops.transpose(ops.reshape(x, shape), (0, 2, 1, 3))


def mask_scores(scores, input_mask, config: MobileBertConfig):
    """Mask padded keys (input_mask [B, T] == 0) in the scores [B, N, T, T], by `mask_mode` and `mask_constant`."""
    real = ops.cast(input_mask, scores.dtype)[:, None, None, :]
    # Hugging Face's constant, the lowest float32, becomes -inf in bfloat16, and 0 times -inf is NaN.
    constant = max(config.mask_constant, -1e38)
    if config.mask_mode == "add":
        return scores + (1.0 - real) * constant
    return scores * real + (1.0 - real) * constant
