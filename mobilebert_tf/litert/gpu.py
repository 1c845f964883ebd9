"""Operators of a file that TensorFlow Lite's GPU delegate accepts, by its own rules; nothing here runs on a GPU.

Sources, in LiteRT: `tflite/delegates/gpu/common/model_builder.cc` (operators, versions, types, ranks, and what it reads
of each operator), `tflite/tools/versioning/gpu_compatibility.cc` (shapes), `tflite/graph_info.cc` (partitions). They
describe the interpreter's delegate, with OpenCL, OpenGL and Metal, in an app that does not turn on its quantised
operators. The GPU accelerator of LiteRT 2 is another program with other rules.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from mobilebert_tf.litert import flatbuffer

_Type = schema.TensorType


@dataclasses.dataclass(frozen=True)
class Operator:
    """The properties of one operator of a graph that the rules use."""

    name: str
    version: int
    inputs: Sequence[Any]
    """Input tensors, without the omitted optional ones."""
    outputs: Sequence[Any]
    constant: Sequence[bool]
    """For each input, whether it is constant."""
    options: Any


@dataclasses.dataclass(frozen=True)
class Supported:
    """The delegate's conditions for one kind of operator."""

    version: int | None = None
    """The highest supported version; None: the delegate does not check it."""
    also: tuple[int, ...] = ()
    """Types of computed tensors besides float32 and float16."""
    check: Callable[[Operator], str | None] = lambda operator: None
    """A function that returns the reason to refuse an operator for its shapes or options, or None."""


def _inputs(computed: int, constant: int | None = None) -> Callable[[Operator], str | None]:
    def check(operator: Operator) -> str | None:
        found = len(operator.constant) - sum(operator.constant), sum(operator.constant)
        if found[0] != computed or constant is not None and found[1] != constant:
            return f"{found[0]} computed and {found[1]} constant inputs"
        return None

    return check


def _either(operator: Operator) -> str | None:
    """The reason to refuse, unless there are two computed inputs, or one and a constant."""
    return _inputs(2, 0)(operator) and _inputs(1, 1)(operator)


def _broadcast(operator: Operator) -> str | None:
    """The reason to refuse, unless the ranks are equal or the delegate supports the broadcast."""
    if len(operator.inputs) != 2:
        return f"{len(operator.inputs)} inputs"
    short, long = sorted((_shape(tensor) for tensor in operator.inputs), key=len)
    if len(short) < 2 or len(short) == len(long):
        return None
    known = len(long) == 4 and (
        (len(short) == 3 and long[0] == 1)
        or (long[0] == 1 and short == (1, 1))
        or (len(short) == 2 and short == (long[0], long[3]))
    )
    return None if known else f"broadcast of {_spelled(short)} to {_spelled(long)}"


def _matmul(operator: Operator) -> str | None:
    # The parser takes two computed inputs, or a constant second one of rank 2, and reads no option.
    if operator.options.adjX or operator.options.adjY:
        return "a transposed input, which it multiplies as it is"
    if operator.constant[0] or (operator.constant[1] and len(_shape(operator.inputs[1])) != 2):
        return "a constant input other than a matrix on the right"
    return None


def _cast(operator: Operator) -> str | None:
    kinds = operator.inputs[0].type, operator.outputs[0].type
    return None if set(kinds) <= {_Type.FLOAT32, _Type.INT32} else "a cast of other types than float32 and int32"


def _fully_connected(operator: Operator) -> str | None:
    if operator.constant.count(False) > 2:
        return "more than two computed inputs"
    if operator.options.weightsFormat:
        return "shuffled weights"
    if operator.options.keepNumDims and len(_shape(operator.inputs[0])) != len(_shape(operator.outputs[0])):
        return "another rank in the result"
    return None


def _gather(operator: Operator) -> str | None:
    if len(_shape(operator.inputs[1])) != 1:
        return "indices that are not a vector"
    # The delegate's rules accept a constant table, but then it fails to build the network, which is worse.
    return "a constant table, which it cannot read" if operator.constant[0] else _either(operator)


def _pad(operator: Operator) -> str | None:
    return None if _shape(operator.inputs[1]) in ((3, 2), (4, 2)) else f"rank {_shape(operator.inputs[1])[0]}"


def _slice(operator: Operator) -> str | None:
    rank = len(_shape(operator.inputs[0]))
    return None if rank in (3, 4) else f"rank {rank}"


def _strided_slice(operator: Operator) -> str | None:
    options = operator.options
    if options.ellipsisMask or options.newAxisMask or options.shrinkAxisMask:
        return "a slice that changes the rank"
    return _slice(operator)


def _softmax(operator: Operator) -> str | None:
    return None if operator.options.beta == 1 else "beta that is not 1"


