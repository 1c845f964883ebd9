"""Instructions of an inference on an ARM core, from the file alone: an estimate, not a count.

Every operator is work of a few kinds: steps of a product's inner loop, tiles of its results, elements that are copied
or added. What a unit of each kind costs was fitted to operators that were counted one by one (`benchmarks/arm/fit.py`);
the numbers, and how far off they are on whole files, stand in `instruction_costs.json`.
"""

from __future__ import annotations

import collections
import functools
import json
import math
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from mobilebert_tf.litert import flatbuffer

_Type = schema.TensorType
_TYPES = {_Type.FLOAT32: "f32", _Type.FLOAT16: "f16", _Type.INT8: "s8", _Type.INT4: "s4", _Type.INT16: "s16",
          _Type.INT32: "s32", _Type.INT64: "s64", _Type.BOOL: "bool", _Type.UINT8: "u8"}  # fmt: skip

_TILES = {"f32": (6, 8), "half": (6, 16), "dynamic_s8": (1, 8), "dynamic_s4": (1, 8), "s8": (1, 8)}
"""Rows and columns of results that the kernel of these numbers works on at a time, as far as its count shows: where
rows beyond whole tiles have kernels of their own, a tile is one row high."""

_ROW = 16
"""Columns of a tile where there is one row of results."""

_ONE_TO_ONE = ("SLICE", "STRIDED_SLICE", "RESHAPE", "TRANSPOSE", "PAD", "PADV2", "CONCATENATION", "GATHER", "CAST",
               "QUANTIZE", "DEQUANTIZE")  # fmt: skip


_COPIES = ("BROADCAST_TO", "EXPAND_DIMS", "SQUEEZE", "PACK", "UNPACK", "SPLIT", "TILE")
"""Operators that files from elsewhere have: they copy, as CONCATENATION does."""

_FUNCTIONS = ("GELU", "TANH", "LOGISTIC")


def estimate(content: bytes, graph: int = -1) -> float | None:
    """Millions of instructions of one inference on a Cortex-A76, one thread, LiteRT 2.3.

    Args:
      content: of a `.tflite` file.
      graph: index of the graph; graphs stand in the order of their lengths.

    Returns:
      None where an operator of the graph is none of those that were fitted. One that was fitted in float32 alone
      costs as much in float16: those are the few values behind a mean over tokens.
    """
    units, costs = work(content, graph), known()["million_per_unit"]
    fitted = {name: name if name in costs else name.replace(" half", " f32") for name in units}
    if not set(fitted.values()) <= set(costs):
        return None
    return float(sum(amount * costs[fitted[name]] for name, amount in units.items()))


@functools.cache
def known() -> dict[str, Any]:
    """The fit: core, cost of each unit of work, errors on files that were left out."""
    costs: dict[str, Any] = json.loads((Path(__file__).parent / "instruction_costs.json").read_text(encoding="utf-8"))
    return costs


def work(content: bytes, graph: int = -1) -> dict[str, float]:
    """Units of work of one inference, by kind."""
    model = flatbuffer.read(content)
    chosen = model.subgraphs[graph]
    half = any(one.name == b"reduced_precision_support" for one in model.metadata or ())
    units: collections.Counter[str] = collections.Counter()
    constant = {i for i, tensor in enumerate(chosen.tensors) if _is_constant(model, tensor)}
    kinds = flatbuffer.kinds(model, chosen)
    tables = _tables(chosen, kinds)
    for position, (operator, kind) in enumerate(zip(chosen.operators, kinds, strict=True)):
        inputs = [int(i) for i in operator.inputs if int(i) >= 0]
        if position in tables:
            units["table s8"] += tables[position]
            continue
        if set(inputs) <= constant:
            # Worked out once, when the file is loaded; what it gives is a constant for others.
            constant.update(int(i) for i in operator.outputs)
            continue
        units.update(_of(kind, operator, chosen, inputs, constant, half))
    units["inference"] += 1
    return dict(units)


