"""`.tflite` files as objects, with the changes that neither converter nor quantiser makes."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

_Op = schema.BuiltinOperator
_Type = schema.TensorType

FLOAT32, INT8 = _Type.FLOAT32, _Type.INT8


def read(content: bytes | bytearray) -> Any:
    """The `ModelT` of a file's content, with every buffer in it, also those that the file stores behind the model."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    for buffer in model.buffers:
        if buffer.offset:
            buffer.data = np.frombuffer(content, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def write(model: Any) -> bytes:
    """The content of a file for `model`, with buffers inside it: runtimes of 2023 read buffers outside it as zeros."""
    builder = _SharingBuilder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class _SharingBuilder(flatbuffers.Builder):
    """A builder that stores equal vectors and names once, as of several lengths, or the zero points of matrices."""

    def __init__(self, size: int):
        super().__init__(size)
        self._places: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: np.ndarray) -> int:
        if x.dtype == np.uint8:  # a weight; `merge` has already shared equal ones
            return super().CreateNumpyVector(x)
        key = x.dtype.str, x.tobytes()
        if key not in self._places:
            self._places[key] = super().CreateNumpyVector(x)
        return self._places[key]

    def CreateString(self, s: str | bytes, encoding: str = "utf-8", errors: str = "strict") -> int:
        key = "name", s.encode(encoding, errors) if isinstance(s, str) else s
        if key not in self._places:
            self._places[key] = super().CreateString(s, encoding, errors)
        return self._places[key]


def use_lookups(model: Any) -> None:
    """Replace GATHER of whole rows of a constant by EMBEDDING_LOOKUP, whose kernel accepts an int8 table."""
    for graph in model.subgraphs:
        for operator in graph.operators:
            if _code(model, operator) != _Op.GATHER or operator.builtinOptions.axis:
                continue
            table, rows = operator.inputs
            if model.buffers[graph.tensors[table].buffer].data is None or len(graph.tensors[rows].shape) != 1:
                continue
            operator.inputs = np.array([rows, table], np.int32)
            operator.opcodeIndex = operator_code(model, _Op.EMBEDDING_LOOKUP)
            operator.builtinOptions, operator.builtinOptionsType = None, schema.BuiltinOptions.NONE
    _drop_unused_codes(model)


def use_factors(model: Any) -> None:
    """Replace FLOOR_DIV, which no network contains, by the MUL for which it is a placeholder: the converter would fold
    a MUL by a factor per channel into the adjacent product, where the factor's own scale would be lost."""
    for graph in model.subgraphs:
        for operator in graph.operators:
            if _code(model, operator) != _Op.FLOOR_DIV:
                continue
            operator.opcodeIndex = operator_code(model, _Op.MUL)
            operator.builtinOptions, operator.builtinOptionsType = (
                schema.MulOptionsT(),
                schema.BuiltinOptions.MulOptions,
            )
            for index in operator.outputs:
                tensor = graph.tensors[index]
                tensor.name = tensor.name.replace(b"FloorDiv", b"Mul")
    _drop_unused_codes(model)


def merge(models: Iterable[Any]) -> Any:
    """One model with the graphs and signatures of all `models`; constants of equal content are stored once.

    Each model has one graph. Metadata are left out: the oldest runtime that the converter names is wrong after
    quantisation.
    """
    merged, places = None, dict[bytes, int]()
    for model in map(copy.copy, models):
        if merged is None:
            merged = schema.ModelT()
            merged.__dict__.update(model.__dict__)
            # The format requires the first buffer to be empty.
            merged.buffers = [model.buffers[0]]
            merged.subgraphs, merged.signatureDefs, merged.operatorCodes = [], [], []
            merged.metadata, merged.metadataBuffer = None, None
        for graph, signature in zip(model.subgraphs, model.signatureDefs, strict=True):
            signature.subgraphIndex = len(merged.subgraphs)
            for tensor in graph.tensors:
                tensor.buffer = _place(merged, model.buffers[tensor.buffer], places)
            for operator in graph.operators:
                code = model.operatorCodes[operator.opcodeIndex]
                operator.opcodeIndex = operator_code(merged, builtin(code), code.version)
            merged.subgraphs.append(graph)
            merged.signatureDefs.append(signature)
    assert merged is not None
    return merged


