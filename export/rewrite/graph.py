"""A network as a TensorFlow graph for one sequence length, in the operations the converter maps best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from mobilebert_tf.export.rewrite.layouts import Layout, Masking, Rows
from mobilebert_tf.export.rewrite.network import (
    Block,
    Dense,
    Embeddings,
    FeedForward,
    Network,
    Norm,
    Residual,
)

# Written so that the converter makes one operation of each; relu and relu6 join the product before them.
_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "relu": tf.nn.relu,
    "relu6": tf.nn.relu6,
    "gelu": lambda x: tf.nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: tf.nn.gelu(x, approximate=True),
}


def logits(network: Network, input_ids: Any, input_mask: Any, segment_ids: Any, layout: Layout | None = None) -> Any:
    """float32 [1, C] of int32 [1, T] each, as operations of the graph that is being built."""
    layout = layout or Rows()
    mask = layout.ids(input_mask)
    with tf.name_scope("embeddings"):
        x = _embed(network.embeddings, layout.ids(input_ids), layout.ids(segment_ids), layout)
    shared = layout.masking(network.mask, mask) if network.mask.shared else None
    for number, block in enumerate(network.blocks, 1):
        with tf.name_scope(f"block_{number}"):
            x = _block(block, x, shared or layout.masking(network.mask, mask), network, layout)
    first = x if network.blocks[-1].first_token_only else layout.tokens(x, 0, 1)
    if network.pooler:
        with tf.name_scope("pooler"):
            first = tf.tanh(_dense(network.pooler, first))
    with tf.name_scope("classifier"):
        return layout.result(_dense(network.classifier, first))


def _embed(embeddings: Embeddings, ids: Any, segments: Any, layout: Layout) -> Any:
    words = tf.gather(_constant(embeddings.word_table), ids)
    if embeddings.trigram:
        padded = layout.surrounded(words)
        words = tf.concat([layout.tokens(padded, 2, None), words, layout.tokens(padded, None, -2)], axis=-1)
    if embeddings.projection:
        words = _dense(embeddings.projection, words)
    if embeddings.joint_table is not None:
        _, positions, width = embeddings.joint_table.shape
        rows = segments * positions + tf.range(ids.shape[-1])
        x = words + tf.gather(_constant(embeddings.joint_table.reshape(-1, width)), rows)
    else:
        types = tf.gather(_constant(embeddings.type_table), segments)
        x = words + types + _constant(layout.table(embeddings.position_table[: ids.shape[-1]]))
    return _norm(embeddings.norm, x)


def _block(block: Block, x: Any, masking: Masking, network: Network, layout: Layout) -> Any:
    def kept(rows: Any) -> Any:
        return layout.tokens(rows, None, 1) if block.first_token_only else rows

    made: dict[str, Any] = {}

    def product(name: str, rows: Any) -> Any:
        """`rows` through the dense layer of this name, which may be part of a joint one."""
        joint = next((joint for joint in block.joints if name in joint.names), None)
        if joint is None:
            with tf.name_scope(name):
                return _dense(block.dense(name), rows)
        if name not in made:
            with tf.name_scope("_".join(joint.names)):
                wide, start = _dense(joint.dense, rows), 0
            for one in joint.names:
                width = block.dense(one).bias.size
                made[one] = layout.channels(wide, start, start + width)
                start += width
        return made[name]

    def bottleneck(name: str, rows: Any) -> Any:
        return _norm(getattr(block, name).norm, product(name, rows))

    # Narrow. Of the inner stream alone the rows that come out are needed.
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
    with tf.name_scope("attention"):
        scores = masking(tf.matmul(query, key))
        context = tf.matmul(tf.nn.softmax(scores), layout.heads(product("value", value), network.heads))
    with tf.name_scope("attention_output"):
        inner = _residual(block.attention_output, layout.merged(context), inner)
    # Feed forward.
    for number, feedforward in enumerate(block.feedforwards, 1):
        with tf.name_scope(f"feedforward_{number}"):
            inner = _feedforward(feedforward, inner, network.activation)
    # Widen.
    if not block.output_bottleneck:
        return inner
    with tf.name_scope("output_bottleneck"):
        return _residual(block.output_bottleneck, inner, kept(x))


def _feedforward(feedforward: FeedForward, x: Any, activation: str) -> Any:
    with tf.name_scope("intermediate"):
        hidden = _ACTIVATIONS[activation](_dense(feedforward.intermediate, x))
    with tf.name_scope("output"):
        return _residual(feedforward.output, hidden, x)


def _residual(residual: Residual, x: Any, incoming: Any) -> Any:
    if residual.scale is not None:
        incoming = incoming * _constant(residual.scale)
    return _norm(residual.norm, _dense(residual.dense, x) + incoming)


def _norm(norm: Norm | None, x: Any) -> Any:
    if norm is None:
        return x
    if norm.epsilon is not None:
        centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
        x = centred * tf.math.rsqrt(tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True) + norm.epsilon)
    return x * _constant(norm.gamma) + _constant(norm.beta)


def _dense(dense: Dense, x: Any) -> Any:
    product = tf.matmul(x, _constant(dense.kernel))
    return product + _constant(dense.bias) if dense.bias.any() else product


def _constant(values: np.ndarray) -> Any:
    return tf.constant(values, tf.float32)
