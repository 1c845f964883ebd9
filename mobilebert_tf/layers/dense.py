"""Dense layer on rows: one matrix product and its bias."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import keras
from keras import ops

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.layers.channels import shift


class Dense(keras.layers.Layer):
    """y = x W + b: [R, in] -> [R, units].

    Inside the encoder the tokens of a batch are rows, R = B T: a product is then one
    plain matmul, with no reshape around it in training or in the exported graph.
    """

    def __init__(self, units: int, config: MobileBertConfig, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.initializer = truncated_normal(config)

    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], self.units), initializer=self.initializer)
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def call(self, x):
        return shift(self.product(x), self.bias)

    def product(self, x):
        """x W without the bias: [R, in] -> [R, units]."""
        return ops.matmul(x, self.kernel)


_left_out = contextvars.ContextVar("_left_out", default=False)


@contextlib.contextmanager
def initial_weights_left_out() -> Iterator[None]:
    """Build models in the block with zeros as weights: random ones would only be replaced by those of a file."""
    token = _left_out.set(True)
    try:
        yield
    finally:
        _left_out.reset(token)


class _Normal(keras.initializers.TruncatedNormal):
    """Truncated normal, or zeros within `initial_weights_left_out`.

    A seed is drawn in either case, so that later random numbers do not depend on whether a model was loaded.
    """

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return ops.zeros(shape, dtype) if _left_out.get() else super().__call__(shape, dtype)


def truncated_normal(config: MobileBertConfig) -> keras.initializers.Initializer:
    """The initializer of every matrix: normal with deviation `initializer_range`, truncated at two deviations."""
    return _Normal(stddev=config.initializer_range)
