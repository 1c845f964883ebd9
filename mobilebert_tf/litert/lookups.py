"""Sizes of the tables in which a file looks up rows: upper limits for the values of its inputs."""

from __future__ import annotations

from typing import Any

from mobilebert_tf.litert import flatbuffer

_HANDED_ON = (
    "RESHAPE", "CAST", "SLICE", "STRIDED_SLICE", "PAD", "PADV2", "CONCATENATION", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS",
    "SPLIT", "PACK", "UNPACK",
)  # fmt: skip
"""Operators whose results hold the values of their input."""


def table_rows(content: bytes, signature: str | None) -> dict[str, int]:
    """Number of rows of the smallest table in which the values of an input are looked up, by input, if there is one.

    Args:
      content: content of a `.tflite` file.
      signature: name of the signature; None: the first graph, whose inputs are named by their tensor's index.
    """
    model = flatbuffer.read(content)
    graph, inputs = _inputs(model, signature)
    kinds = flatbuffer.kinds(model, graph)
    smallest = {}
    for name, tensor in inputs.items():
        rows = _rows(graph, kinds, tensor)
        if rows:
            smallest[name] = min(rows)
    return smallest


def _inputs(model: Any, signature: str | None) -> tuple[Any, dict[str, int]]:
    for definition in model.signatureDefs or []:
        if definition.signatureKey.decode() == signature:
            graph = model.subgraphs[definition.subgraphIndex]
            return graph, {one.name.decode(): int(one.tensorIndex) for one in definition.inputs}
    graph = model.subgraphs[0]
    return graph, {str(int(index)): int(index) for index in graph.inputs}


def _rows(graph: Any, kinds: list[str], tensor: int) -> list[int]:
    same, rows = {tensor}, []
    # Operators are stored in the order in which they run.
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
