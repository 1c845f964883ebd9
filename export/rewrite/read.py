"""Keras model -> network."""

from __future__ import annotations

from typing import Any

import numpy as np

from mobilebert_tf.export.rewrite.network import (
    EVERY_TOKEN,
    FIRST_TOKEN,
    MEAN,
    PAIR,
    Block,
    Bottleneck,
    Dense,
    Embeddings,
    FeedForward,
    Head,
    Mask,
    Network,
    Norm,
    Residual,
    map_arrays,
)
from mobilebert_tf.layers.normalization import LayerNorm
from mobilebert_tf.models import EmbeddingModel, QuestionAnsweringModel, TaskModel, TokenClassificationModel


def read_network(model: TaskModel) -> Network:
    """The network of a Keras model in float64 as it was trained, without any rewrite."""
    return map_arrays(variables(model), lambda variable: np.asarray(variable, dtype=np.float64))


def variables(model: TaskModel) -> Network:
    """The network of a Keras model, with the model's own variables as its arrays.

    Parts that the answer does not need, such as dropout and other heads, are left out.
    """
    config, encoder = model.config, model.encoder
    embeddings = encoder.embeddings
    return Network(
        embeddings=Embeddings(
            word_table=embeddings.word_table,
            trigram=config.trigram_input,
            projection=_dense(embeddings.projection) if embeddings.projection else None,
            type_table=embeddings.type_table,
            position_table=embeddings.position_table,
            norm=_norm(embeddings.norm),
        ),
        blocks=tuple(_block(block) for block in encoder.blocks),
        head=_head(model),
        heads=config.num_attention_heads,
        activation=config.hidden_act,
        mask=Mask(config.mask_mode, config.mask_constant),
    )


def _head(model: TaskModel) -> Head:
    if isinstance(model, EmbeddingModel):
        return Head(("embedding",), MEAN)
    if isinstance(model, QuestionAnsweringModel):
        return Head(("start_logits", "end_logits"), EVERY_TOKEN, dense=_dense(model.answer_span.dense))
    if isinstance(model, TokenClassificationModel):
        return Head(("token_logits",), EVERY_TOKEN, dense=_dense(model.token_classifier.dense))
    pooler = model.encoder.pooler
    return Head(
        outputs=("score" if model.num_labels == 1 else "logits",),
        reads={"cls": FIRST_TOKEN, "mean": MEAN, "pair": PAIR}[model.config.classifier_pooling],
        pooler=_dense(pooler) if pooler else None,
        dense=_dense(model.classifier.dense),
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
    return Dense(layer.kernel, layer.bias)


def _norm(layer: Any) -> Norm:
    return Norm(layer.gamma, layer.beta, layer.epsilon if isinstance(layer, LayerNorm) else None)
