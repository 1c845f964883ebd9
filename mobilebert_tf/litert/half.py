"""Outputs of a file on processors that compute its float parts in float16, emulated on this machine.

ARM processors with float16 arithmetic use it by themselves where a file allows it. Here a flag of LiteRT's options
makes XNNPACK use it, with the same rounding; sums may still be added in another order.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.litert.runtime import TfliteModel
from mobilebert_tf.litert.runtime_process import SeparateModel

HALF_LARGEST = 65504 / 4
"""Largest value on text that allows float16 arithmetic: a quarter of float16's largest, as a margin for other texts."""


def half_outputs(
    path: str | os.PathLike[str], features: Mapping[str, np.ndarray], length: int
) -> dict[str, np.ndarray] | None:
    """The outputs of `TfliteModel.run` in the signature of `length`, computed in float16.

    Returns:
      None where this processor cannot: the runtime refuses, or still computes in float32.
    """
    # In a process of its own, which hides the messages that the runtime prints when it ends.
    model = SeparateModel(path)
    try:
        outputs = model.in_half(features, length)
    except (UsageError, FailedError):
        return None
    float32_outputs = TfliteModel(path).run(features, length)
    same = all(np.array_equal(values, outputs[name]) for name, values in float32_outputs.items())
    return None if same else outputs
