"""Which operators a `.tflite` file asks its runtime for, read from the flatbuffer."""

from __future__ import annotations

import collections
import dataclasses
import os
from pathlib import Path

from ai_edge_litert import schema_py_generated as schema


@dataclasses.dataclass(frozen=True)
class Operators:
    """The operators of one file."""

    counts: dict[str, int]
    """How often each stands in the largest graph of the file, most frequent first."""
    foreign: tuple[str, ...]
    """Custom and Flex operators in any of its graphs: an app would need its own runtime."""


_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}


def read_operators(path: str | os.PathLike[str]) -> Operators:
    """The operators of a file, signatures and control flow included."""
    model = schema.Model.GetRootAsModel(Path(path).read_bytes(), 0)
    names, foreign = [], []
    for i in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(i)
        # Codes above 127 stand in the newer field, the others in both or the older one.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        if code.CustomCode() or number == schema.BuiltinOperator.CUSTOM:
            names.append((code.CustomCode() or b"CUSTOM").decode())
            foreign.append(names[-1])
        else:
            names.append(_NAMES[number])
    graphs = []
    for i in range(model.SubgraphsLength()):
        graph = model.Subgraphs(i)
        operators = [graph.Operators(j).OpcodeIndex() for j in range(graph.OperatorsLength())]
        graphs.append(collections.Counter(names[index] for index in operators))
    largest = max(graphs, key=lambda counts: counts.total())
    return Operators(dict(largest.most_common()), tuple(foreign))
