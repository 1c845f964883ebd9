"""Ranges of the values in each tensor of a float32 file on real text: the basis of static quantisation."""

from __future__ import annotations

import collections
import dataclasses
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mobilebert_tf import quiet
from mobilebert_tf.data.progress import track
from mobilebert_tf.export.quantize.histogram import Histogram
from mobilebert_tf.litert import flatbuffer
from mobilebert_tf.litert.runtime import fit
from mobilebert_tf.tasks.task import INPUTS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ranges:
    """Ranges over all examples."""

    by_tensor: Mapping[str, tuple[float, float]]
    """Least and largest value of each computed tensor, by name. In tensors with a row per token, rows of padding do
    not count, because their results are not read."""
    nearest: Mapping[str, tuple[float, float]]
    """Ends of each tensor's range whose 255 steps are nearest to the values, by squared error."""
    largest: float
    """Largest absolute value in any tensor, including padding."""
    examples: int


def measure_ranges(content: bytes, features: Mapping[str, np.ndarray], threads: int = 1) -> Ranges:
    """Measure a float32 file with one graph on all examples `input_ids`, `input_mask`, `segment_ids` [n, T]."""
    histograms: dict[str, Histogram] = collections.defaultdict(Histogram)
    largest, count = 0.0, len(features["input_ids"])
    for values, real in track(run_tensors(content, features, threads), "calibrating", "examples", count):
        for name, value in values.items():
            # NaN counts as infinite.
            peak = float(np.abs(value).max())
            largest = max(largest, np.inf if np.isnan(peak) else peak)
            histograms[name].add(real_rows(value, real))
    return Ranges(
        by_tensor={name: (one.low, one.high) for name, one in histograms.items()},
        nearest={name: one.nearest_range() for name, one in histograms.items()},
        largest=largest,
        examples=count,
    )


def real_rows(value: np.ndarray, real: np.ndarray) -> np.ndarray:
    """The rows of real tokens (`real`, bool [T]) of a tensor with a row per token; any other tensor as it is."""
    return value[real] if value.ndim == 2 and len(value) == len(real) else value


def run_tensors(
    content: bytes, features: Mapping[str, np.ndarray], threads: int = 1
) -> Iterator[tuple[dict[str, np.ndarray], np.ndarray]]:
    """The values of all computed tensors of a file with one graph, and the mask of real tokens, bool [T], per example.

    Quantised values are dequantised; ids and shapes are left out.
    """
    interpreter = plain_interpreter(content, threads)
    (signature,) = interpreter.get_signature_list()
    runner = interpreter.get_signature_runner(signature)
    length = int(runner.get_input_details()[INPUTS[0]]["shape"][-1])
    (graph,) = flatbuffer.read(content).subgraphs
    computed = {int(index) for operator in graph.operators for index in operator.outputs}
    details = [one for one in interpreter.get_tensor_details() if one["index"] in computed and one["dtype"] in _SCALED]
    for row in range(len(features["input_ids"])):
        inputs = {name: fit(features[name][row : row + 1], length) for name in INPUTS}
        runner(**inputs)
        values = {
            one["name"]: _dequantized(interpreter.get_tensor(one["index"]), one["quantization_parameters"])
            for one in details
        }
        yield values, inputs["input_mask"][0].astype(bool)


_SCALED = (np.float32, np.int8, np.int16)
"""Types of tensors that represent real numbers; int32 tensors are ids and shapes."""


def _dequantized(value: np.ndarray, parameters: Mapping[str, np.ndarray]) -> np.ndarray:
    if value.dtype == np.float32 or not len(parameters["scales"]):
        return value
    return (value - np.float32(parameters["zero_points"][0])) * parameters["scales"][0]


def plain_interpreter(content: bytes, threads: int) -> Any:
    """An interpreter for the content of a file that keeps the values of all tensors."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    # Without XNNPACK, which does not expose its intermediate results.
    with quiet.native_stderr_hidden(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It warns that keeping all tensors takes memory, which is intended.
        interpreter = Interpreter(
            model_content=content,
            num_threads=threads,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            experimental_preserve_all_tensors=True,
        )
        interpreter.allocate_tensors()
    return interpreter