def _place(model: Any, buffer: Any, places: dict[bytes, int]) -> int:
    """Index of a buffer with this content in `model`, added if missing; 0 for variables and results."""
    if buffer.data is None or not len(buffer.data):
        return 0
    content = bytes(buffer.data)
    if content not in places:
        places[content] = len(model.buffers)
        model.buffers.append(buffer)
    return places[content]


def set_versions(model: Any) -> None:
    """Set the version of every operator code to the lowest one whose kernels support its operators.

    The quantiser keeps the versions of the float file, so older runtimes would load files that they compute wrongly.
    The rules are LiteRT's own (`tflite/tools/versioning/op_version.cc`), as far as this project's files need them.
    """
    codes: list[Any] = []
    places: dict[tuple[int, int], int] = {}
    for graph in model.subgraphs:
        for operator in graph.operators:
            number = _code(model, operator)
            version = _version(number, graph, operator)
            if (number, version) not in places:
                places[number, version] = len(codes)
                code = copy.copy(model.operatorCodes[operator.opcodeIndex])
                code.version = version
                codes.append(code)
            operator.opcodeIndex = places[number, version]
    model.operatorCodes = codes


def _version(number: int, graph: Any, operator: Any) -> int:
    def kind(index: int) -> int:
        return graph.tensors[index].type

    def per_channel(index: int) -> bool:
        quantization = graph.tensors[index].quantization
        return quantization is not None and quantization.scale is not None and len(quantization.scale) > 1

    inputs, outputs = [int(i) for i in operator.inputs], [int(i) for i in operator.outputs]
    first = kind(inputs[0])
    if number == _Op.FULLY_CONNECTED:
        weights = kind(inputs[1])
        if first == _Type.FLOAT32 and weights in (_Type.INT8, _Type.INT4):
            # The rules do not mention hybrid int4; runtimes with version 12 have its kernel.
            if per_channel(inputs[1]) or weights == _Type.INT4:
                return 12
            return 9 if operator.builtinOptions.asymmetricQuantizeInputs else 3
        if first == _Type.INT16:
            return 11 if weights == _Type.INT8 else 13
        without_bias = len(inputs) == 2 or inputs[2] < 0
        version = {(_Type.INT8, _Type.INT8): 4, (_Type.INT8, _Type.INT4): 10}.get((first, weights), 1)
        keeps = operator.builtinOptions.keepNumDims
        return max(version, 6 if without_bias else 5 if keeps else 1)
    if number == _Op.EMBEDDING_LOOKUP:
        return (
            4 if per_channel(inputs[1]) or kind(inputs[1]) == _Type.INT4 else 3 if kind(inputs[1]) == _Type.INT8 else 1
        )
    if number == _Op.QUANTIZE:
        return 2 if _Type.INT16 in (first, kind(outputs[0])) else 1
    if number == _Op.DEQUANTIZE:
        if first == _Type.INT8:
            return 5 if per_channel(inputs[0]) else 2
        return {_Type.INT4: 6, _Type.INT16: 3, _Type.FLOAT16: 3}.get(first, 1)
    if number == _Op.BATCH_MATMUL:
        return {_Type.INT8: 2, _Type.INT16: 3}.get(first, 1)
    if number == _Op.MUL and first == _Type.INT8:
        a, b, product = (float(graph.tensors[i].quantization.scale[0]) for i in (*inputs, outputs[0]))
        return 3 if a * b / product >= 1.0 else 2
    if first == _Type.INT8:
        return 1 if number in (_Op.RESHAPE, _Op.GELU) else 2
    if first == _Type.INT16:
        return _INT16_VERSIONS.get(number, 3)
    return 1


_INT16_VERSIONS = {
    _Op.RESHAPE: 1, _Op.ADD: 3, _Op.SUB: 5, _Op.MUL: 4, _Op.GATHER: 4, _Op.TRANSPOSE: 5, _Op.STRIDED_SLICE: 4,
    _Op.SLICE: 4, _Op.PAD: 4, _Op.GELU: 2,
}  # fmt: skip


