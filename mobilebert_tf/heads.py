"""The heads on top of the encoder: masked words, next sentence, classification, answer span."""

from __future__ import annotations

import keras
from keras import ops

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.layers.activation import activate
from mobilebert_tf.layers.dense import Dense, truncated_normal
from mobilebert_tf.layers.dropout import Dropout
from mobilebert_tf.layers.normalization import LayerNorm


class MaskedWordHead(keras.layers.Layer):
    """Word logits at P positions: sequence_output [B, T, H], positions [B, P] -> [B, P, V].

    The word table supplies the first `embedding_size` columns of the output matrix and
    an untied table the rest. The norm is a LayerNorm in every configuration.
    Source: google-research/mobilebert `run_pretraining.py`.
    """

    def __init__(self, config: MobileBertConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.dense = Dense(config.hidden_size, config, name="dense")
        self.norm = LayerNorm(config.layer_norm_eps, name="norm")

    def build(self, *_):
        config = self.config
        self.dense.build((None, config.hidden_size))
        self.norm.build((None, config.hidden_size))
        self.bias = self.add_weight(name="bias", shape=(config.vocab_size,), initializer="zeros")
        extra = config.hidden_size - config.embedding_size
        self.extra_table = (
            self.add_weight(name="extra_table", shape=(config.vocab_size, extra), initializer=truncated_normal(config))
            if extra
            else None
        )

    def call(self, sequence_output, positions, word_table):
        """Logits [B, P, V] of the words at `positions`; `word_table` [V, E] is the encoder's."""
        picked = ops.take_along_axis(sequence_output, positions[:, :, None], axis=1)
        picked = ops.reshape(picked, (-1, self.config.hidden_size))  # [B P, H]
        x = self.norm(activate(self.config.hidden_act, self.dense(picked)))
        width = self.config.embedding_size
        logits = ops.matmul(x[..., :width], ops.transpose(word_table))
        if self.extra_table is not None:
            logits = logits + ops.matmul(x[..., width:], ops.transpose(self.extra_table))
        return ops.reshape(logits + self.bias, (*ops.shape(positions), self.config.vocab_size))


class NextSentenceHead(keras.layers.Layer):
    """pooled_output [B, H] -> logits [B, 2]; class 0: the second text follows the first, class 1: it is random."""

    def __init__(self, config: MobileBertConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.dense = Dense(2, config, name="dense")

    def build(self, *_):
        self.dense.build((None, self.config.hidden_size))

    def call(self, pooled_output):
        return self.dense(pooled_output)


class ClassificationHead(keras.layers.Layer):
    """Dropout, then a dense layer, on rows: vectors [R, width] -> logits [R, C]; a row is a text or a token."""

    def __init__(
        self, config: MobileBertConfig, width: int, num_labels: int, generator: keras.random.SeedGenerator, **kwargs
    ):
        super().__init__(**kwargs)
        self.width = width
        self.dropout = Dropout(config.classifier_dropout_prob, generator, name="dropout")
        self.dense = Dense(num_labels, config, name="dense")

    def build(self, *_):
        self.dense.build((None, self.width))

    def call(self, x, training: bool = False):
        return self.dense(self.dropout(x, training=training))


class AnswerSpanHead(keras.layers.Layer):
    """sequence_output [B, T, H] -> start and end logits, each [B, T]. No dropout, as in `run_squad.py`."""

    def __init__(self, config: MobileBertConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.dense = Dense(2, config, name="dense")

    def build(self, *_):
        self.dense.build((None, self.config.hidden_size))

    def call(self, sequence_output):
        batch, length, width = ops.shape(sequence_output)
        logits = ops.reshape(self.dense(ops.reshape(sequence_output, (-1, width))), (batch, length, 2))
        return logits[..., 0], logits[..., 1]
