"""The two normalisations of MobileBERT: LayerNorm, and NoNorm that costs one multiply-add."""

from __future__ import annotations

import keras
from keras import ops

from mobilebert_tf.config import MobileBertConfig


class NoNorm(keras.layers.Layer):
    """y = gamma * x + beta per channel, no statistics: [..., C] -> [..., C]. Paper §3.3."""

    def build(self, input_shape):
        self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(input_shape[-1],), initializer="zeros")

    def call(self, x):
        return x * self.gamma + self.beta


class LayerNorm(keras.layers.Layer):
    """y = gamma * (x - mean) / sqrt(variance + eps) + beta over channels: [..., C] -> [..., C].

    Statistics are float32 at any compute type: BERT's epsilon of 1e-12 vanishes in
    a shorter one.
    """

    def __init__(self, epsilon: float, **kwargs):
        super().__init__(**kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        self.gamma = self.add_weight(name="gamma", shape=(input_shape[-1],), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(input_shape[-1],), initializer="zeros")

    def call(self, x):
        return standardize(x, self.epsilon) * self.gamma + self.beta


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
