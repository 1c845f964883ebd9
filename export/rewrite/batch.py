"""Layout of the tokens of a batch in the tensors of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from mobilebert_tf.export.rewrite.graph import constant
from mobilebert_tf.export.rewrite.layouts import Masking, masking, shares_of_texts
from mobilebert_tf.export.rewrite.network import Array, Mask


class Batch:
    """`layouts.Rows` for inputs [B, T]: tokens are rows, [B T, C], heads [B, N, T, D], results [B, C] or [B, T, C].

    If no token reads padding, every row of padding equals the row of [CLS] throughout the network, so that the least
    and largest values of all rows are those of real tokens.
    """

    def __init__(self, input_mask: Any, mask: Mask):
        shape = tf.shape(input_mask)
        self.size, self.length = shape[0], shape[1]
        self._real = tf.not_equal(input_mask, 0)[:, :, None] if mask.keeps_padding_out else None

    def ids(self, values: Any) -> Any:
        return tf.reshape(values, [-1])

    def tokens(self, x: Any, start: int | None, end: int | None) -> Any:
        return tf.reshape(self._apart(x)[:, start:end], [-1, x.shape[-1]])

    def parts(self, x: Any, widths: Sequence[int]) -> list[Any]:
        # Not slices: the gradient of each would be a tensor of the whole width.
        return tf.split(x, list(widths), axis=1)

    def surrounded(self, x: Any) -> Any:
        return tf.reshape(tf.pad(self._apart(x), [[0, 0], [1, 1], [0, 0]]), [-1, x.shape[-1]])

    def places(self, ids: Any) -> Any:
        return tf.tile(tf.range(self.length), [self.size])

    def table(self, rows: Array) -> Array:
        return tf.tile(constant(rows)[: self.length], [self.size, 1])

    def settled(self, x: Any) -> Any:
        if self._real is None:
            return x
        apart = self._apart(x)
        return tf.reshape(tf.where(self._real, apart, tf.stop_gradient(apart[:, :1])), [-1, x.shape[-1]])

    def heads(self, x: Any, heads: int) -> Any:
        return tf.transpose(self._with_heads(x, heads), [0, 2, 1, 3])

    def turned_heads(self, x: Any, heads: int) -> Any:
        return tf.transpose(self._with_heads(x, heads), [0, 2, 3, 1])

    def merged(self, x: Any) -> Any:
        return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [-1, x.shape[1] * x.shape[3]])

    def mean(self, x: Any, input_mask: Any) -> Any:
        real = tf.cast(tf.reshape(input_mask, [self.size, self.length, 1]), tf.float32)
        return tf.reduce_sum(self._apart(x) * real, axis=1) / tf.reduce_sum(real, axis=1)

    def means(self, x: Any, input_mask: Any, segments: Any) -> Any:
        shape = [self.size, self.length, 1]
        real, second = (tf.reshape(tf.cast(one, tf.float32), shape) for one in (input_mask, input_mask * segments))
        means = [tf.reduce_sum(self._apart(x) * shares, axis=1) for shares in shares_of_texts(real, second, axis=1)]
        return tf.reshape(tf.stack(means, axis=1), [-1, x.shape[-1]])

    def masking(self, mask: Mask, input_mask: Any) -> Masking:
        real = tf.cast(tf.reshape(input_mask, [self.size, 1, 1, self.length]), tf.float32)
        return masking(mask, real, (1.0 - real) * mask.finite)

    def result(self, x: Any) -> Any:
        return x

    def results(self, x: Any) -> Any:
        return self._apart(x)

    def _apart(self, x: Any) -> Any:
        """[B T, C] -> [B, T, C]."""
        return tf.reshape(x, [self.size, -1, x.shape[-1]])

    def _with_heads(self, x: Any, heads: int) -> Any:
        """[B T, C] -> [B, T, N, D]."""
        return tf.reshape(x, [self.size, -1, heads, x.shape[-1] // heads])
