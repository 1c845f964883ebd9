"""The encoder with its heads: the models that are trained and stored in checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from mobilebert_tf.config import Heads, MobileBertConfig
from mobilebert_tf.encoder import MobileBertEncoder
from mobilebert_tf.heads import AnswerSpanHead, ClassificationHead, MaskedWordHead, NextSentenceHead
from mobilebert_tf.saving import PACKAGE, Configured


@keras.saving.register_keras_serializable(PACKAGE)
class PretrainingModel(Configured, keras.Model):
    """Encoder with the heads for masked words and next sentence, or those of the two that a checkpoint has."""

    def __init__(
        self,
        config: MobileBertConfig,
        seed: int = 0,
        masked_words: bool = True,
        next_sentence: bool = True,
        name: str = "pretraining",
    ):
        super().__init__(name=name)
        self.config = config
        self.seed = seed
        self.encoder = MobileBertEncoder(config, seed)
        self.masked_words = MaskedWordHead(config, name="masked_words") if masked_words else None
        self.next_sentence = NextSentenceHead(config, name="next_sentence") if next_sentence else None
        for head in (self.masked_words, self.next_sentence):
            if head:
                head.build(None)
        self.built = True

    @property
    def settings(self) -> dict[str, Any]:
        return {"seed": self.seed, **{name: name in self.heads.present for name in ("masked_words", "next_sentence")}}

    @property
    def heads(self) -> Heads:
        return Heads.of(name for name in ("masked_words", "next_sentence") if getattr(self, name))

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> dict[str, Any]:
        """The encoder's dict and the outputs of the heads that are present: `masked_word_logits` [B, P, V] at
        `inputs["masked_lm_positions"]` [B, P], and `next_sentence_logits` [B, 2]."""
        outputs = dict(self.encoder(inputs, training=training))
        if self.masked_words:
            outputs["masked_word_logits"] = self.word_logits(outputs["sequence_output"], inputs["masked_lm_positions"])
        if self.next_sentence:
            outputs["next_sentence_logits"] = self.next_sentence(outputs["pooled_output"])
        return outputs

    def word_logits(self, sequence_output, positions):
        """Word logits [B, P, V] at `positions` [B, P] of a feature map [B, T, H]."""
        assert self.masked_words
        return self.masked_words(sequence_output, positions, self.encoder.embeddings.word_table)


@keras.saving.register_keras_serializable(PACKAGE)
class ClassificationModel(Configured, keras.Model):
    """Encoder with a classification head: the mapping of the encoder's inputs -> logits [B, C]."""

    def __init__(self, config: MobileBertConfig, num_labels: int, seed: int = 0, name: str = "classification"):
        super().__init__(name=name)
        self.config = config
        self.seed = seed
        self.num_labels = num_labels
        self.encoder = MobileBertEncoder(config, seed)
        self.classifier = ClassificationHead(
            config, config.classifier_width, num_labels, self.encoder.generator, name="classifier"
        )
        self.classifier.build(None)
        self.built = True

    @property
    def settings(self) -> dict[str, Any]:
        return {"num_labels": self.num_labels, "seed": self.seed}

    @property
    def heads(self) -> Heads:
        return Heads.of(["classifier"], self.num_labels)

    def call(self, inputs: Mapping[str, Any], training: bool = False):
        return self.classifier(self.pooled(inputs, training), training=training)

    def pooled(self, inputs: Mapping[str, Any], training: bool = False):
        """The vectors that the head reads: [B, H], or [B, 4 H] if the pooling is "pair"."""
        outputs = self.encoder(inputs, training=training)
        pooling, real = self.config.classifier_pooling, inputs["input_mask"]
        if pooling == "cls":
            return outputs["pooled_output"]
        if pooling == "mean":
            return self._mean(outputs, real)
        second = real * inputs["segment_ids"]
        u, v = (self._mean(outputs, _own_or_all(text, real)) for text in (real - second, second))
        return ops.concatenate([u, v, ops.abs(u - v), u * v], axis=-1)

    def _mean(self, outputs: Mapping[str, Any], mask: Any):
        mean, pooler = mean_of_real(outputs["sequence_output"], mask), self.encoder.pooler
        return ops.tanh(pooler(mean)) if pooler else mean


