"""The encoder with its heads, as the training stages use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.encoder import MobileBertEncoder
from mobilebert_tf.heads import ClassificationHead, MaskedWordHead, NextSentenceHead


class PretrainingModel(keras.Model):
    """Encoder with the heads for masked words and next sentence."""

    def __init__(self, config: MobileBertConfig, seed: int = 0, name: str = "pretraining"):
        super().__init__(name=name)
        self.config = config
        self.encoder = MobileBertEncoder(config, seed)
        self.masked_words = MaskedWordHead(config, name="masked_words")
        self.next_sentence = NextSentenceHead(config, name="next_sentence")
        self.masked_words.build(None)
        self.next_sentence.build(None)
        self.built = True

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> dict[str, Any]:
        """The encoder's dict, with `masked_word_logits` [B, P, V] at
        `inputs["masked_lm_positions"]` [B, P] and `next_sentence_logits` [B, 2]."""
        outputs = self.encoder(inputs, training=training)
        return {
            **outputs,
            "masked_word_logits": self.word_logits(outputs["sequence_output"], inputs["masked_lm_positions"]),
            "next_sentence_logits": self.next_sentence(outputs["pooled_output"]),
        }

    def word_logits(self, sequence_output, positions):
        """Logits [B, P, V] at `positions` [B, P] of a feature map [B, T, H]."""
        return self.masked_words(sequence_output, positions, self.encoder.embeddings.word_table)


class ClassificationModel(keras.Model):
    """Encoder with a classification head: the mapping of the encoder's inputs -> logits [B, C]."""

    def __init__(self, config: MobileBertConfig, num_labels: int, seed: int = 0, name: str = "classification"):
        super().__init__(name=name)
        self.config = config
        self.num_labels = num_labels
        self.encoder = MobileBertEncoder(config, seed)
        self.classifier = ClassificationHead(config, num_labels, self.encoder.generator, name="classifier")
        self.classifier.build(None)
        self.built = True

    def call(self, inputs: Mapping[str, Any], training: bool = False):
        pooled = self.encoder(inputs, training=training)["pooled_output"]
        return self.classifier(pooled, training=training)
