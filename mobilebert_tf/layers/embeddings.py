"""Input embeddings: word trigrams projected to the width between blocks, plus position and type."""

from __future__ import annotations

import keras
from keras import ops

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.layers.dense import Dense, truncated_normal
from mobilebert_tf.layers.dropout import Dropout
from mobilebert_tf.layers.normalization import make_norm


class Embeddings(keras.layers.Layer):
    """Embeddings: input_ids [B, T], segment_ids [B, T] -> [B T, H], tokens as rows.

    Paper §3.1, "embedding factorization". The trigram is (next, this, previous), with zeros past
    either end: the rows of the projection in the released checkpoints are in this order.
    """

    def __init__(self, config: MobileBertConfig, generator: keras.random.SeedGenerator, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.projection = Dense(config.hidden_size, config, name="projection") if config.projects_embeddings else None
        self.norm = make_norm(config, "norm", config.inner_norm_eps)
        self.dropout = Dropout(config.hidden_dropout_prob, generator, name="dropout")

    def build(self, input_shape):
        config = self.config
        initializer = truncated_normal(config)

        def table(name: str, rows: int, width: int):
            return self.add_weight(name=name, shape=(rows, width), initializer=initializer)

        self.word_table = table("word_table", config.vocab_size, config.embedding_size)
        self.position_table = table("position_table", config.max_position_embeddings, config.hidden_size)
        self.type_table = table("type_table", config.type_vocab_size, config.hidden_size)
        if self.projection:
            self.projection.build((None, config.embedding_size * (3 if config.trigram_input else 1)))
        self.norm.build((None, config.hidden_size))

    def call(self, input_ids, segment_ids, training: bool = False):
        x = ops.reshape(self.sum(input_ids, segment_ids), (-1, self.config.hidden_size))
        return self.dropout(self.norm(x), training=training)

    def sum(self, input_ids, segment_ids):
        """The sum of word, type and position vectors, before the norm: [B, T, H]."""
        words = ops.take(self.word_table, input_ids, axis=0)
        if self.config.trigram_input:
            following = ops.pad(words[:, 1:], [[0, 0], [0, 1], [0, 0]])
            preceding = ops.pad(words[:, :-1], [[0, 0], [1, 0], [0, 0]])
            words = ops.concatenate([following, words, preceding], axis=-1)
        batch, length = ops.shape(input_ids)
        if self.projection:
            words = self.projection(ops.reshape(words, (-1, words.shape[-1])))
        x = ops.reshape(words, (batch, length, self.config.hidden_size))
        # A product with one-hot rows instead of a gather: its gradient is a matmul, whereas
        # the gradient of a gather from two rows is a serial scatter.
        types = ops.one_hot(segment_ids, self.config.type_vocab_size, dtype=x.dtype)
        return x + ops.matmul(types, self.type_table) + self.position_table[:length]
