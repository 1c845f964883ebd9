"""What a file gives on processors that compute its float parts in float16, worked out on one that need not.

ARM processors with float16 arithmetic do so by themselves where a file allows it. Here XNNPACK is told to by a flag
of LiteRT's options, and rounds as they do; sums may still go in another order.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.litert.runtime import TfliteModel
from mobilebert_tf.litert.runtime_process import SeparateModel


def half_outputs(
    path: str | os.PathLike[str], features: Mapping[str, np.ndarray], length: int
) -> dict[str, np.ndarray] | None:
    """As `TfliteModel.run` in the signature of `length`, in float16.

    Returns:
      None where this processor cannot: the runtime refuses, or computes in float32 all the same.
    """
    # In a process of its own: what the runtime says when it ends is not for anyone.
    model = SeparateModel(path)
    try:
        outputs = model.in_half(features, length)
    except (UsageError, FailedError):
        return None
    usual = TfliteModel(path).run(features, length)
    same = all(np.array_equal(values, outputs[name]) for name, values in usual.items())
    return None if same else outputs
