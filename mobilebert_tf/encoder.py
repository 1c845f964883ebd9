"""The encoder: one class for teacher and student, MobileBERT and BERT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.layers.block import Block
from mobilebert_tf.layers.dense import Dense
from mobilebert_tf.layers.embeddings import Embeddings
from mobilebert_tf.layers.shared_trace import SharedTrace
from mobilebert_tf.saving import PACKAGE, Configured


@keras.saving.register_keras_serializable(PACKAGE)
class MobileBertEncoder(Configured, keras.Model):
    """Embeddings, L blocks, pooler.

    Called with a mapping of int32 tensors [B, T] — `input_ids`, `input_mask` (1 real,
    0 padding), `segment_ids` — it returns a dict:

      sequence_output   [B, T, H]  the last feature map
      pooled_output     [B, H]     its [CLS] vector, through tanh(dense) if the config says so
      feature_maps      L + 1 tensors [B, T, H], the embeddings first
      attention_scores  L tensors [B, N, T, T], scaled and masked, before the softmax
      queries_keys_values  L times three tensors [B, T, I], before they are split into heads

    Source: paper §3; google-research/mobilebert `modeling.py` for what the paper leaves open.
    """

    def __init__(self, config: MobileBertConfig, seed: int = 0, name: str = "encoder"):
        """`seed`: seed of the dropout sequence; initial weights depend on `keras.utils.set_random_seed` instead."""
        super().__init__(name=name)
        self.config = config
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self.embeddings = Embeddings(config, self.generator, name="embeddings")
        self.blocks = [Block(config, self.generator, name=f"block_{i}") for i in range(config.num_hidden_layers)]
        self.run_block = SharedTrace(self.blocks[0], self.generator)
        self.pooler = Dense(config.hidden_size, config, name="pooler") if config.classifier_activation else None

        self.embeddings.build(None)
        for block in self.blocks:
            block.build(None)
        if self.pooler:
            self.pooler.build((None, config.hidden_size))
        self.built = True

    def call(
        self,
        inputs: Mapping[str, Any],
        training: bool = False,
        num_layers: int | None = None,
    ) -> dict[str, Any]:
        """Return the dict that the class describes. With `num_layers`, only that many blocks are computed."""
        mask = inputs["input_mask"]
        shape = (*keras.ops.shape(mask), self.config.hidden_size)
        inner_shape = (*shape[:2], self.config.intra_bottleneck_size)
        x = self.embeddings(inputs["input_ids"], inputs["segment_ids"], training=training)
        feature_maps, attention_scores, projections = [keras.ops.reshape(x, shape)], [], []
        for block in self.blocks[:num_layers]:
            x, scores, projected = self.run_block(block, x, mask, training=training)
            feature_maps.append(keras.ops.reshape(x, shape))
            attention_scores.append(scores)
            projections.append(tuple(keras.ops.reshape(rows, inner_shape) for rows in projected))
        cls_vector = feature_maps[-1][:, 0]
        return {
            "sequence_output": feature_maps[-1],
            "pooled_output": keras.ops.tanh(self.pooler(cls_vector)) if self.pooler else cls_vector,
            "feature_maps": feature_maps,
            "attention_scores": attention_scores,
            "queries_keys_values": projections,
        }
