"""What the student takes over from the teacher before the first step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.layers.normalization import NoNorm
from mobilebert_tf.models import PretrainingModel


def check_pair(teacher: MobileBertConfig, student: MobileBertConfig) -> None:
    """Raise UsageError unless layer i of the student can be compared with layer i of the teacher."""
    for field in (
        "vocab_size",
        "hidden_size",
        "num_attention_heads",
        "num_hidden_layers",
        "embedding_size",
        "trigram_input",
        "type_vocab_size",
        "max_position_embeddings",
    ):
        ours, theirs = getattr(student, field), getattr(teacher, field)
        if ours != theirs:
            raise UsageError(
                f"teacher and student do not fit: {field} is {theirs} in the teacher and {ours} in the student"
            )


def initialize_student(student: PretrainingModel, teacher: PretrainingModel, batch: Mapping[str, Any]) -> None:
    """Copy embeddings and heads by name, and the embedding norm by meaning (paper §3.5).

    A LayerNorm divides by each token's own deviation, a NoNorm by nothing: with the
    same gamma and beta they are different functions. The student's gamma and beta
    are therefore set to the affine map that equals the teacher's norm for a token of average
    mean and deviation, measured on `batch`.
    """
    given = {variable.path: variable for variable in teacher.trainable_weights}
    for ours in student.trainable_weights:
        # Blocks differ in shape, and the embedding norm in meaning.
        if ours.path in given and not ours.path.startswith(("block_", "embeddings/norm/")):
            ours.assign(given[ours.path])
    source, target = teacher.encoder.embeddings.norm, student.encoder.embeddings.norm
    gamma, beta = ops.convert_to_numpy(source.gamma), ops.convert_to_numpy(source.beta)
    if isinstance(target, NoNorm) and not isinstance(source, NoNorm):
        mean, deviation = _embedding_statistics(teacher, batch)
        gamma, beta = gamma / deviation, beta - gamma * mean / deviation
    target.gamma.assign(gamma)
    target.beta.assign(beta)


def _embedding_statistics(model: PretrainingModel, batch: Mapping[str, Any]) -> tuple[float, float]:
    """Average over real tokens of the mean and the deviation of what the embedding norm is given."""
    x = ops.convert_to_numpy(model.encoder.embeddings.sum(batch["input_ids"], batch["segment_ids"])).astype(np.float64)
    real = ops.convert_to_numpy(batch["input_mask"]).astype(bool)
    return float(x.mean(axis=-1)[real].mean()), float(x.std(axis=-1)[real].mean())
