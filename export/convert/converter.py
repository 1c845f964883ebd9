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
"""Scopes of the operators that compute an output, for outputs that are not the classifier's."""


def convert(saved_model: str | os.PathLike[str]) -> bytes:
    """The content of the `.tflite` file, with built-in operators of LiteRT only; rows of tables are looked up.

    Raises:
      FailedError: the converter refused; the message has its first reason.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(str(saved_model))
    # Built-in operators only: with Flex or custom operators an app would need a special runtime.
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
        # The converter names results after the function, but recipes refer to layers by name.
        graph = model.subgraphs[0]
        outputs = model.signatureDefs[0].outputs
        for output in outputs:
            graph.tensors[output.tensorIndex].name = _SCOPES.get(output.name, b"classifier/") + output.name
        if outputs[0].name == PROBABILITIES.encode():
            # The input of the softmax gets the name that logits have as an output, so that one calibration fits both.
            graph.tensors[graph.operators[-1].inputs[0]].name = b"classifier/" + LOGITS.encode()
        return flatbuffer.write(model)
    # Raised here, since inside `native_stderr_hidden` an exception shows the converter's pages of output, which only
    # --debug should.
    raise FailedError(f"the network cannot be converted: {first_line(failure)}") from failure
