"""One graph for all lengths of a file, which the runtime resizes: weights are packed and tensors described only once.

All signatures name the same graph, with inputs [1, T] of any T up to the longest. A runtime that is given another
length than before computes the shapes anew and keeps the packed weights; the answers are those of a graph of that
length.
"""

from __future__ import annotations

import copy
import mmap
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mobilebert_tf.errors import FailedError
from mobilebert_tf.litert import flatbuffer

ANY = -1
"""Size of an axis that has one element a token, in a tensor's `shapeSignature` and in the shape that RESHAPE takes."""

_Op, _Options, _Type = schema.BuiltinOperator, schema.BuiltinOptions, schema.TensorType


def signature_name(length: int) -> str:
    """Name of the signature for inputs [1, length]."""
    return f"tokens_{length}"


def length_of(signature: str) -> int | None:
    """T of a signature that `signature_name` named; None: it has another name."""
    named = re.fullmatch(r"tokens_([0-9]+)", signature)
    return int(named[1]) if named else None


def shape_in(signature: str, shape: Sequence[int], any_shape: Sequence[int]) -> list[int]:
    """Shape of an input or output in this signature.

    Args:
      signature: name of the signature.
      shape: shape that the tensor has now, perhaps for another signature of the same graph.
      any_shape: the same with ANY for axes that a runtime can resize; empty: it can resize none.
    """
    length = length_of(signature)
    sizes = shape if length is None or not len(any_shape) else any_shape
    return [length if size == ANY and length else int(size) for size in sizes]


def any_shapes(content: bytes | mmap.mmap) -> dict[str, list[int]]:
    """Shapes of inputs and outputs by name, with ANY for the tokens, of a file whose signatures share a graph.

    Empty for any other file.
    """
    model = schema.Model.GetRootAs(content, 0)
    definitions = [model.SignatureDefs(i) for i in range(model.SignatureDefsLength())]
    if not definitions or any(length_of(one.SignatureKey().decode()) is None for one in definitions):
        return {}
    definition = definitions[0]
    graph = model.Subgraphs(definition.SubgraphIndex())
    ends = [definition.Inputs(i) for i in range(definition.InputsLength())]
    ends += [definition.Outputs(i) for i in range(definition.OutputsLength())]
    shapes = {}
    for one in ends:
        tensor = graph.Tensors(one.TensorIndex())
        shapes[one.Name().decode()] = [tensor.ShapeSignature(i) for i in range(tensor.ShapeSignatureLength())]
    return shapes if any(ANY in shape for shape in shapes.values()) else {}