def use_asymmetric_inputs(model: Any) -> None:
    """Make products that quantise their input at run time use its range from minimum to maximum.

    XNNPACK always does so; without it, the kernels otherwise use a symmetric range, which wastes
    one bit of the outputs of relu.
    """
    for graph in model.subgraphs:
        for operator in graph.operators:
            if (
                _code(model, operator) == _Op.FULLY_CONNECTED
                and graph.tensors[operator.inputs[0]].type == _Type.FLOAT32
            ):
                quantized = graph.tensors[operator.inputs[1]].type in (_Type.INT8, _Type.INT4)
                operator.builtinOptions.asymmetricQuantizeInputs = quantized


def mark_half(model: Any) -> None:
    """Tell runtimes that float operations of this file may be computed in float16, including their results.

    Only XNNPACK on ARM processors with float16 arithmetic uses this; other runtimes ignore it.
    """
    add_metadata(model, "reduced_precision_support", b"fp16accfp16")


def add_metadata(model: Any, name: str, content: bytes) -> None:
    """Add a metadata buffer of this name to `model`; runtimes that do not know the name ignore it."""
    buffer, metadata = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(content, np.uint8)
    model.buffers.append(buffer)
    metadata.name, metadata.buffer = name, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), metadata]


def cut(model: Any) -> tuple[Any, dict[str, int]]:
    """Cut the only graph of `model` into separate operators: float32 results used by others become graph inputs.

    Changes and returns `model`, whose signature is removed, and the indices of the new inputs, by the name of the
    tensor that each replaces. Tensors other than float32, ids and shapes, are still passed between operators.
    """
    (graph,) = model.subgraphs
    computed = {int(index) for operator in graph.operators for index in operator.outputs}
    places: dict[int, int] = {}
    for operator in graph.operators:
        operator.inputs = np.array(operator.inputs, np.int32)
        for position, index in enumerate(operator.inputs):
            if int(index) not in computed or graph.tensors[index].type != _Type.FLOAT32:
                continue
            if int(index) not in places:
                places[int(index)] = len(graph.tensors)
                graph.tensors.append(copy.copy(graph.tensors[index]))
            operator.inputs[position] = places[int(index)]
    graph.inputs = np.array([*graph.inputs, *places.values()], np.int32)
    model.signatureDefs = []
    return model, {graph.tensors[index].name.decode(): place for index, place in places.items()}


def weight_bytes(content: bytes) -> int:
    """Bytes of the constants of a file and of their scales: the minimum size of a file with them."""
    model = read(content)
    sizes = {0: 0}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            data = model.buffers[tensor.buffer].data
            if data is not None:
                scale = tensor.quantization.scale if tensor.quantization else None
                sizes[tensor.buffer] = len(data) + (4 * len(scale) if scale is not None else 0)
    return sum(sizes.values())


def kinds(model: Any, graph: Any = None) -> list[str]:
    """Names of the operators of a graph, in order; `graph` defaults to the only one of `model`."""
    if graph is None:
        (graph,) = model.subgraphs
    name_of = names(model)
    return [name_of[_code(model, operator)] for operator in graph.operators]


def names(model: Any) -> dict[int, str]:
    """Names of the operators that occur in `model`, by number."""
    name_of: Mapping[int, str] = {code: name for name, code in vars(_Op).items() if not name.startswith("_")}
    return {number: name_of[number] for number in {builtin(code) for code in model.operatorCodes}}


def _code(model: Any, operator: Any) -> int:
    return builtin(model.operatorCodes[operator.opcodeIndex])


def builtin(code: Any) -> int:
    """The number of a code's operator."""
    # Codes above 127 are stored in the newer field, others in both or only in the older one.
    return max(code.builtinCode, code.deprecatedBuiltinCode)


def operator_code(model: Any, number: int, version: int = 1) -> int:
    """Index of this operator in the table of `model`, which it is added to if it is missing."""
    for index, code in enumerate(model.operatorCodes):
        if (builtin(code), code.version) == (number, version):
            return index
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _drop_unused_codes(model: Any) -> None:
    used = sorted({operator.opcodeIndex for graph in model.subgraphs for operator in graph.operators})
    for graph in model.subgraphs:
        for operator in graph.operators:
            operator.opcodeIndex = used.index(operator.opcodeIndex)
    model.operatorCodes = [model.operatorCodes[index] for index in used]
