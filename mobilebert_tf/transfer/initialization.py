"""What the student takes over from the teacher before the first step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from mobilebert_tf.errors import UsageError
from mobilebert_tf.layers.normalization import NoNorm
from mobilebert_tf.models import PretrainingModel
from mobilebert_tf.transfer.pairing import takes_principal_components

EXAMPLES = 64
"""How many records the embedding norm is measured on. Two runs of other batches begin with the same student."""


def initialize_student(student: PretrainingModel, teacher: PretrainingModel, batch: Mapping[str, Any]) -> None:
    """Copy embeddings and heads by name, and the embedding norm by meaning (paper §3.5).

    A LayerNorm divides by each token's own deviation, a NoNorm by nothing: with the
    same gamma and beta they are different functions. The student's gamma and beta
    are therefore set to the affine map that equals the teacher's norm for a token of average
    mean and deviation, measured on `batch`.

    Of a word table wider than the student's, it gets the principal components; its
    projection puts them back.
    """
    given = {variable.path: variable for variable in teacher.trainable_weights}
    if takes_principal_components(teacher.config, student.config):
        _give_principal_components(given.pop("embeddings/word_table"), student)
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


def go_on_from(student: PretrainingModel, before: PretrainingModel) -> None:
    """Give `student` the weights of an earlier one of the same configuration.

    Raises:
      UsageError: that one lacks a head which is to be trained.
    """
    given = {variable.path: variable for variable in before.trainable_weights}
    for ours in student.trainable_weights:
        if ours.path not in given:
            raise UsageError(f"the student to go on from has no {ours.path.split('/')[0]}, which the plan trains")
        ours.assign(given[ours.path])


def _give_principal_components(table: Any, student: PretrainingModel) -> None:
    """Set word table and projection so that their product is the best of its rank to `table` [V, H]."""
    rows = ops.convert_to_numpy(table).astype(np.float64)
    mean = rows.mean(axis=0)
    width, embeddings = student.config.embedding_size, student.encoder.embeddings
    assert embeddings.projection
    # Eigenvectors of the covariance in rising order: the last ones carry the most.
    components = np.linalg.eigh(np.cov(rows, rowvar=False))[1][:, ::-1][:, :width]
    kernel = np.zeros(embeddings.projection.kernel.shape)
    # A trigram is (next, this, previous); it begins as this word alone.
    start = width if student.config.trigram_input else 0
    kernel[start : start + width] = components.T
    embeddings.word_table.assign((rows - mean) @ components)
    embeddings.projection.kernel.assign(kernel)
    embeddings.projection.bias.assign(mean)


def _embedding_statistics(model: PretrainingModel, batch: Mapping[str, Any]) -> tuple[float, float]:
    """Average over real tokens of the mean and the deviation of what the embedding norm is given."""
    x = ops.convert_to_numpy(model.encoder.embeddings.sum(batch["input_ids"], batch["segment_ids"])).astype(np.float64)
    real = ops.convert_to_numpy(batch["input_mask"]).astype(bool)
    return float(x.mean(axis=-1)[real].mean()), float(x.std(axis=-1)[real].mean())