@keras.saving.register_keras_serializable(PACKAGE)
class EmbeddingModel(Configured, keras.Model):
    """Encoder, then the mean of the last feature map over real tokens at unit length: the encoder's inputs -> [B, H].

    It has no weights of its own. Source: sentence-transformers, `Pooling` and `Normalize`.
    """

    def __init__(self, config: MobileBertConfig, seed: int = 0, name: str = "embedding"):
        super().__init__(name=name)
        self.config = config
        self.seed = seed
        self.encoder = MobileBertEncoder(config, seed)
        self.built = True

    @property
    def heads(self) -> Heads:
        return Heads()

    def call(self, inputs: Mapping[str, Any], training: bool = False):
        mean = mean_of_real(self.encoder(inputs, training=training)["sequence_output"], inputs["input_mask"])
        return mean * ops.rsqrt(ops.maximum(ops.sum(ops.square(mean), axis=-1, keepdims=True), LEAST_SQUARE))


def mean_of_real(rows, mask):
    """Mean of the vectors of real tokens: rows [B, T, H], mask [B, T] -> [B, H]."""
    real = ops.cast(mask, rows.dtype)[:, :, None]
    return ops.sum(rows * real, axis=1) / ops.maximum(ops.sum(real, axis=1), 1.0)


def _own_or_all(text, real):
    """The mask of a text's tokens, or of all real tokens if the text has none: masks [B, T]."""
    return ops.where(ops.any(text == 1, axis=1, keepdims=True), text, real)


LEAST_SQUARE = 1e-24
"""Lower bound of the squared length that a vector is normalised by: a vector of zeros stays one."""


@keras.saving.register_keras_serializable(PACKAGE)
class TokenClassificationModel(Configured, keras.Model):
    """Encoder with a head that labels every token: the mapping of the encoder's inputs -> logits [B, T, C]."""

    def __init__(self, config: MobileBertConfig, num_labels: int, seed: int = 0, name: str = "token_classification"):
        super().__init__(name=name)
        self.config = config
        self.seed = seed
        self.num_labels = num_labels
        self.encoder = MobileBertEncoder(config, seed)
        self.token_classifier = ClassificationHead(
            config, config.hidden_size, num_labels, self.encoder.generator, name="token_classifier"
        )
        self.token_classifier.build(None)
        self.built = True

    @property
    def settings(self) -> dict[str, Any]:
        return {"num_labels": self.num_labels, "seed": self.seed}

    @property
    def heads(self) -> Heads:
        return Heads.of(["token_classifier"], self.num_labels)

    def call(self, inputs: Mapping[str, Any], training: bool = False):
        output = self.encoder(inputs, training=training)["sequence_output"]
        rows = ops.reshape(output, (-1, self.config.hidden_size))
        logits = self.token_classifier(rows, training=training)
        return ops.reshape(logits, (*ops.shape(output)[:2], self.num_labels))


@keras.saving.register_keras_serializable(PACKAGE)
class QuestionAnsweringModel(Configured, keras.Model):
    """Encoder with a span head: the mapping of the encoder's inputs -> `start_logits`, `end_logits` [B, T]."""

    def __init__(self, config: MobileBertConfig, seed: int = 0, name: str = "question_answering"):
        super().__init__(name=name)
        self.config = config
        self.seed = seed
        self.encoder = MobileBertEncoder(config, seed)
        self.answer_span = AnswerSpanHead(config, name="answer_span")
        self.answer_span.build(None)
        self.built = True

    @property
    def heads(self) -> Heads:
        return Heads.of(["answer_span"])

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> dict[str, Any]:
        start, end = self.answer_span(self.encoder(inputs, training=training)["sequence_output"])
        return {"start_logits": start, "end_logits": end}


Model = PretrainingModel | ClassificationModel | EmbeddingModel | TokenClassificationModel | QuestionAnsweringModel
TaskModel = ClassificationModel | EmbeddingModel | TokenClassificationModel | QuestionAnsweringModel
"""The models that answer a task."""


def build_model(config: MobileBertConfig, heads: Heads, seed: int = 0) -> Model:
    """The model with these heads, freshly initialised."""
    if "classifier" in heads.present:
        return ClassificationModel(config, heads.labels, seed)
    if "token_classifier" in heads.present:
        return TokenClassificationModel(config, heads.labels, seed)
    if "answer_span" in heads.present:
        return QuestionAnsweringModel(config, seed)
    return PretrainingModel(
        config, seed, masked_words="masked_words" in heads.present, next_sentence="next_sentence" in heads.present
    )
