"""SavedModel -> bytes of a float32 `.tflite` file, by TensorFlow's converter."""

from __future__ import annotations

import logging
import os
import warnings

import tensorflow as tf

from mobilebert_tf import quiet
from mobilebert_tf.errors import FailedError, first_line
from mobilebert_tf.litert import flatbuffer
from mobilebert_tf.litert.runtime import LOGITS, PROBABILITIES
from mobilebert_tf.tasks.task import PER_TOKEN

_SCOPES = {b"embedding": b"unit_length/"} | {name.encode(): b"answer/" for name in PER_TOKEN}
"""Scopes of the operators that make an output, where it is not the classifier's."""


def convert(saved_model: str | os.PathLike[str]) -> bytes:
    """The file's content, with the operators of every LiteRT build and no others; rows of tables are looked up.

    Raises:
      FailedError: the converter refused; the message has its first reason.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    # Builtins alone: with Flex or custom operators an app needs a runtime of its own.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    failure = None
    with quiet.native_stderr_hidden(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        try:
            content = converter.convert()
        except Exception as error:  # ConverterError, but also RuntimeError and ValueError
            failure = error
    if failure is None:
        model = flatbuffer.read(content)
        flatbuffer.use_lookups(model)
        flatbuffer.use_factors(model)
        # The converter calls the result by the function's name, and recipes name layers.
        graph = model.subgraphs[0]
        outputs = model.signatureDefs[0].outputs
        for output in outputs:
            graph.tensors[output.tensorIndex].name = _SCOPES.get(output.name, b"classifier/") + output.name
        if outputs[0].name == PROBABILITIES.encode():
            # Of the softmax, with the name that it has where it is the result: one calibration holds for both.
            graph.tensors[graph.operators[-1].inputs[0]].name = b"classifier/" + LOGITS.encode()
        return flatbuffer.write(model)
    # Raised out here, the pages that the converter wrote stay hidden unless --debug asks for them.
    raise FailedError(f"the network cannot be converted: {first_line(failure)}") from failure
