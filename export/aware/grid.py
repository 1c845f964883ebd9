"""Numbers rounded to where the integers of a file stand, as LiteRT's quantizer and kernels place them.

Fake quantisation: what comes out is float32 and one of few values. Rounding has no useful gradient, so it is taken
as if it were not there (straight through); what a range cuts off gets none.
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
    """The values of a tensor with a range found beforehand: whole numbers from `least` to `most` times `step`."""

    step: Any
    inverse: Any
    """1 / step: kernels multiply."""
    least: Any
    most: Any


def columns(ranges: Any, bits: int) -> Any:
    """The grids of least and largest values [2, S], zero among them: the four fields of `Grid`, [4, S].

    With 8 bits 255 steps span the range, moved so that zero is one of the values; with 16 it is symmetric. All at
    once, since as scalars of some hundred tensors they would be thousands of operations.
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
    """The nearest value of the grid; beyond its ends no gradient passes.

    TensorFlow's own fake quantisation counts from the lowest value: one number in 100,000 becomes its neighbour, which
    is one in most texts, and their logits are others than the file's. Its gradient is used, which is faster than
    one that is composed.
    """

    @tf.custom_gradient
    def function(x: Any) -> Any:
        def gradient(dy: Any) -> Any:
            low, high = grid.least * grid.step, grid.most * grid.step
            # Of 16 bits, so that it moves the ends by next to nothing to have zero on its own grid.
            return tf.quantization.fake_quant_with_min_max_vars_gradient(dy, x, low, high, num_bits=16)[0]

        steps = tf.raw_ops.ClipByValue(
            t=tf.round(x * grid.inverse), clip_value_min=grid.least, clip_value_max=grid.most
        )
        return steps * grid.step, gradient

    return function(x)


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
