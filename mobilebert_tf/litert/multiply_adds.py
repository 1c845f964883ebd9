"""Number of multiplications and additions of an inference of a file, by number type."""

from __future__ import annotations

import math
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from mobilebert_tf.litert import flatbuffer
from mobilebert_tf.litert.products import FLOAT, INTEGER

_INTEGERS = (schema.TensorType.INT4, schema.TensorType.INT8, schema.TensorType.INT16)


def multiply_adds(content: bytes, graph: int = -1) -> dict[str, int]:
    """Number of multiplications, each with its addition, in the products of one graph, by number type.

    Products with integer weights are computed in integers, even where the runtime finds the range of the other side.

    Args:
      content: content of a `.tflite` file.
      graph: index of the graph; graphs are in the order of their lengths.
    """
    model = flatbuffer.read(content)
    chosen = model.subgraphs[graph]
    counts = {FLOAT: 0, INTEGER: 0}
    for operator, kind in zip(chosen.operators, flatbuffer.kinds(model, chosen), strict=True):
        if kind not in ("FULLY_CONNECTED", "BATCH_MATMUL", "CONV_2D"):
            continue
        left, right = (chosen.tensors[i] for i in operator.inputs[:2])
        results = math.prod(map(int, chosen.tensors[operator.outputs[0]].shape))
        counts[INTEGER if right.type in _INTEGERS else FLOAT] += results * _added_up(kind, operator, left, right)
    return counts


def _added_up(kind: str, operator: Any, left: Any, right: Any) -> int:
    """Number of products that are summed for one value of the result."""
    if kind == "BATCH_MATMUL":
        return int(left.shape[-2 if operator.builtinOptions.adjX else -1])
    return math.prod(map(int, right.shape[1:]))
