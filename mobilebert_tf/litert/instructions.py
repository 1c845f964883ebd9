"""Instructions of an inference on an ARM core, from the file alone: an estimate, not a count.

Every operator consists of a few kinds of work: steps of a product's inner loop, tiles of its results, elements that
are copied or added. The cost of a unit of each kind was fitted to operators that were counted one by one
(`benchmarks/arm/fit.py`); the costs, and their errors on whole files, are in `instruction_costs.json`.
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
from mobilebert_tf.litert.one_graph import graph_of

_Type = schema.TensorType
_TYPES = {_Type.FLOAT32: "f32", _Type.FLOAT16: "f16", _Type.INT8: "s8", _Type.INT4: "s4", _Type.INT16: "s16",
          _Type.INT32: "s32", _Type.INT64: "s64", _Type.BOOL: "bool", _Type.UINT8: "u8"}  # fmt: skip

_TILES = {"f32": (6, 8), "half": (6, 16), "dynamic_s8": (1, 8), "dynamic_s4": (1, 8), "s8": (1, 8)}
"""Rows and columns of the result that the kernel of a number type computes at a time, as far as its counts show: where
rows beyond whole tiles have kernels of their own, a tile is one row high."""

_ROW = 16
"""Number of columns of a tile where the result has one row."""

_ONE_TO_ONE = ("SLICE", "STRIDED_SLICE", "RESHAPE", "TRANSPOSE", "PAD", "PADV2", "CONCATENATION", "GATHER", "CAST",
               "QUANTIZE", "DEQUANTIZE")  # fmt: skip


_COPIES = ("BROADCAST_TO", "EXPAND_DIMS", "SQUEEZE", "PACK", "UNPACK", "SPLIT", "TILE")
"""Operators in files from other sources that copy, as CONCATENATION does."""

_FUNCTIONS = ("GELU", "TANH", "LOGISTIC")


def estimate(content: bytes, signature: str | None = None) -> float | None:
    """Millions of instructions of one inference on a Cortex-A76, one thread, LiteRT 2.3.

    Args:
      content: content of a `.tflite` file.
      signature: name of the signature; None: the first graph.

    Returns:
      None where the costs of an operator of the graph were not fitted.
    """
    units, costs = work(content, signature), known()["million_per_unit"]
    fitted = {name: name if name in costs else _alike(name) for name in units}
    if not set(fitted.values()) <= set(costs):
        return None
    return float(sum(amount * costs[fitted[name]] for name, amount in units.items()))


def _alike(name: str) -> str:
    """Work that costs as much as work of this name: in few values, the number type and where they lie matter little."""
    return name.replace(" half", " f32").replace(" both s32", " constant s32")


@functools.cache
def known() -> dict[str, Any]:
    """The fitted costs: core, cost of each unit of work, errors on files that were not fitted."""
    costs: dict[str, Any] = json.loads((Path(__file__).parent / "instruction_costs.json").read_text(encoding="utf-8"))
    return costs


def work(content: bytes, signature: str | None = None) -> dict[str, float]:
    """Units of work of one inference, by kind; without a change of length, if all lengths share the graph."""
    model = flatbuffer.read(content)
    chosen = graph_of(model, signature)
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
            # Computed once, when the file is loaded; its result is a constant for other operators.
            constant.update(int(i) for i in operator.outputs)
            continue
        units.update(_of(kind, operator, chosen, inputs, constant, half))
    units["inference"] += 1
    return dict(units)


def _tables(graph: Any, kinds: list[str]) -> dict[int, int]:
    """Operators that XNNPACK replaces by a table of 256 values: an int8 function computed in float and quantised again.

    Returns:
      By the place of each operator: the number of lookups at the first of the three, 0 at the others.
    """
    producers = {int(i): place for place, operator in enumerate(graph.operators) for i in operator.outputs}
    consumers: dict[int, list[int]] = {}
    for place, operator in enumerate(graph.operators):
        for i in operator.inputs:
            consumers.setdefault(int(i), []).append(place)
    lookups: dict[int, int] = {}
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
            lookups |= {before: count, place: 0, after[0]: 0}
    return lookups


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
        units = _product(name, numbers, batch, rows, depth, columns)
        place = next(iter(units)).partition(":")[0]
        return {**units, f"{place}: right": float(batch * depth * columns)}
    if kind == "SOFTMAX":
        return {f"SOFTMAX {numbers}": count, f"SOFTMAX {numbers}: rows": count / int(result.shape[-1]), "node": 1}
    if kind in ("EMBEDDING_LOOKUP", "GATHER"):
        table = tensors[1 if kind == "EMBEDDING_LOOKUP" else 0]
        return {f"EMBEDDING_LOOKUP {_TYPES.get(table.type, 'other')}": count, "node": 1}
    if kind in _COPIES:
        return {f"CONCATENATION {'half' if numbers == 'half' else 'f32'}": count, "node": 1}
    if kind in ("MEAN", "SUM", "REDUCE_MAX"):
        return {f"{kind} {numbers}": math.prod(map(int, tensors[0].shape)), "node": 1}
    if kind == "CUMSUM":  # of one integer a token, once in a graph for all lengths
        kind = "ADD"
    name = (
        kind if kind in _ONE_TO_ONE or len(inputs) < 2 else f"{kind} {'constant' if inputs[1] in constant else 'both'}"
    )
    own = _TYPES.get(result.type, "other") if kind in ("DEQUANTIZE", "CAST") else ""
    return {f"{name} {numbers}{own}": count, "node": 1}


def _product(name: str, numbers: str, batch: int, rows: int, depth: int, columns: int) -> dict[str, float]:
    """Units of a product: steps of the inner loop, tiles, values of the left side and the result, rows, the call."""
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
