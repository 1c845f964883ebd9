"""Rounding of numbers to the values that the integers of a file represent, as LiteRT's quantizer and kernels do it.

Fake quantisation: results are float32 but take few values. Rounding has no useful gradient, so gradients pass it
unchanged (straight through); values that a range clips get none.
Source: Jacob et al. 2018, arXiv 1712.05877, section 3; litert-quantizer `uniform_quantize_tensor.py`.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import tensorflow as tf

_LEAST = 1e-9
"""Least divisor, the same as in the quantizer."""


@dataclasses.dataclass(frozen=True)
class Grid:
    """The values of a tensor with a static range: whole numbers from `least` to `most` times `step`."""

    step: Any
    inverse: Any
    """1 / step, because kernels multiply instead of dividing."""
    least: Any
    most: Any


def columns(ranges: Any, bits: int) -> Any:
    """The grids for ranges [2, S], least and largest values that include zero: the four fields of `Grid`, [4, S].

    With 8 bits, 255 steps span the range, shifted so that zero is one of the values; with 16 the range is symmetric.
    All grids are computed at once: as scalars of some hundred tensors they would take thousands of operations.
    """
    low, high = tf.unstack(tf.stop_gradient(ranges))
    if bits == 8:
        step = tf.maximum(high - low, _LEAST) / 255.0
        zero = tf.round(-128.0 - low / step)
        least, most = -128.0 - zero, 127.0 - zero
    else:
        most = tf.ones_like(low) * float(2 ** (bits - 1) - 1)
        least = -most
        step = tf.maximum(tf.maximum(-low, high), _LEAST) / most
    return tf.stack([step, 1.0 / step, least, most])


def activations(x: Any, grid: Grid) -> Any:
    """The nearest values of the grid; beyond its ends no gradient passes.

    TensorFlow's own fake quantisation counts steps from the lowest value, so that one number in 100,000 is rounded to
    the neighbouring step: at least one in most texts, whose logits then differ from the file's. Only its gradient is
    used, which is faster than a gradient composed of other operations.
    """

    @tf.custom_gradient
    def function(x: Any) -> Any:
        def gradient(dy: Any) -> Any:
            low, high = grid.least * grid.step, grid.most * grid.step
            # With 16 bits it hardly moves the ends when it shifts them so that zero is on its own grid.
            return tf.quantization.fake_quant_with_min_max_vars_gradient(dy, x, low, high, num_bits=16)[0]

        steps = tf.raw_ops.ClipByValue(
            t=tf.round(x * grid.inverse), clip_value_min=grid.least, clip_value_max=grid.most
        )
        return steps * grid.step, gradient

    return function(x)


def matrix(weights: Any, bits: int, per_channel: bool, axis: int) -> tuple[Any, Any]:
    """Round the weights of a product or the rows of a table, symmetrically: the largest is 2^(bits - 1) - 1 steps.

    Args:
      weights: [in, out] or [R, C].
      bits: bits of an integer.
      per_channel: whether each output or row has its own step, instead of one step for all.
      axis: axis along which a channel's values lie: 0 for products, 1 for tables.

    Returns:
      The rounded weights, and the steps, [1, out], [R, 1] or [1, 1], through which no gradient passes.
    """
    size = tf.reduce_max(tf.abs(tf.stop_gradient(weights)), axis=axis if per_channel else None, keepdims=True)
    step = tf.maximum(size, _LEAST) / float(2 ** (bits - 1) - 1)
    return on_steps(weights, step), step


def on_steps(x: Any, step: Any) -> Any:
    """The nearest multiples of `step`, unlimited. For weights, and for biases, which are integers of 32 bits."""

    @tf.custom_gradient
    def function(x: Any) -> Any:
        return tf.round(x / step) * step, lambda dy: dy

    return function(x)


def rows(x: Any) -> Any:
    """Activations [R, C] rounded in 8 bits, 255 steps, to the range of their own row, which is computed at run time.

    The arithmetic is XNNPACK's (`xnn_f32_qd8_asymmetric_quantization_params`): after tanh a row is often symmetric
    around zero, and only identical arithmetic then rounds the zero point to the same side.
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
