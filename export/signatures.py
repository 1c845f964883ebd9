"""A classifier as functions of constants, one per sequence length, in one SavedModel."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.export.rewrite.graph import logits
from mobilebert_tf.export.rewrite.network import Network
from mobilebert_tf.export.rewrite.read import read_network
from mobilebert_tf.export.rewrite.rules import REWRITES, rewrite
from mobilebert_tf.export.runtime import INPUTS, OUTPUT
from mobilebert_tf.models import ClassificationModel

SHORTEST = 3
"""[CLS], one word piece, [SEP]."""


def signature_name(length: int) -> str:
    """Name of the signature for inputs [1, length]."""
    return f"tokens_{length}"


def parse_lengths(lengths: str | None, default: int, config: MobileBertConfig) -> list[int]:
    """Sequence lengths T of an export, in word pieces, shortest first.

    Args:
      lengths: comma-separated; None or empty: `default` alone.

    Raises:
      UsageError: one is not a number, is too short, is longer than the position table, or comes twice.
    """
    try:
        wanted = sorted(int(word) for word in lengths.split(",")) if lengths else [default]
    except ValueError:
        raise UsageError(f"--sequence_lengths={lengths}: must be whole numbers, such as 32,64,128") from None
    if len(set(wanted)) < len(wanted):
        raise UsageError(f"--sequence_lengths={lengths}: names a length twice")
    if wanted[0] < SHORTEST:
        raise UsageError(f"--sequence_lengths={lengths}: {wanted[0]} is too short; [CLS] text [SEP] needs {SHORTEST}")
    if wanted[-1] > config.max_position_embeddings:
        raise UsageError(
            f"--sequence_lengths: {wanted[-1]} word pieces do not fit this model, "
            f"whose position table ends at {config.max_position_embeddings}"
        )
    return wanted


def write_saved_model(
    model: ClassificationModel,
    lengths: Sequence[int],
    directory: str | os.PathLike[str],
    rewrites: Sequence[str] = tuple(REWRITES),
) -> None:
    """A SavedModel with one signature per length: int32 `input_ids`, `input_mask`,
    `segment_ids` [1, T] -> float32 `logits` [1, C].

    The graphs are not the Keras model's. They are built from its weights after the named
    `rewrites`, which are constants in them: equal ones the converter stores once. Converted
    as they are, Keras 3 variables leave READ_VARIABLE operations in the file.
    """
    network = read_network(model)
    signatures = {signature_name(length): _graph(network, length, rewrites) for length in lengths}
    # The converter has no use for gradients, and those of such functions cannot be saved.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(tf.Module(), str(Path(directory)), signatures=signatures, options=options)


def _graph(network: Network, length: int, rewrites: Sequence[str]) -> Any:
    rewritten = rewrite(network, length, rewrites)
    specs = [tf.TensorSpec((1, length), tf.int32, name=name) for name in INPUTS]

    @tf.function(input_signature=specs)
    def function(input_ids: Any, input_mask: Any, segment_ids: Any) -> dict[str, Any]:
        return {OUTPUT: logits(rewritten, input_ids, input_mask, segment_ids)}

    return function.get_concrete_function()
