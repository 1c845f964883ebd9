"""The operators that a `.tflite` file needs in its runtime, read from the flatbuffer."""

from __future__ import annotations

import collections
import dataclasses
import os
from pathlib import Path

from ai_edge_litert import schema_py_generated as schema

from mobilebert_tf.litert import flatbuffer


@dataclasses.dataclass(frozen=True)
class Operators:
    """The operators of one file."""

    counts: dict[str, int]
    """Number of times each operator occurs in the largest graph of the file, most frequent first."""
    versions: dict[str, int]
    """The highest version of each operator in any of its graphs."""
    foreign: tuple[str, ...]
    """Custom and Flex operators in any of its graphs, for which an app would need its own runtime."""

    @property
    def oldest_runtime(self) -> str | None:
        """First release of TensorFlow Lite that has all operators, by their versions; None: there is a foreign one.

        An older runtime refuses the file. A newer one may still compute some operators slowly.
        """
        if self.foreign:
            return None
        later = (
            since
            for name, version in self.versions.items()
            for least, since in _SINCE.get(name, ())
            if version >= least
        )
        return ".".join(map(str, max([(2, 3), *later])))


_SINCE = {
    "ADD": [(3, (2, 4))],
    "BATCH_MATMUL": [(3, (2, 4))],
    "CONCATENATION": [(4, (2, 14))],
    "CUMSUM": [(1, (2, 4))],
    "DEQUANTIZE": [(5, (2, 7)), (6, (2, 18))],
    "EMBEDDING_LOOKUP": [(4, (2, 18))],
    "FULLY_CONNECTED": [(10, (2, 11)), (11, (2, 15)), (12, (2, 17)), (13, (2, 18))],
    "GATHER": [(4, (2, 4)), (5, (2, 5))],
    "GELU": [(1, (2, 9))],
    "MEAN": [(3, (2, 4))],
    "PAD": [(3, (2, 4)), (4, (2, 6))],
    "QUANTIZE": [(3, (2, 7))],
    "RSQRT": [(2, (2, 5)), (3, (2, 15))],
    "SLICE": [(4, (2, 4))],
    "STRIDED_SLICE": [(4, (2, 4))],
    "SUB": [(4, (2, 4))],
    "TRANSPOSE": [(5, (2, 4)), (6, (2, 12))],
}
"""By operator: lowest version and the release of TensorFlow Lite that introduced it, for releases after 2.3; every file
needs 2.3 for BATCH_MATMUL (the full list is in LiteRT's `tflite/tools/versioning/runtime_version.cc`)."""


_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}


def read_operators(file: str | os.PathLike[str] | bytes) -> Operators:
    """The operators of a file or of its content, including those of all signatures and control flow."""
    content = file if isinstance(file, bytes) else Path(file).read_bytes()
    model = schema.Model.GetRootAsModel(content, 0)
    names, foreign = [], []
    versions: dict[str, int] = {}
    for i in range(model.OperatorCodesLength()):
        code = schema.OperatorCodeT.InitFromObj(model.OperatorCodes(i))
        number = flatbuffer.builtin(code)
        if code.customCode or number == schema.BuiltinOperator.CUSTOM:
            names.append((code.customCode or b"CUSTOM").decode())
            foreign.append(names[-1])
        else:
            names.append(_NAMES[number])
            versions[names[-1]] = max(code.version, versions.get(names[-1], 0))
    graphs = []
    for i in range(model.SubgraphsLength()):
        graph = model.Subgraphs(i)
        operators = [graph.Operators(j).OpcodeIndex() for j in range(graph.OperatorsLength())]
        graphs.append(collections.Counter(names[index] for index in operators))
    largest = max(graphs, key=lambda counts: counts.total())
    return Operators(dict(largest.most_common()), versions, tuple(foreign))