def any_shapes_of(path: Path) -> dict[str, list[int]]:
    """The result of `any_shapes` for a file, most of which is not read: memory and load time are measured around it."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any_shapes(content)


def graph_of(model: Any, signature: str | None) -> Any:
    """The graph of a signature, with its shapes for that signature; None: the first graph of `model`."""
    places = {one.signatureKey.decode(): one.subgraphIndex for one in model.signatureDefs or []}
    graph = model.subgraphs[places[signature] if signature else 0]
    longest = [int(graph.tensors[i].shape[1]) for i in graph.inputs if ANY in _any_shape(graph.tensors[i])]
    length = length_of(signature or "")
    if length is None or not longest:
        return graph
    resized = copy.copy(graph)
    resized.tensors = [_shorter(tensor, longest[0] - length) for tensor in graph.tensors]
    return resized


def _any_shape(tensor: Any) -> list[int]:
    return [] if tensor.shapeSignature is None else list(tensor.shapeSignature)


def _shorter(tensor: Any, tokens: int) -> Any:
    if ANY not in _any_shape(tensor):
        return tensor
    resized = copy.copy(tensor)
    resized.shape = np.where(tensor.shapeSignature == ANY, tensor.shape - tokens, tensor.shape)
    return resized


def share_graph(models: Mapping[int, Any], lengths: Sequence[int]) -> Any:
    """The longer of two models, changed so that it takes all lengths, with a signature for each of `lengths`.

    An axis has one element a token where its size differs between the two.

    Args:
      models: two models of the same network with one graph and one signature each, by length T.
      lengths: lengths T of the signatures, up to that of the longer model.

    Raises:
      FailedError: the graphs differ in more than their length.
    """
    shortest, longest = sorted(models)
    shared = _Shared(models[longest], models[shortest], longest - shortest)
    shared.mark_shapes()
    shared.free_constants()
    model = shared.model
    (definition,) = model.signatureDefs
    model.signatureDefs = []
    for length in lengths:
        named = copy.copy(definition)
        named.signatureKey = signature_name(length).encode()
        model.signatureDefs.append(named)
    return model


class _Shared:
    """The graph of the longest length while it is changed, beside that of the shortest."""

    def __init__(self, model: Any, short: Any, apart: int):
        if flatbuffer.kinds(model) != flatbuffer.kinds(short):
            raise FailedError("--one_graph: the operators of two lengths differ")
        self.model, self.graph = model, model.subgraphs[0]
        self._short, self._short_graph, self._apart = short, short.subgraphs[0], apart

    def _operators(self) -> list[tuple[str, Any, Any]]:
        """Kind of each operator, the operator, and the same one in the shortest graph."""
        kinds = flatbuffer.kinds(self.model)
        return list(zip(kinds, list(self.graph.operators), self._short_graph.operators, strict=True))

    def mark_shapes(self) -> None:
        """Mark the axes of all results that have one element a token."""
        for index, other in zip(self.graph.inputs, self._short_graph.inputs, strict=True):
            self._mark(index, other)
        for _, operator, its in self._operators():
            for index, other in zip(operator.outputs, its.outputs, strict=True):
                self._mark(index, other)

    def _mark(self, index: int, other: int) -> None:
        tensor, size = self.graph.tensors[index], self._short_graph.tensors[other].shape
        if len(tensor.shape) != len(size) or not set(tensor.shape - size) <= {0, self._apart}:
            raise FailedError(f"--one_graph: {tensor.name.decode()} does not grow with the length by one a token")
        if len(size):
            tensor.shapeSignature = np.where(tensor.shape == size, size, ANY).astype(np.int32)

    def free_constants(self) -> None:
        """Replace constants that depend on the length: shapes for RESHAPE, and the positions of the tokens."""
        for kind, operator, its in self._operators():
            operator.inputs = list(operator.inputs)
            for place, (index, other) in enumerate(zip(operator.inputs, its.inputs, strict=True)):
                mine, shorter = _data(self.model, self.graph, index), _data(self._short, self._short_graph, other)
                if np.array_equal(mine, shorter):
                    continue
                if kind == "STRIDED_SLICE" and _is_ignored(operator, place, mine, shorter):
                    continue
                if kind == "RESHAPE":
                    operator.inputs[place] = self._shape_for(operator)
                elif kind == "ADD" and self._are_positions(index):
                    operator.inputs[place] = self._counted_positions(operator, operator.inputs[1 - place])
                else:
                    name = self.graph.tensors[index].name.decode()
                    raise FailedError(f"--one_graph: {name} is a constant that depends on the length")

    def _shape_for(self, reshape: Any) -> int:
        result = self.graph.tensors[reshape.outputs[0]]
        if _any_shape(result).count(ANY) > 1:
            raise FailedError(f"--one_graph: {result.name.decode()} has two axes of tokens, so its shape is not known")
        shape = np.array(_any_shape(result), np.int32)
        reshape.builtinOptions, reshape.builtinOptionsType = schema.ReshapeOptionsT(), _Options.ReshapeOptions
        reshape.builtinOptions.newShape = shape
        return self._constant(shape, b"any_length/shape")

    def _are_positions(self, index: int) -> bool:
        data = _data(self.model, self.graph, index)
        values = np.frombuffer(bytes(data), np.int32) if self.graph.tensors[index].type == _Type.INT32 else data
        return np.array_equal(values, np.arange(len(values)))

    def _counted_positions(self, before: Any, numbers: int) -> int:
        """Index of a new tensor of the numbers from 0, as sums of ones, in the shape of the tensor `numbers`.

        The operators that compute it come before the operator `before`.
        """
        last_axis = len(self.graph.tensors[numbers].shape) - 1
        zero, one, axis = (self._constant(np.array(n, np.int32), b"any_length/%d" % n) for n in (0, 1, last_axis))
        nothing = self._result(before, _Op.MUL, [numbers, zero], schema.MulOptionsT(), _Options.MulOptions)
        ones = self._result(before, _Op.ADD, [nothing, one], schema.AddOptionsT(), _Options.AddOptions)
        sums = schema.CumsumOptionsT()
        sums.exclusive = True
        return self._result(before, _Op.CUMSUM, [ones, axis], sums, _Options.CumsumOptions)

    def _constant(self, values: np.ndarray, name: bytes) -> int:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        return self._tensor(values.shape, name, len(self.model.buffers) - 1)

    def _result(self, before: Any, number: int, inputs: list[int], options: Any, kind: int) -> int:
        """Index of the result, in the shape of its first input, of a new operator that comes before another."""
        like = self.graph.tensors[inputs[0]]
        index = self._tensor(like.shape, b"any_length/positions_%d" % len(self.graph.tensors), 0)
        self.graph.tensors[index].shapeSignature = like.shapeSignature
        operator = schema.OperatorT()
        operator.opcodeIndex = flatbuffer.operator_code(self.model, number)
        operator.inputs, operator.outputs = inputs, [index]
        operator.builtinOptions, operator.builtinOptionsType = options, kind
        self.graph.operators.insert(self.graph.operators.index(before), operator)
        return index

    def _tensor(self, shape: Sequence[int], name: bytes, buffer: int) -> int:
        tensor = schema.TensorT()
        tensor.shape, tensor.type, tensor.name, tensor.buffer = np.array(shape, np.int32), _Type.INT32, name, buffer
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1


def _is_ignored(strided_slice: Any, place: int, mine: np.ndarray, shorter: np.ndarray) -> bool:
    """Whether all values that differ are ends of axes that are taken to their end, whatever the value."""
    (different,) = np.nonzero(mine.view(np.int32) != shorter.view(np.int32))
    return place == 2 and all(strided_slice.builtinOptions.endMask >> int(axis) & 1 for axis in different)


def _data(model: Any, graph: Any, index: int) -> np.ndarray:
    """The content of a constant; nothing for other tensors, and where an operator omits an input."""
    data = model.buffers[graph.tensors[index].buffer].data if index >= 0 else None
    return np.zeros(0, np.uint8) if data is None else np.asarray(data)
