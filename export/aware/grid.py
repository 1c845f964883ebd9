"""Numbers rounded to where the integers of a file stand, as LiteRT's quantizer and kernels place them.

Fake quantisation: what comes out is float32 and one of few values. Rounding has no useful gradient, so it is taken
as if it were not there (straight through); what a range cuts off gets none. Activations are rounded by
TensorFlow's own operation, which is an eighth of a step faster; its ranges cannot run along rows, as some here do.
Source: Jacob et al. 2018, arXiv 1712.05877, section 3; litert-quantizer `uniform_quantize_tensor.py`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

_LEAST = 1e-9
"""Of what is divided by: the quantizer has the same."""


@dataclasses.dataclass(frozen=True)
class Grid:
    """The values of a tensor with a range found beforehand: 255 steps from `low` to `high`, or 65534."""

    step: Any
    low: Any
    high: Any
    bits: int


def columns(ranges: Any, bits: int) -> Any:
    """The grids of least and largest values [2, S], zero among them: step, low and high, [3, S].

    With 8 bits 255 steps span the range, moved so that zero is one of the values; with 16 it is symmetric. All at
    once, since as scalars of some hundred tensors they would be thousands of operations.
    """
    low, high = tf.unstack(tf.stop_gradient(ranges))
    if bits == 8:
        step = tf.maximum(high - low, _LEAST) / 255.0
        zero = tf.round(-128.0 - low / step)
        return tf.stack([step, step * (-128.0 - zero), step * (127.0 - zero)])
    most = 2.0 ** (bits - 1) - 1.0
    step = tf.maximum(tf.maximum(-low, high), _LEAST) / most
    return tf.stack([step, -step * most, step * most])


def activations(x: Any, grid: Grid) -> Any:
    """The nearest value of the grid; beyond its ends no gradient passes."""
    return tf.quantization.fake_quant_with_min_max_vars(
        x, grid.low, grid.high, num_bits=grid.bits, narrow_range=grid.bits == 16
    )


def matrix(weights: Any, bits: int, per_channel: bool, axis: int) -> tuple[Any, Any]:
    """Weights of a product or rows of a table, symmetric around zero: the largest is 2^(bits - 1) - 1 steps.

    Args:
      weights: [in, out] or [R, C].
      bits: of an integer.
      per_channel: a step for each output or row, in place of one.
      axis: that a channel runs along: 0 for products, 1 for tables.

    Returns:
      The weights, rounded, and the steps, [1, out], [R, 1] or [1, 1]; through these goes no gradient.
    """
    size = tf.reduce_max(tf.abs(tf.stop_gradient(weights)), axis=axis if per_channel else None, keepdims=True)
    step = tf.maximum(size, _LEAST) / float(2 ** (bits - 1) - 1)
    return on_steps(weights, step), step


def on_steps(x: Any, step: Any) -> Any:
    """The nearest multiple of `step`; none is too far away. For weights, and for biases, integers of 32 bits."""

    @tf.custom_gradient
    def function(x: Any) -> Any:
        return tf.round(x / step) * step, lambda dy: dy

    return function(x)


def rows(x: Any) -> Any:
    """Results [R, C] whose range is that of their own row, found while running: 8 bits, 255 steps.

    As XNNPACK does it (`xnn_f32_qd8_asymmetric_quantization_params`): after tanh a row often lies evenly around zero,
    where only the same arithmetic rounds zero to the same side.
    """

    @tf.custom_gradient
    def function(x: Any) -> Any:
        low = tf.minimum(tf.reduce_min(x, axis=-1, keepdims=True), 0.0)
        high = tf.maximum(tf.reduce_max(x, axis=-1, keepdims=True), 0.0)
        inverse = 255.0 / tf.maximum(high - low, _LEAST)
        from_low, from_high = -128.0 - low * inverse, 127.0 - high * inverse
        zero = tf.round(tf.where((low + high) * inverse > 1.0, from_low, from_high))
        return tf.clip_by_value(tf.round(x * inverse), -128.0 - zero, 127.0 - zero) / inverse, lambda dy: dy

    return function(x)
