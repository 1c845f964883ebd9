"""A SavedModel of a fine-tuned network for one sequence length, with the weights as constants."""

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
from mobilebert_tf.litert.one_graph import signature_name
from mobilebert_tf.litert.runtime import LOGITS, PROBABILITIES
from mobilebert_tf.models import TaskModel
from mobilebert_tf.tasks.task import INPUTS

SHORTEST = 3
"""Shortest sequence length: [CLS], one word piece, [SEP]."""

BUCKETS = (32, 64, 128, 256)
"""Lengths that have signatures by default: a text takes the time of the shortest signature that it fits into."""

BUCKETS_OF_ONE_GRAPH = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384)
"""The same where all share one graph, so that a further length costs nothing."""


def parse_lengths(lengths: str | None, default: int, config: MobileBertConfig, one_graph: bool = False) -> list[int]:
    """Sequence lengths T of an export, in word pieces, shortest first.

    Args:
      lengths: comma-separated lengths; None or empty: `default` and the shorter ones of BUCKETS, or of
        BUCKETS_OF_ONE_GRAPH.
      default: longest length if none are given.
      config: config of the model, which limits the length.
      one_graph: whether they are to share one graph.

    Raises:
      UsageError: a length is not a number, is too short, is longer than the position table, or is named twice.
    """
    try:
        wanted = (
            sorted(int(word) for word in lengths.split(","))
            if lengths
            else [*(n for n in (BUCKETS_OF_ONE_GRAPH if one_graph else BUCKETS) if n < default), default]
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
    """Write a SavedModel with the signature of one length: int32 `input_ids`, `input_mask`, `segment_ids` [1, T]
    -> float32 [1, C], [1, H], [1, T] or [1, T, C] by the head's outputs, or `probabilities` [1, C] of a classifier for
    MediaPipe.

    The graph is not the Keras model's: it is built from the model's weights after the named `rewrites`, as constants.
    If Keras 3 variables are converted directly, the file contains READ_VARIABLE operations.

    Args:
      model: model to write.
      length: T.
      longest: longest T of the file; tables are cut to it, which makes them the same for all lengths.
      directory: directory of the SavedModel.
      rewrites: names of the rewrites to apply.
      target: one of TARGETS.
      breaks: as in `rewrite`.
      peaks: as in `rewrite`.
    """
    network = rewrite(read_network(model), longest, rewrites, breaks, peaks)
    signatures = {signature_name(length): _traced(network, length, target)}
    del network  # saving takes eight times the float32 weights
    # The converter needs no gradients, and custom gradients of such functions cannot be saved.
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
    """Products in the form that the converter needs."""

    def scaled(self, x: Any, factor: Array) -> Any:
        # A placeholder for a multiplication, which the converter would fuse; `flatbuffer.use_factors` puts it in place.
        return tf.raw_ops.FloorDiv(x=x, y=constant(factor))
