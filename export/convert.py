"""SavedModel -> bytes of a `.tflite` file."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Sequence

import tensorflow as tf

from mobilebert_tf import quiet
from mobilebert_tf.errors import FailedError
from mobilebert_tf.export.recipes import Recipe
from mobilebert_tf.export.signatures import signature_name


def convert(saved_model: str | os.PathLike[str], lengths: Sequence[int], recipe: Recipe) -> bytes:
    """The file's content, with the operators of every LiteRT build and no others.

    Raises:
      FailedError: the converter refused; the message names the recipe and its first reason.
    """
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(saved_model), signature_keys=[signature_name(length) for length in lengths]
    )
    # Builtins alone: with Flex or custom operators an app needs a runtime of its own.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if recipe.quantize_weights:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    failure = None
    with quiet.native_stderr_hidden(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
        try:
            return converter.convert()
        except Exception as error:  # ConverterError, but also RuntimeError and ValueError
            failure = error
    # Raised out here, the pages that the converter wrote stay hidden unless --debug asks for them.
    reason = next(iter(str(failure).strip().splitlines()), type(failure).__name__)
    raise FailedError(f"recipe {recipe.name}: the network cannot be converted: {reason}") from failure
