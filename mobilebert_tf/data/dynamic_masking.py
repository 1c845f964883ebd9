"""Masks made while records are read, with TensorFlow Text: each epoch gets different ones.

All randomness is a function of a seed given with the batch, so a resumed run
gets the same masks as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_text as text

from mobilebert_tf.data.masking import MASK_SHARE, RANDOM_SHARE, Pieces


class StatelessMaskValues(text.MaskValuesChooser):
    """A `MaskValuesChooser` whose draws depend only on `seed`, and that never inserts a special token."""

    def __init__(self, pieces: Pieces, seed: Any) -> None:
        super().__init__(len(pieces.inside_word), pieces.mask, MASK_SHARE, RANDOM_SHARE)
        self._ordinary = tf.constant(pieces.ordinary, tf.int32)
        self._seed = seed

    def get_mask_values(self, masked_lm_ids: Any) -> Any:
        """Values for ragged ids [B, (P)] of chosen pieces."""
        flat = masked_lm_ids.flat_values
        which, replacement = tf.unstack(tf.random.split(self._seed, 2))
        draw = tf.random.stateless_uniform(tf.shape(flat), which)
        count = tf.size(self._ordinary)
        index = tf.random.stateless_uniform(tf.shape(flat), replacement, maxval=count, dtype=tf.int32)
        values = tf.where(draw < MASK_SHARE + RANDOM_SHARE, tf.gather(self._ordinary, index), flat)
        return masked_lm_ids.with_flat_values(tf.where(draw < MASK_SHARE, self.mask_token, values))


def mask_pairs(
    pairs: Mapping[str, Any], pieces: Pieces, seed: Any, share: float, max_seq_length: int, max_predictions: int
) -> dict[str, Any]:
    """The masked examples, named as in `records.FEATURES`, of pairs of segments: ragged int32 [B, (n)].

    With an empty second segment, the first stands alone: [CLS] A [SEP].

    Args:
      seed: int32 [2]; together with the pairs it decides every mask.
      share: share of a sequence's pieces, without special tokens, to choose; their number is rounded up.
    """
    choice, values = tf.unstack(tf.random.split(seed, 2))

    def shuffle(positions: Any) -> Any:
        # Called once per row. Positions are numbered through all rows, so their sum differs between rows.
        row = tf.random.fold_in(choice, tf.reduce_sum(positions))
        return tf.random.experimental.stateless_shuffle(positions, row)

    segments = [pairs["first_segment"], pairs["second_segment"]]
    ids, segment_ids = text.combine_segments(segments, start_of_sequence_id=pieces.cls, end_of_segment_id=pieces.sep)
    alone = pairs["second_segment"].row_lengths() == 0
    ids, segment_ids = (_shortened(ragged, alone) for ragged in (ids, segment_ids))
    selector = text.RandomItemSelector(max_predictions, share, [pieces.cls, pieces.sep], shuffle)
    masked, positions, labels = text.mask_language_model(ids, selector, StatelessMaskValues(pieces, values))
    input_ids, input_mask = text.pad_model_inputs(masked, max_seq_length)
    segment_ids, _ = text.pad_model_inputs(segment_ids, max_seq_length)
    positions, weights = text.pad_model_inputs(positions, max_predictions)
    labels, _ = text.pad_model_inputs(labels, max_predictions)
    batch = pairs["next_sentence_labels"].shape[0]

    def static(tensor: Any, length: int, dtype: tf.DType = tf.int32) -> Any:
        return tf.ensure_shape(tf.cast(tensor, dtype), [batch, length])

    return {
        "input_ids": static(input_ids, max_seq_length),
        "input_mask": static(input_mask, max_seq_length),
        "segment_ids": static(segment_ids, max_seq_length),
        "masked_lm_positions": static(positions, max_predictions),
        "masked_lm_ids": static(labels, max_predictions),
        "masked_lm_weights": static(weights, max_predictions, tf.float32),
        "next_sentence_labels": pairs["next_sentence_labels"],
    }


def _shortened(ragged: Any, shorter: Any) -> Any:
    """The rows [B, (n)], without the last item of those marked in `shorter` [B]."""
    lengths = ragged.row_lengths()
    return tf.RaggedTensor.from_tensor(ragged.to_tensor(), lengths=lengths - tf.cast(shorter, lengths.dtype))
