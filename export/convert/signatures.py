"""A SavedModel of a fine-tuned network for one sequence length, with the weights as constants."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

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
