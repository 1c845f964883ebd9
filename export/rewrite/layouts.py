"""Layouts of tokens and heads in the tensors of a graph, which differ between files for a processor and for a GPU."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import tensorflow as tf

from mobilebert_tf.export.rewrite.network import Array, Mask

Masking = Callable[[Any], Any]
"""Scores [..., N, Tq, T] -> scores with those of padded keys lowered."""


class Layout(Protocol):
    """Operations on tensors of T tokens and C channels, or of N heads of size D."""

    def ids(self, values: Any) -> Any:
        """int32 [1, T] in the form of an index into tables."""

    def tokens(self, x: Any, start: int | None, end: int | None) -> Any:
        """The tokens of `x` from `start` to `end`."""

    def parts(self, x: Any, widths: Sequence[int]) -> list[Any]:
        """The channels of `x`, split into parts of these widths."""

    def surrounded(self, x: Any) -> Any:
        """`x` with a token of zeros before the first and after the last."""

    def places(self, ids: Any) -> Any:
        """The position of every token, in the form of `ids`."""

    def table(self, rows: Array) -> Array:
        """A constant [T, C] in a form that can be added to tokens."""

    def settled(self, x: Any) -> Any:
        """`x` with the layout's values in tokens of padding."""

    def heads(self, x: Any, heads: int) -> Any:
        """[T, C] -> [N, T, D]."""

    def turned_heads(self, x: Any, heads: int) -> Any:
        """[T, C] -> [N, D, T]."""

    def merged(self, x: Any) -> Any:
        """[N, T, D] -> [T, C]."""

    def mean(self, x: Any, input_mask: Any) -> Any:
        """The mean of the rows of real tokens; `input_mask` is in the form of `ids`."""

    def means(self, x: Any, input_mask: Any, segments: Any) -> Any:
        """The means of two texts, as two tokens; a text without tokens has the mean of all rows of real tokens."""

    def masking(self, mask: Mask, input_mask: Any) -> Masking:
        """The function by which `mask` changes scores; `input_mask` is in the form of `ids`."""

    def result(self, x: Any) -> Any:
        """One token's channels as [1, C]."""

    def results(self, x: Any) -> Any:
        """All tokens' channels as [1, T, C]."""


