"""Tables that a file looks rows up in: what the values of an input must be below."""

from __future__ import annotations

from typing import Any

from mobilebert_tf.litert import flatbuffer

_HANDED_ON = (
    "RESHAPE", "CAST", "SLICE", "STRIDED_SLICE", "PAD", "PADV2", "CONCATENATION", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS",
    "SPLIT", "PACK", "UNPACK",
)  # fmt: skip
"""Operators whose results hold the values of their input."""


def table_rows(content: bytes, signature: str | None) -> dict[str, int]:
    """Rows of the smallest table that each input is looked up in as it is, for inputs that are.

    Args:
      content: of a `.tflite` file.
      signature: its name; None: the first graph, whose inputs are called by their tensor's index.
    """
    model = flatbuffer.read(content)
    graph, inputs = _inputs(model, signature)
    kinds = flatbuffer.kinds(model, graph)
    found = {}
    for name, tensor in inputs.items():
        rows = _rows(graph, kinds, tensor)
        if rows:
            found[name] = min(rows)
    return found


def _inputs(model: Any, signature: str | None) -> tuple[Any, dict[str, int]]:
    for definition in model.signatureDefs or []:
        if definition.signatureKey.decode() == signature:
            graph = model.subgraphs[definition.subgraphIndex]
            return graph, {one.name.decode(): int(one.tensorIndex) for one in definition.inputs}
    graph = model.subgraphs[0]
    return graph, {str(int(index)): int(index) for index in graph.inputs}


def _rows(graph: Any, kinds: list[str], tensor: int) -> list[int]:
    same, rows = {tensor}, []
    # Operators stand in the order in which they run.
    for operator, kind in zip(graph.operators, kinds, strict=True):
        inputs = [int(index) for index in operator.inputs]
        if kind in ("EMBEDDING_LOOKUP", "GATHER"):
            table, places = inputs[:2] if kind == "GATHER" else inputs[1::-1]
            if places in same:
                axis = int(operator.builtinOptions.axis) if kind == "GATHER" else 0
                rows.append(int(graph.tensors[table].shape[axis]))
        elif kind in _HANDED_ON and (inputs[0] in same or (kind in ("CONCATENATION", "PACK") and same & set(inputs))):
            same.update(int(index) for index in operator.outputs)
    return rows