def _tables(graph: Any, kinds: list[str]) -> dict[int, int]:
    """Operators that XNNPACK joins to one table of 256 values: a function of int8 by way of float and back.

    By the operators' places: how many values the table is asked for, which stands with the first of the three.
    """
    producers = {int(i): place for place, operator in enumerate(graph.operators) for i in operator.outputs}
    consumers: dict[int, list[int]] = {}
    for place, operator in enumerate(graph.operators):
        for i in operator.inputs:
            consumers.setdefault(int(i), []).append(place)
    found: dict[int, int] = {}
    for place, kind in enumerate(kinds):
        if kind not in _FUNCTIONS:
            continue
        operator = graph.operators[place]
        before = producers.get(int(operator.inputs[0]))
        after = consumers.get(int(operator.outputs[0]), [])
        if before is None or kinds[before] != "DEQUANTIZE" or [kinds[one] for one in after] != ["QUANTIZE"]:
            continue
        if len(consumers[int(operator.inputs[0])]) == 1:
            count = math.prod(map(int, graph.tensors[int(operator.outputs[0])].shape))
            found |= {before: count, place: 0, after[0]: 0}
    return found


def _of(kind: str, operator: Any, graph: Any, inputs: list[int], constant: set[int], half: bool) -> dict[str, float]:
    tensors = [graph.tensors[i] for i in inputs]
    result = graph.tensors[int(operator.outputs[0])]
    count = math.prod(map(int, result.shape)) if len(result.shape) else 1
    first = _TYPES.get(tensors[0].type, "other")
    numbers = "half" if half and first == "f32" else first
    if kind == "FULLY_CONNECTED":
        weights = tensors[1]
        columns, depth = map(int, weights.shape)
        if first == "f32" and weights.type in (_Type.INT8, _Type.INT4):
            numbers = f"dynamic_{_TYPES[weights.type]}"
        return _product("product", numbers, 1, count // columns, depth, columns)
    if kind == "BATCH_MATMUL":
        left, right = ([int(size) for size in one.shape] for one in tensors[:2])
        depth = left[-2] if operator.builtinOptions.adjX else left[-1]
        columns = right[-2] if operator.builtinOptions.adjY else right[-1]
        batch = math.prod(left[:-2])
        rows = count // (batch * columns)
        name = "batch_product"
        found = _product(name, numbers, batch, rows, depth, columns)
        place = next(iter(found)).partition(":")[0]
        return {**found, f"{place}: right": float(batch * depth * columns)}
    if kind == "SOFTMAX":
        return {f"SOFTMAX {numbers}": count, f"SOFTMAX {numbers}: rows": count / int(result.shape[-1]), "node": 1}
    if kind in ("EMBEDDING_LOOKUP", "GATHER"):
        table = tensors[1 if kind == "EMBEDDING_LOOKUP" else 0]
        return {f"EMBEDDING_LOOKUP {_TYPES.get(table.type, 'other')}": count, "node": 1}
    if kind in _COPIES:
        return {f"CONCATENATION {'half' if numbers == 'half' else 'f32'}": count, "node": 1}
    if kind in ("MEAN", "SUM", "REDUCE_MAX"):
        return {f"{kind} {numbers}": math.prod(map(int, tensors[0].shape)), "node": 1}
    name = (
        kind if kind in _ONE_TO_ONE or len(inputs) < 2 else f"{kind} {'constant' if inputs[1] in constant else 'both'}"
    )
    own = _TYPES.get(result.type, "other") if kind in ("DEQUANTIZE", "CAST") else ""
    return {f"{name} {numbers}{own}": count, "node": 1}


def _product(name: str, numbers: str, batch: int, rows: int, depth: int, columns: int) -> dict[str, float]:
    """Steps of the inner loop, tiles, values of the left side and of the result, rows, and the call itself."""
    high, wide = _TILES.get(numbers, (4, 8))
    if rows == 1:
        name, high, wide = f"{name} of a row", 1, _ROW
    tiles = float(batch * math.ceil(rows / high) * math.ceil(columns / wide))
    return {
        f"{name} {numbers}: steps": tiles * depth,
        f"{name} {numbers}: tiles": tiles,
        f"{name} {numbers}: left": float(batch * rows * depth),
        f"{name} {numbers}: results": float(batch * rows * columns),
        f"{name} {numbers}: rows": float(batch * rows),
        "node": 1,
    }


def _is_constant(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0