class Rows:
    """Layout of tokens as rows, [T, C] and [N, T, D]: a product, its bias and its relu become one FULLY_CONNECTED."""

    def ids(self, values: Any) -> Any:
        return tf.reshape(values, [values.shape[-1]])

    def tokens(self, x: Any, start: int | None, end: int | None) -> Any:
        return x[start:end]

    def parts(self, x: Any, widths: Sequence[int]) -> list[Any]:
        return [x[:, start:end] for start, end in _ends(widths)]

    def surrounded(self, x: Any) -> Any:
        return tf.pad(x, [[1, 1], [0, 0]])

    def places(self, ids: Any) -> Any:
        return tf.range(ids.shape[-1])

    def table(self, rows: Array) -> Array:
        return rows

    def settled(self, x: Any) -> Any:
        return x

    def heads(self, x: Any, heads: int) -> Any:
        length, width = x.shape
        if length == 1:  # needs no transposition
            return tf.reshape(x, [heads, 1, width // heads])
        return tf.transpose(tf.reshape(x, [length, heads, width // heads]), [1, 0, 2])

    def turned_heads(self, x: Any, heads: int) -> Any:
        # Transposed as one matrix, which is cheaper than one matrix per head.
        x = tf.transpose(x)
        return tf.reshape(x, [heads, -1, x.shape[1]])

    def merged(self, x: Any) -> Any:
        heads, length, size = x.shape
        if length > 1:
            x = tf.transpose(x, [1, 0, 2])
        return tf.reshape(x, [length, heads * size])

    def mean(self, x: Any, input_mask: Any) -> Any:
        real = tf.cast(input_mask, tf.float32)
        shares = real / tf.reduce_sum(real, keepdims=True)
        return tf.reduce_sum(x * shares[:, None], axis=0, keepdims=True)

    def means(self, x: Any, input_mask: Any, segments: Any) -> Any:
        real, second = (tf.cast(one, tf.float32) for one in (input_mask, input_mask * segments))
        shares = shares_of_texts(real, second, axis=0)
        return tf.concat([tf.reduce_sum(x * one[:, None], axis=0, keepdims=True) for one in shares], axis=0)

    def masking(self, mask: Mask, input_mask: Any) -> Masking:
        real = tf.cast(input_mask, tf.float32)
        return masking(mask, real, (1.0 - real) * mask.finite)

    def result(self, x: Any) -> Any:
        return x

    def results(self, x: Any) -> Any:
        return x[None]


class Images:
    """Layout of tokens as pixels of one image, [1, T, C] and [1, N, T, D], as GPU delegates lay out every tensor.

    With rows the first dimension would be a batch, for which OpenGL and Metal allow only one size in a whole network,
    and they refuse slices and padding in two dimensions. All integers are inputs of table lookups, so only three
    lookups and their positions are left to the processor, and these come first.
    """

    def ids(self, values: Any) -> Any:
        # A GATHER with two-dimensional indices is taken by no delegate. With one dimension of indices a delegate takes
        # it, and then cannot read the table.
        return values

    def tokens(self, x: Any, start: int | None, end: int | None) -> Any:
        return x[:, start:end]

    def parts(self, x: Any, widths: Sequence[int]) -> list[Any]:
        return [x[:, :, start:end] for start, end in _ends(widths)]

    def surrounded(self, x: Any) -> Any:
        return tf.pad(x, [[0, 0], [1, 1], [0, 0]])

    def places(self, ids: Any) -> Any:
        return tf.range(ids.shape[-1])

    def table(self, rows: Array) -> Array:
        return rows[None]

    def settled(self, x: Any) -> Any:
        return x

    def heads(self, x: Any, heads: int) -> Any:
        _, length, width = x.shape
        if length == 1:
            return tf.reshape(x, [1, heads, 1, width // heads])
        return tf.transpose(tf.reshape(x, [1, length, heads, width // heads]), [0, 2, 1, 3])

    def turned_heads(self, x: Any, heads: int) -> Any:
        _, length, width = x.shape
        return tf.transpose(tf.reshape(x, [1, length, heads, width // heads]), [0, 2, 3, 1])

    def merged(self, x: Any) -> Any:
        _, heads, length, size = x.shape
        if length > 1:
            x = tf.transpose(x, [0, 2, 1, 3])
        return tf.reshape(x, [1, length, heads * size])

    def mean(self, x: Any, input_mask: Any) -> Any:
        real = tf.gather(tf.constant([0.0, 1.0]), input_mask)
        shares = real / tf.reduce_sum(real, axis=1, keepdims=True)
        return tf.reduce_sum(x * shares[:, :, None], axis=1, keepdims=True)

    def means(self, x: Any, input_mask: Any, segments: Any) -> Any:
        real, of_second = (tf.gather(tf.constant([0.0, 1.0]), one) for one in (input_mask, segments))
        shares = shares_of_texts(real, real * of_second, axis=1)
        return tf.concat([tf.reduce_sum(x * one[:, :, None], axis=1, keepdims=True) for one in shares], axis=1)

    def masking(self, mask: Mask, input_mask: Any) -> Masking:
        padding = tf.gather(tf.constant([mask.finite, 0.0], tf.float32), input_mask)
        real = tf.gather(tf.constant([0.0, 1.0]), input_mask) if mask.mode == "replace" else None
        return masking(mask, real, padding)

    def result(self, x: Any) -> Any:
        return tf.reshape(x, [1, x.shape[-1]])

    def results(self, x: Any) -> Any:
        return x


def shares_of_texts(real: Any, second: Any, axis: int) -> list[Any]:
    """The weights of each token in the mean of the first text and in that of the second; each mean's add up to one.

    A text without a token has the mean of all.

    Args:
      real: 1 for real tokens, 0 for padding.
      second: 1 for tokens of the second text, 0 for others.
      axis: axis of the tokens.
    """
    shares = []
    for part in (real - second, second):
        is_empty = tf.nn.relu(1.0 - tf.reduce_sum(part, axis=axis, keepdims=True))
        part = part + real * is_empty
        shares.append(part / tf.reduce_sum(part, axis=axis, keepdims=True))
    return shares


def masking(mask: Mask, real: Any, padding: Any) -> Masking:
    """The function by which `mask` changes scores.

    `real` is 1 for a token and 0 for padding, `padding` 0 and the mask's constant: [T] or [1, T] each.
    """
    if mask.mode == "add":
        return lambda scores: scores + padding
    return lambda scores: scores * real + padding


def _ends(widths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Begin and end of each of several parts of these widths."""
    return itertools.pairwise(itertools.accumulate(widths, initial=0))