SUPPORTED: Mapping[str, Supported] = {
    "ADD": Supported(2, check=_broadcast),
    "BATCH_MATMUL": Supported(check=_matmul),
    "CAST": Supported(also=(_Type.INT32, _Type.BOOL), check=_cast),
    "CONCATENATION": Supported(2),
    "DIV": Supported(2, check=_either),
    "EXP": Supported(2, check=_inputs(1, 0)),
    "FULLY_CONNECTED": Supported(9, check=_fully_connected),
    "GATHER": Supported(1, also=(_Type.INT32,), check=_gather),
    "GELU": Supported(2, check=_inputs(1, 0)),
    "LOGISTIC": Supported(2, check=_inputs(1, 0)),
    "MEAN": Supported(check=_inputs(1, 1)),
    "MUL": Supported(3, check=_broadcast),
    "PAD": Supported(2, check=_pad),
    "RELU": Supported(2),
    "RELU6": Supported(2),
    "RESHAPE": Supported(1, check=_inputs(1)),
    "RSQRT": Supported(2, check=_inputs(1, 0)),
    "SLICE": Supported(2, check=_slice),
    "SOFTMAX": Supported(2, check=_softmax),
    "SQUARE": Supported(2, check=_inputs(1, 0)),
    "SQUARED_DIFFERENCE": Supported(2, check=_either),
    "STRIDED_SLICE": Supported(2, check=_strided_slice),
    "SUB": Supported(2, check=_either),
    "SUM": Supported(check=_inputs(1, 1)),
    "TANH": Supported(2, check=_inputs(1, 0)),
    "TRANSPOSE": Supported(4, check=_inputs(1)),
}
"""Conditions by operator, for files of this project. Operators not listed, such as EMBEDDING_LOOKUP, are refused."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Residency:
    """The part of one graph that the delegate accepts."""

    taken: int
    """Number of accepted operators."""
    operators: int
    """Number of all operators, without those that only widen float16 weights, which the delegate reads itself."""
    partitions: int
    """Number of connected parts that it accepts; between them data goes to the processor and back. By default the
    delegate takes only the largest."""
    refused: Mapping[str, int]
    """Number of refused operators, by name and reason."""
    batches: Sequence[int]
    """First dimensions of the tensors in these parts. OpenGL and Metal accept only a network with a single one."""

    @property
    def whole(self) -> bool:
        """Whether all accepted operators are one part that every backend can build."""
        return self.partitions == 1 and len(self.batches) == 1


def check(content: bytes, graph: int = 0) -> Residency:
    """The part that the delegate accepts of one graph of a file's content."""
    model = flatbuffer.read(content)
    subgraph = model.subgraphs[graph]
    names = flatbuffer.names(model)
    constant = {i for i, tensor in enumerate(subgraph.tensors) if model.buffers[tensor.buffer].data is not None}
    operators, places = [], []
    for operator in subgraph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        name = names[flatbuffer.builtin(code)]
        inputs = [int(i) for i in operator.inputs if i >= 0]
        if name == "DEQUANTIZE" and inputs[0] in constant and subgraph.tensors[inputs[0]].type == _Type.FLOAT16:
            constant.update(int(i) for i in operator.outputs)
            continue
        places.append((inputs, [int(i) for i in operator.outputs]))
        operators.append(
            Operator(
                name=name,
                version=code.version,
                inputs=[subgraph.tensors[i] for i in inputs],
                outputs=[subgraph.tensors[int(i)] for i in operator.outputs],
                constant=[i in constant for i in inputs],
                options=operator.builtinOptions,
            )
        )
    reasons = [refusal(operator) for operator in operators]
    counted: dict[str, int] = {}
    batches: set[int] = set()
    for operator, reason in zip(operators, reasons, strict=True):
        if reason:
            key = f"{operator.name}: {reason}"
            counted[key] = counted.get(key, 0) + 1
        else:
            computed = [tensor for tensor, fixed in zip(operator.inputs, operator.constant, strict=True) if not fixed]
            batches.update(_shape(tensor)[0] for tensor in (*computed, *operator.outputs) if _shape(tensor))
    ready = constant | {int(i) for i in subgraph.inputs}
    return Residency(
        taken=reasons.count(None),
        operators=len(operators),
        partitions=_partitions(places, [reason is None for reason in reasons], ready),
        refused=dict(sorted(counted.items(), key=lambda item: -item[1])),
        batches=sorted(batches),
    )


def refusal(operator: Operator) -> str | None:
    """The reason why the delegate leaves this operator to the processor; None: it accepts the operator."""
    supported = SUPPORTED.get(operator.name)
    if supported is None:
        return "not supported"
    if supported.version is not None and operator.version > supported.version:
        return f"version {operator.version}, it knows {supported.version}"
    if reason := supported.check(operator):
        return reason
    allowed = {_Type.FLOAT32, _Type.FLOAT16, *supported.also}
    computed = [tensor for tensor, fixed in zip(operator.inputs, operator.constant, strict=True) if not fixed]
    for tensor in (*computed, *operator.outputs):
        if tensor.type not in allowed:
            return f"{_TYPES[tensor.type]} tensors"
        if len(_shape(tensor)) > 4:
            return f"rank {len(_shape(tensor))}"
    return None


def _partitions(places: Sequence[tuple[Sequence[int], Sequence[int]]], taken: Sequence[bool], ready: set[int]) -> int:
    """Number of parts that the runtime cuts out for the delegate.

    It alternates: all runnable operators of one side, delegate or processor, then all of the other.
    """
    ready, left, count = set(ready), list(range(len(places))), 0
    while left:
        side = None
        progressed = True
        while progressed:
            progressed = False
            for i in list(left):
                inputs, outputs = places[i]
                if not ready.issuperset(inputs) or side not in (None, taken[i]):
                    continue
                side, progressed = taken[i], True
                ready.update(outputs)
                left.remove(i)
        assert side is not None, "an operator needs an input that nothing computes"
        count += side
    return count


def _shape(tensor: Any) -> tuple[int, ...]:
    return () if tensor.shape is None else tuple(int(size) for size in tensor.shape)


def _spelled(shape: Sequence[int]) -> str:
    return "[" + ", ".join(map(str, shape)) + "]"


_TYPES = {number: name.lower() for name, number in vars(_Type).items() if not name.startswith("_")}
