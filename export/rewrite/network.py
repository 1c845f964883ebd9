"""A trained classifier as plain arrays: what the rewrites take and give."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from mobilebert_tf.layers.normalization import LayerNorm
from mobilebert_tf.models import ClassificationModel


@dataclasses.dataclass(frozen=True)
class Dense:
    """x W + b: [R, in] -> [R, out]."""

    kernel: np.ndarray
    """[in, out]"""
    bias: np.ndarray
    """[out]"""


@dataclasses.dataclass(frozen=True)
class Norm:
    """gamma * x + beta per channel, of x as it is (NoNorm) or standardised over its channels (LayerNorm)."""

    gamma: np.ndarray
    beta: np.ndarray
    epsilon: float | None
    """Of LayerNorm's variance; None: NoNorm."""


@dataclasses.dataclass(frozen=True)
class Bottleneck:
    """norm(dense(x)): [R, H] -> [R, I]."""

    dense: Dense
    norm: Norm | None
    """None: nothing is left of it."""


@dataclasses.dataclass(frozen=True)
class Residual:
    """norm(dense(x) + scale * residual): [R, in] and [R, out] -> [R, out]."""

    dense: Dense
    norm: Norm | None
    scale: np.ndarray | None = None
    """[out]; None: one, so there is nothing to multiply."""


@dataclasses.dataclass(frozen=True)
class FeedForward:
    """norm(output(act(intermediate(x))) + x): [R, I] -> [R, I]."""

    intermediate: Dense
    output: Residual


@dataclasses.dataclass(frozen=True)
class Block:
    """x [T, H] -> feature map [T, H], or [1, H] with `first_token_only`."""

    input_bottleneck: Bottleneck | None
    query_key_bottleneck: Bottleneck | None
    narrow_attention: bool
    """Query, key and value read the input bottleneck."""
    query: Dense
    key: Dense
    value: Dense
    query_scale: float
    """The query is multiplied by it."""
    attention_output: Residual
    feedforwards: tuple[FeedForward, ...]
    output_bottleneck: Residual | None
    first_token_only: bool = False
    """Only the row of [CLS] comes out. Keys and values are still those of all tokens."""


@dataclasses.dataclass(frozen=True)
class Embeddings:
    """Ids and segments [T] -> [T, H]."""

    word_table: np.ndarray
    """[V, E]"""
    trigram: bool
    projection: Dense | None
    type_table: np.ndarray
    """[types, H]"""
    position_table: np.ndarray
    """[at least T, H]"""
    norm: Norm | None


@dataclasses.dataclass(frozen=True)
class Mask:
    """What becomes of the scores of padded keys."""

    mode: str
    """add: the constant is added to them. replace: it takes their place."""
    constant: float
    shared: bool = False
    """Made once for all blocks."""


@dataclasses.dataclass(frozen=True)
class Network:
    """A classifier: ids, mask and segments [T] -> logits [1, C]."""

    embeddings: Embeddings
    blocks: tuple[Block, ...]
    pooler: Dense | None
    """tanh(dense) on [CLS]."""
    classifier: Dense
    heads: int
    """N, of the attention."""
    activation: str
    mask: Mask


def read_network(model: ClassificationModel) -> Network:
    """The network of a Keras model, float64, as it was trained: no rewrite applied.

    What the classifier does not need, dropout and other heads, is not in it.
    """
    config, encoder = model.config, model.encoder
    embeddings = encoder.embeddings
    return Network(
        embeddings=Embeddings(
            word_table=_array(embeddings.word_table),
            trigram=config.trigram_input,
            projection=_dense(embeddings.projection) if embeddings.projection else None,
            type_table=_array(embeddings.type_table),
            position_table=_array(embeddings.position_table),
            norm=_norm(embeddings.norm),
        ),
        blocks=tuple(_block(block) for block in encoder.blocks),
        pooler=_dense(encoder.pooler) if encoder.pooler else None,
        classifier=_dense(model.classifier.dense),
        heads=config.num_attention_heads,
        activation=config.hidden_act,
        mask=Mask(config.mask_mode, config.mask_constant),
    )


def _block(block: Any) -> Block:
    attention = block.attention
    return Block(
        input_bottleneck=_bottleneck(block.input_bottleneck),
        query_key_bottleneck=_bottleneck(block.query_key_bottleneck),
        narrow_attention=block.config.use_bottleneck_attention and block.config.use_bottleneck,
        query=_dense(attention.query),
        key=_dense(attention.key),
        value=_dense(attention.value),
        query_scale=block.config.head_size**-0.5,
        attention_output=_residual(block.attention_output),
        feedforwards=tuple(
            FeedForward(_dense(one.intermediate), _residual(one.output_dense)) for one in block.feedforwards
        ),
        output_bottleneck=_residual(block.output_bottleneck) if block.config.use_bottleneck else None,
    )


def _bottleneck(layer: Any) -> Bottleneck | None:
    return Bottleneck(_dense(layer.dense), _norm(layer.norm)) if layer else None


def _residual(layer: Any) -> Residual:
    return Residual(_dense(layer.dense), _norm(layer.norm))


def _dense(layer: Any) -> Dense:
    return Dense(_array(layer.kernel), _array(layer.bias))


def _norm(layer: Any) -> Norm:
    return Norm(_array(layer.gamma), _array(layer.beta), layer.epsilon if isinstance(layer, LayerNorm) else None)


def _array(variable: Any) -> np.ndarray:
    return np.asarray(variable, dtype=np.float64)
