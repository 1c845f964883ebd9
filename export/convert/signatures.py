"""A fine-tuned network as a function of constants for one sequence length, in a SavedModel."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.export.recipes import TARGETS
from mobilebert_tf.export.rewrite.equalize import Peaks
from mobilebert_tf.export.rewrite.graph import Products, answer, constant
from mobilebert_tf.export.rewrite.layouts import Images, Rows
from mobilebert_tf.export.rewrite.network import Array, Network
from mobilebert_tf.export.rewrite.norms import Breaks
from mobilebert_tf.export.rewrite.read import read_network
from mobilebert_tf.export.rewrite.rules import REWRITES, rewrite
from mobilebert_tf.litert.runtime import LOGITS, PROBABILITIES
from mobilebert_tf.models import TaskModel
from mobilebert_tf.tasks.task import INPUTS

SHORTEST = 3
"""[CLS], one word piece, [SEP]."""

BUCKETS = (32, 64, 128, 256)
"""Lengths worth a signature of their own: a text takes the time of the shortest one that it fits in."""


def signature_name(length: int) -> str:
    """Name of the signature for inputs [1, length]."""
    return f"tokens_{length}"


def parse_lengths(lengths: str | None, default: int, config: MobileBertConfig) -> list[int]:
    """Sequence lengths T of an export, in word pieces, shortest first.

    Args:
      lengths: comma-separated; None or empty: `default`, and those of BUCKETS that are shorter.

    Raises:
      UsageError: one is not a number, is too short, is longer than the position table, or comes twice.
    """
    try:
        wanted = (
            sorted(int(word) for word in lengths.split(","))
            if lengths
            else [*(n for n in BUCKETS if n < default), default]
        )
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
    model: TaskModel,
    length: int,
    longest: int,
    directory: str | os.PathLike[str],
    rewrites: Sequence[str] = tuple(REWRITES),
    target: str = TARGETS[0],
    breaks: Breaks | None = None,
    peaks: Mapping[str, Peaks] | None = None,
) -> None:
    """A SavedModel with the signature of one length: int32 `input_ids`, `input_mask`, `segment_ids` [1, T]
    -> float32 [1, C], [1, H], [1, T] or [1, T, C] by the head's outputs, or `probabilities` [1, C] of a classifier for
    MediaPipe.

    Its graph is not the Keras model's. It is built from its weights after the named `rewrites`, which are
    constants in it. Converted as they are, Keras 3 variables leave READ_VARIABLE operations in the file.

    Args:
      model: what to write.
      length: T.
      longest: the longest T of the file; tables are cut to that, and so are the same for all lengths.
      directory: of the SavedModel.
      rewrites: names of those to apply.
      target: whom the file is for.
      breaks: as in `rewrite`.
      peaks: as in `rewrite`.
    """
    network = rewrite(read_network(model), longest, rewrites, breaks, peaks)
    signatures = {signature_name(length): _traced(network, length, target)}
    del network  # saving takes eight times the float32 weights
    # The converter has no use for gradients, and those of such functions cannot be saved.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(tf.Module(), str(Path(directory)), signatures=signatures, options=options)


def _traced(network: Network, length: int, target: str) -> Any:
    """The network as a function of its inputs [1, T]."""
    specs = [tf.TensorSpec((1, length), tf.int32, name=name) for name in INPUTS]

    @tf.function(input_signature=specs, autograph=False)
    def function(input_ids: Any, input_mask: Any, segment_ids: Any) -> dict[str, Any]:
        layout = Images() if target == "gpu" else Rows()
        result = answer(network, input_ids, input_mask, segment_ids, layout, _FileProducts())
        if target == "mediapipe" and LOGITS in result:
            return {PROBABILITIES: tf.nn.softmax(result[LOGITS])}
        return result

    return function.get_concrete_function()


class _FileProducts(Products):
    """Products for the converter."""

    def scaled(self, x: Any, factor: Array) -> Any:
        # `flatbuffer.use_factors` makes the multiplication of it that it stands for.
        return tf.raw_ops.FloorDiv(x=x, y=constant(factor))
