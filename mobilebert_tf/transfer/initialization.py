"""The student's initial weights: those it copies from the teacher before the first step."""

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
"""Number of records that the embedding norm is measured on: fixed, so that the initial student does not depend on the
batch size."""


def initialize_student(student: PretrainingModel, teacher: PretrainingModel, batch: Mapping[str, Any]) -> None:
    """Copy embeddings and heads by name, and the embedding norm by its function (paper §3.5).

    A LayerNorm divides by each token's own deviation, a NoNorm does not divide: with the
    same gamma and beta they are different functions. The student's gamma and beta
    are therefore set to the affine map that equals the teacher's norm for a token of average
    mean and deviation, measured on `batch`.

    If the teacher's word table is wider than the student's, the student gets its principal components,
    and a projection that reconstructs the table from them.
    """
    teacher_weights = {variable.path: variable for variable in teacher.trainable_weights}
    if takes_principal_components(teacher.config, student.config):
        _give_principal_components(teacher_weights.pop("embeddings/word_table"), student)
    for weight in student.trainable_weights:
        # Blocks differ in shape between the two, and embedding norms in the function they compute.
        if weight.path in teacher_weights and not weight.path.startswith(("block_", "embeddings/norm/")):
            weight.assign(teacher_weights[weight.path])
    source, target = teacher.encoder.embeddings.norm, student.encoder.embeddings.norm
    gamma, beta = ops.convert_to_numpy(source.gamma), ops.convert_to_numpy(source.beta)
    if isinstance(target, NoNorm) and not isinstance(source, NoNorm):
        mean, deviation = _embedding_statistics(teacher, batch)
        gamma, beta = gamma / deviation, beta - gamma * mean / deviation
    target.gamma.assign(gamma)
    target.beta.assign(beta)


def go_on_from(student: PretrainingModel, before: PretrainingModel) -> None:
    """Copy the weights of an earlier student of the same configuration into `student`.

    Raises:
      UsageError: the earlier student lacks a head that is to be trained.
    """
    earlier_weights = {variable.path: variable for variable in before.trainable_weights}
    for weight in student.trainable_weights:
        if weight.path not in earlier_weights:
            raise UsageError(f"the student to go on from has no {weight.path.split('/')[0]}, which the plan trains")
        weight.assign(earlier_weights[weight.path])


def _give_principal_components(table: Any, student: PretrainingModel) -> None:
    """Set word table and projection so that their product is the best approximation of its rank to `table` [V, H]."""
    rows = ops.convert_to_numpy(table).astype(np.float64)
    mean = rows.mean(axis=0)
    width, embeddings = student.config.embedding_size, student.encoder.embeddings
    assert embeddings.projection
    # `eigh` returns eigenvectors in rising order of eigenvalue: the last ones carry the most variance.
    components = np.linalg.eigh(np.cov(rows, rowvar=False))[1][:, ::-1][:, :width]
    kernel = np.zeros(embeddings.projection.kernel.shape)
    # A trigram is (next, this, previous); at first only this word counts.
    start = width if student.config.trigram_input else 0
    kernel[start : start + width] = components.T
    embeddings.word_table.assign((rows - mean) @ components)
    embeddings.projection.kernel.assign(kernel)
    embeddings.projection.bias.assign(mean)


def _embedding_statistics(model: PretrainingModel, batch: Mapping[str, Any]) -> tuple[float, float]:
    """Mean and deviation over channels of the embedding norm's input, averaged over real tokens."""
    x = ops.convert_to_numpy(model.encoder.embeddings.sum(batch["input_ids"], batch["segment_ids"])).astype(np.float64)
    real = ops.convert_to_numpy(batch["input_mask"]).astype(bool)
    return float(x.mean(axis=-1)[real].mean()), float(x.std(axis=-1)[real].mean())
