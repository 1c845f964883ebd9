"""What a file gives on processors that compute its float parts in float16, worked out on one that need not.

ARM processors with float16 arithmetic do so by themselves where a file allows it. Here XNNPACK is told to by a flag
of LiteRT's options, and rounds as they do; sums may still go in another order.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.litert.runtime import TfliteModel, fit
from mobilebert_tf.litert.runtime_process import SeparateModel
from mobilebert_tf.tasks.task import INPUTS, real_only

FORCE_FLOAT16 = 0x4
"""XNNPACK's flag of that name."""


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


def compute(path: str | os.PathLike[str], features: Mapping[str, np.ndarray], length: int) -> dict[str, np.ndarray]:
    """The outputs in float16. Raises RuntimeError or ValueError: the runtime refuses."""
    from ai_edge_litert.compiled_model import CompiledModel, CpuOptions, Options

    options = Options(cpu_options=CpuOptions(num_threads=1, xnnpack_flags=FORCE_FLOAT16))
    with CompiledModel.from_file(str(path), options=options) as model:
        name = next(one for one in model.get_signature_list() if _length(model, one) == length)
        signature = model.get_signature_list()[name]
        number = model.get_signature_index(name)
        inputs, outputs = model.create_input_buffers(number), model.create_output_buffers(number)
        shapes = {one: tuple(about["shape"]) for one, about in model.get_output_tensor_details(name).items()}
        rows: dict[str, list[np.ndarray]] = {one: [] for one in signature["outputs"]}
        mask = features["input_mask"]
        for row in range(len(mask)):
            for buffer, one in zip(inputs, signature["inputs"], strict=True):
                buffer.write(fit(features[one][row : row + 1], length))
            model.run_by_index(number, inputs, outputs)
            found: dict[str, Any] = {
                one: buffer.read(int(np.prod(shapes[one])), np.float32).reshape(shapes[one])
                for buffer, one in zip(outputs, signature["outputs"], strict=True)
            }
            for one, values in real_only(found, mask[row : row + 1]).items():
                rows[one].append(values[0].copy())
    return {one: np.stack(values) for one, values in rows.items()}


def _length(model: Any, name: str) -> int:
    """T of a signature."""
    return int(model.get_input_tensor_details(name)[INPUTS[0]]["shape"][-1])
