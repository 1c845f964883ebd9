"""Which operators of a file TensorFlow Lite's GPU delegate takes, by its own rules; nothing here runs on a GPU.

Sources, in LiteRT: `tflite/delegates/gpu/common/model_builder.cc` (operators, versions, types, ranks, and what it reads
of each operator), `tflite/tools/versioning/gpu_compatibility.cc` (shapes), `tflite/graph_info.cc` (partitions). That is
the delegate of the interpreter, with OpenCL, OpenGL and Metal, for an app that leaves its quantised operators off. The
GPU accelerator of LiteRT 2 is another program, whose rules are not these.
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
    """One operator of a graph, as the rules look at it."""

    name: str
    version: int
    inputs: Sequence[Any]
    """Tensors; of those that are left out nothing."""
    outputs: Sequence[Any]
    constant: Sequence[bool]
    """Which inputs are."""
    options: Any


@dataclasses.dataclass(frozen=True)
class Supported:
    """What the delegate asks of one kind of operator."""

    version: int | None = None
    """The highest; None: it does not look."""
    also: tuple[int, ...] = ()
    """Types of computed tensors besides float32 and float16."""
    check: Callable[[Operator], str | None] = lambda operator: None
    """Why it is refused for its shapes or settings; None: it is not."""


def _inputs(computed: int, constant: int | None = None) -> Callable[[Operator], str | None]:
    def check(operator: Operator) -> str | None:
        found = len(operator.constant) - sum(operator.constant), sum(operator.constant)
        if found[0] != computed or constant is not None and found[1] != constant:
            return f"{found[0]} computed and {found[1]} constant inputs"
        return None

    return check


def _either(operator: Operator) -> str | None:
    """Two computed inputs, or one and a constant."""
    return _inputs(2, 0)(operator) and _inputs(1, 1)(operator)


def _broadcast(operator: Operator) -> str | None:
    """Of different ranks only the broadcasts that the delegate knows."""
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
        return "a constant input that is no matrix on the right"
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
        return "indices that are no vector"
    # The rules let it through, and then the network cannot be built: worse than refused.
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
"""As far as files of this project go. What is not named, such as EMBEDDING_LOOKUP, is refused."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Residency:
    """What of one graph the delegate takes."""

    taken: int
    """Operators."""
    operators: int
    """All of them. Those that only widen float16 weights do not count: the delegate reads the weights itself."""
    partitions: int
    """Stretches of the graph that it takes; between them data goes to the processor and back. By default it takes
    the largest alone."""
    refused: Mapping[str, int]
    """How many operators it refuses, by name and reason."""
    batches: Sequence[int]
    """First dimensions of the tensors in those stretches. OpenGL and Metal take a network with one alone."""

    @property
    def whole(self) -> bool:
        """One stretch, which every backend can build."""
        return self.partitions == 1 and len(self.batches) == 1


def check(content: bytes, graph: int = 0) -> Residency:
    """What the delegate takes of one graph of a file's content."""
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
    """Why the delegate leaves this operator to the processor; None: it takes it."""
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
    """How many stretches the runtime cuts out: in turns it takes all it can of one side, then all of the other."""
    ready, left, found = set(ready), list(range(len(places))), 0
    while left:
        side = None
        moved = True
        while moved:
            moved = False
            for i in list(left):
                inputs, outputs = places[i]
                if not ready.issuperset(inputs) or side not in (None, taken[i]):
                    continue
                side, moved = taken[i], True
                ready.update(outputs)
                left.remove(i)
        assert side is not None, "an operator waits for what nothing computes"
        found += side
    return found


def _shape(tensor: Any) -> tuple[int, ...]:
    return () if tensor.shape is None else tuple(int(size) for size in tensor.shape)


def _spelled(shape: Sequence[int]) -> str:
    return "[" + ", ".join(map(str, shape)) + "]"


_TYPES = {number: name.lower() for name, number in vars(_Type).items() if not name.startswith("_")}
