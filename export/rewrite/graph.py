"""A network as a TensorFlow graph, in the operations that the converter maps best."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from mobilebert_tf.export.rewrite.arrays import functions
from mobilebert_tf.export.rewrite.layouts import Layout, Masking, Rows
from mobilebert_tf.export.rewrite.network import (
    EVERY_TOKEN,
    FIRST_TOKEN,
    MEAN,
    PAIR,
    Array,
    Block,
    Dense,
    Embeddings,
    FeedForward,
    Head,
    Network,
    Norm,
    Residual,
)
from mobilebert_tf.models import LEAST_SQUARE

# In the form that the converter turns into one operation each; relu and relu6 are fused into the product before them.
ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
    "gelu": lambda x: tf.nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: tf.nn.gelu(x, approximate=True),
}


class Products:
    """The operations that use weights, here in float; a subclass computes on the grid of an int8 file.

    Layers have the names of their operators in a file: block_3/feedforward_1/intermediate.
    """

    def dense(self, name: str, dense: Dense, x: Any, activation: str | None = None) -> Any:
        """activation(x W + b): [R, in] -> [R, out]."""
        product = tf.matmul(x, constant(dense.kernel))
        if tf.is_tensor(dense.bias) or dense.bias.any():
            product = product + constant(dense.bias)
        return ACTIVATIONS[activation](product) if activation else product

    def scaled(self, x: Any, factor: Array) -> Any:
        """x [R, C] times a factor [C] for each channel."""
        return x * constant(factor)

    def rows(self, name: str, table: Array, numbers: Any) -> Any:
        """The rows [R, C] of `table` [V, C] with these numbers [R]."""
        return tf.gather(constant(table), numbers)


def answer(
    network: Network,
    input_ids: Any,
    input_mask: Any,
    segment_ids: Any,
    layout: Layout | None = None,
    products: Products | None = None,
) -> dict[str, Any]:
    """The answer by the head's outputs, float32 [1, C], [1, H], [1, T, C] or [1, T], from inputs int32 [1, T], as
    operations of the graph that is being built."""
    return Graph(network, layout or Rows(), products or Products()).answer(input_ids, input_mask, segment_ids)


class Graph:
    """Builder of one network's operations; scopes have the names of layers."""

    def __init__(self, network: Network, layout: Layout, products: Products):
        self.network = network
        self.layout = layout
        self.products = products
        self.path: list[str] = []
        self._mask: Any = None
        self._segments: Any = None

    def answer(self, input_ids: Any, input_mask: Any, segment_ids: Any) -> dict[str, Any]:
        """The answer of the head, by its outputs."""
        network, layout = self.network, self.layout
        self._mask, self._segments = mask, segments = layout.ids(input_mask), layout.ids(segment_ids)
        with self._scope("embeddings"):
            x = self._embed(network.embeddings, layout.ids(input_ids), segments)
        shared = layout.masking(network.mask, mask) if network.mask.shared else None
        for number, block in enumerate(network.blocks, 1):
            with self._scope(f"block_{number}"):
                x = self.block(block, x, shared or layout.masking(network.mask, mask))
        return self._named(network.head, self._head(network.head, x))

    def _named(self, head: Head, x: Any) -> dict[str, Any]:
        if head.reads != EVERY_TOKEN:
            return {head.outputs[0]: self.layout.result(x)}
        x = self.layout.results(x)
        if len(head.outputs) == 1:
            return {head.outputs[0]: x}
        return {name: x[:, :, number] for number, name in enumerate(head.outputs)}

    def _mean(self, x: Any) -> Any:
        with self._scope("mean"):
            if self.network.head.reads == PAIR:
                return self.layout.means(x, self._mask, self._segments)
            return self.layout.mean(x, self._mask)

    def _pair(self, x: Any) -> Any:
        """Features [1, 4 H] of a pair, from its two rows."""
        u, v = self.layout.tokens(x, 0, 1), self.layout.tokens(x, 1, 2)
        # |u - v| from operators that files contain anyway, so that every runtime and delegate supports it.
        apart = tf.nn.relu(u - v) + tf.nn.relu(v - u)
        return tf.concat([u, v, apart, u * v], axis=-1)

    def _head(self, head: Head, x: Any) -> Any:
        last = self.network.blocks[-1]
        if head.reads in (MEAN, PAIR) and not last.mean_only:
            x = self._mean(x)
        elif head.reads == FIRST_TOKEN and not last.first_token_only:
            x = self.layout.tokens(x, 0, 1)
        if head.unit is not None:
            x = x * constant(head.unit)
        if head.pooler:
            with self._scope("pooler"):
                x = tf.tanh(self._dense(head.pooler, x))
        if head.reads == PAIR:
            with self._scope("pair"):
                x = self._pair(x)
        if head.dense:
            with self._scope("classifier"):
                return self._dense(head.dense, x)
        with self._scope("unit_length"):
            square = tf.reduce_sum(tf.square(x), axis=-1, keepdims=True)
            return x * tf.math.rsqrt(tf.maximum(square, LEAST_SQUARE))

    @contextlib.contextmanager
    def _scope(self, name: str) -> Iterator[None]:
        self.path.append(name)
        try:
            with tf.name_scope(name):
                yield
        finally:
            self.path.pop()

    def _dense(self, dense: Dense, x: Any, activation: str | None = None) -> Any:
        if dense.before is not None:
            x = self.products.scaled(x, dense.before)
        x = self.products.dense("/".join(self.path), dense, x, activation)
        return x if dense.after is None else self.products.scaled(x, dense.after)

    def _rows(self, name: str, table: Array, numbers: Any) -> Any:
        return self.products.rows("/".join([*self.path, name]), table, numbers)

    def _embed(self, embeddings: Embeddings, ids: Any, segments: Any) -> Any:
        layout = self.layout
        words = self._rows("words", embeddings.word_table, ids)
        if embeddings.trigram:
            padded = layout.surrounded(words)
            words = tf.concat([layout.tokens(padded, 2, None), words, layout.tokens(padded, None, -2)], axis=-1)
        if embeddings.projection:
            words = self._dense(embeddings.projection, layout.settled(words))
        if embeddings.joint_table is not None:
            joint = embeddings.joint_table
            _, positions, width = joint.shape
            rows = segments * positions + layout.places(ids)
            x = words + self._rows("places", functions(joint).reshape(joint, (-1, width)), rows)
        else:
            types = self._rows("types", embeddings.type_table, segments)
            x = words + types + constant(layout.table(embeddings.position_table[: ids.shape[-1]]))
        return _norm(embeddings.norm, layout.settled(x))

    def block(self, block: Block, x: Any, masking: Masking) -> Any:
        """The rows of one block from those of the block before, within its scope."""
        network, layout = self.network, self.layout

        def kept(rows: Any) -> Any:
            return layout.tokens(rows, None, 1) if block.first_token_only else rows

        joint_results: dict[str, Any] = {}

        def product(name: str, rows: Any) -> Any:
            """`rows` through the dense layer of this name, which may be part of a joint layer."""
            joint = next((joint for joint in block.joints if name in joint.names), None)
            if joint is None:
                with self._scope(name):
                    return self._dense(block.dense(name), rows)
            if name not in joint_results:
                with self._scope("_".join(joint.names)):
                    wide = self._dense(joint.dense, rows)
                widths = [block.dense(one).bias.shape[0] for one in joint.names]
                joint_results.update(zip(joint.names, layout.parts(wide, widths), strict=True))
            return joint_results[name]

        def bottleneck(name: str, rows: Any) -> Any:
            return _norm(getattr(block, name).norm, product(name, rows))

        # Narrow. The inner stream, unlike keys and values, needs only the rows that the block returns.
        if block.narrow_attention:
            query_key = value = bottleneck("input_bottleneck", x)
            inner = kept(value)
        else:
            query_key = bottleneck("query_key_bottleneck", x) if block.query_key_bottleneck else x
            value = x
            inner = bottleneck("input_bottleneck", kept(x)) if block.input_bottleneck else kept(x)
        # Attend.
        query = product("query", kept(query_key))
        if block.query_scale != 1.0:
            query = query * block.query_scale
        query = layout.heads(query, network.heads)
        key = layout.turned_heads(product("key", query_key), network.heads)
        values = product("value", value)
        with self._scope("attention"):
            scores = masking(tf.matmul(query, key))
            context = tf.matmul(tf.nn.softmax(scores), layout.heads(values, network.heads))
        with self._scope("attention_output"):
            inner = self._residual(block.attention_output, layout.merged(context), inner)
        # Feed forward.
        for number, feedforward in enumerate(block.feedforwards, 1):
            ends = block.mean_only and number == len(block.feedforwards)
            with self._scope(f"feedforward_{number}"):
                inner = self._feedforward(feedforward, inner, self._mean if ends else None)
        # Widen.
        if not block.output_bottleneck:
            return inner
        with self._scope("output_bottleneck"):
            return self._residual(block.output_bottleneck, inner, self._mean(x) if block.mean_only else kept(x))

    def _feedforward(self, feedforward: FeedForward, x: Any, taken: Callable[[Any], Any] | None) -> Any:
        """The feed-forward network; `taken` reduces the rows of hidden layer and residual, as to a mean."""
        with self._scope("intermediate"):
            hidden = self._dense(feedforward.intermediate, x, self.network.activation)
        if taken:
            hidden, x = taken(hidden), taken(x)
        with self._scope("output"):
            return self._residual(feedforward.output, hidden, x)

    def _residual(self, residual: Residual, x: Any, incoming: Any) -> Any:
        if residual.scale is not None:
            incoming = incoming * constant(residual.scale)
        return _norm(residual.norm, self._dense(residual.dense, x) + incoming)


def _norm(norm: Norm | None, x: Any) -> Any:
    if norm is None:
        return x
    if norm.epsilon is not None:
        centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        x = centred * tf.math.rsqrt(tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True) + norm.epsilon)
    return x * constant(norm.gamma) + constant(norm.beta)


def constant(values: Array) -> Any:
    """An array as a float32 constant of the graph; a tensor as it is."""
    return values if tf.is_tensor(values) else tf.constant(values, tf.float32)
