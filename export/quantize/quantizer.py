"""A float32 file with one graph -> the same with some operators in fewer bits, by LiteRT's quantizer."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

import numpy as np

from mobilebert_tf import quiet
from mobilebert_tf.errors import FailedError, first_line
from mobilebert_tf.export.quantize.ranges import Ranges
from mobilebert_tf.export.recipes import Recipe, Rule, check_layers
from mobilebert_tf.litert import flatbuffer


def quantize(content: bytes, recipe: Recipe, ranges: Ranges | None) -> bytes:
    """The content of a file quantised by the rules of `recipe`; unchanged if there are none.

    Args:
      content: content of a float32 file with one graph.
      recipe: precision of the operators.
      ranges: ranges of the file's tensors; needed for rules with static activations.

    Raises:
      FailedError: the quantizer refused.
    """
    if not recipe.rules:
        return content
    if recipe.is_static and ranges is None:
        raise ValueError(f"recipe {recipe.name}: needs ranges")
    from litert_quantizer.quantizer import Quantizer

    quantizer = Quantizer(bytearray(content))
    try:
        for number, rule in enumerate(recipe.rules):
            _add(quantizer, rule, number)
    except ValueError as error:
        raise FailedError(f"recipe {recipe.name}: {first_line(error)}") from error
    calibration = None
    if recipe.is_static and ranges is not None:
        # With 65,535 steps, clipping rare large values gains nothing.
        eight = max(rule.activation_bits for rule in recipe.rules if rule.is_static) == 8
        ends = ranges.nearest if eight else ranges.by_tensor
        calibration = {name: {"min": _row(low), "max": _row(high)} for name, (low, high) in ends.items()}
    # Hides progress bars over operators, a hundred per millisecond, and a warning that all tensors are kept.
    with contextlib.redirect_stderr(io.StringIO()), quiet.native_stderr_hidden(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = quantizer.quantize(calibration, enable_progress_bar=False, enable_progress_report=False)
        except (RuntimeError, ValueError, KeyError) as error:
            raise FailedError(f"recipe {recipe.name}: the network cannot be quantised: {first_line(error)}") from error
    return bytes(result.quantized_model)


def check_rules(content: bytes, recipe: Recipe) -> None:
    """Raise UsageError if the `layers` of a rule match nothing in this float32 file with one graph."""
    if all(rule.layers == Rule.layers for rule in recipe.rules):
        return
    model = flatbuffer.read(content)
    (graph,) = model.subgraphs
    results = [
        (kind, "".join(f"{graph.tensors[number].name.decode()};" for number in operator.outputs))
        for operator, kind in zip(graph.operators, flatbuffer.kinds(model), strict=True)
    ]
    check_layers(recipe, results)


def _row(value: float) -> np.ndarray:
    return np.array([[value]], np.float32)


def _add(quantizer: Any, rule: Rule, number: int) -> None:
    from litert_quantizer import qtyping
    from litert_quantizer.recipe_manager import AlgorithmName

    # If rules have the same expression, the quantizer keeps the place of the first, but here the last rule must apply.
    # Empty groups make every expression different.
    layers = "(?:)" * number + rule.layers
    per = qtyping.QuantGranularity.CHANNELWISE if rule.per_channel else qtyping.QuantGranularity.TENSORWISE
    for operator in map(qtyping.TFLOperationName, rule.operators):
        if rule.weights == "float32":
            quantizer.update_quantization_recipe(layers, operator, algorithm_key=AlgorithmName.NO_QUANTIZE)
        elif rule.weights == "float16":
            config = qtyping.OpQuantizationConfig(
                weight_tensor_config=qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT),
                compute_precision=qtyping.ComputePrecision.FLOAT,
            )
            quantizer.update_quantization_recipe(layers, operator, config, AlgorithmName.FLOAT_CASTING)
        elif rule.activations == "float":
            quantizer.add_weight_only_config(layers, operator, rule.bits, per)
        elif rule.activations == "dynamic":
            quantizer.add_dynamic_config(layers, operator, rule.bits, per)
        else:
            quantizer.add_static_config(layers, operator, rule.activation_bits, rule.bits, per)
