"""The two normalisations of MobileBERT: LayerNorm, and NoNorm, which costs one multiply-add."""

from __future__ import annotations

import keras
from keras import ops

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.layers.channels import scale_and_shift


class NoNorm(keras.layers.Layer):
    """y = gamma * (x + bias) + beta per channel, without statistics: [R, C] -> [R, C]. Paper §3.3.

    `bias` [C], none by default, is the bias of the dense layer whose matrix product is x.
    """

    def build(self, input_shape):
        self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(input_shape[-1],), initializer="zeros")

    def call(self, x, bias=None):
        beta = self.beta if bias is None else bias * self.gamma + self.beta
        return scale_and_shift(x, self.gamma, beta)


class LayerNorm(keras.layers.Layer):
    """y = gamma * (x - mean) / sqrt(variance + eps) + beta over channels: [R, C] -> [R, C].

    Statistics are computed in float32 at any compute type: BERT's epsilon of 1e-12 would
    vanish in a shorter one.
    """

    def __init__(self, epsilon: float, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(input_shape[-1],), initializer="zeros")

    def call(self, x):
        return scale_and_shift(standardize(x, self.epsilon), self.gamma, self.beta)


def standardize(x, epsilon: float):
    """(x - mean) / sqrt(variance + epsilon) over the last axis, in float32, returned in x's type."""
    wide = ops.cast(x, "float32")
    centred = wide - ops.mean(wide, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(centred), axis=-1, keepdims=True)
    return ops.cast(centred * ops.rsqrt(variance + epsilon), x.dtype)


def make_norm(config: MobileBertConfig, name: str, epsilon: float | None = None) -> keras.layers.Layer:
    """The configured normalisation; `epsilon` replaces `layer_norm_eps` where a norm has its own."""
    if config.normalization_type == "no_norm":
        return NoNorm(name=name)
    return LayerNorm(config.layer_norm_eps if epsilon is None else epsilon, name=name)
