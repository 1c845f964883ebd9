"""Signatures of a timed file and random inputs for them, with ids that every embedding table has rows for."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mobilebert_tf.errors import UsageError, first_line
from mobilebert_tf.litert.one_graph import any_shapes, shape_in
from mobilebert_tf.litert.refusals import REFUSALS

IDS, MASK, SEGMENTS = "ids", "mask", "segments"

REAL_SHARE = 0.75
"""Share of the sequence that holds tokens in random inputs; the rest is padding, as in an app."""

ANY_TABLE = 5
"""Ids below this are in every vocabulary; latency does not depend on which rows are read."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signature:
    """One graph of a file."""

    path: str
    name: str | None
    """None: the graph has no name, and its inputs are identified by index."""
    inputs: Mapping[str, Mapping[str, Any]]
    """`name` of the tensor, `dtype` and `shape` of each input, by its name or index."""

    @property
    def roles(self) -> dict[str, str] | None:
        """The role of each input; None: they are not token ids, mask and segment ids as three integers [1, T]."""
        shapes = {tuple(int(size) for size in one["shape"]) for one in self.inputs.values()}
        integer = all(np.issubdtype(one["dtype"], np.integer) for one in self.inputs.values())
        if len(shapes) != 1 or len(self.inputs) != 3 or not integer:
            return None
        (shape,) = shapes
        roles = {key: role(key if self.name else one["name"]) for key, one in self.inputs.items()}
        if len(shape) != 2 or shape[0] != 1 or set(roles.values()) != {IDS, MASK, SEGMENTS}:
            return None
        return {key: str(one) for key, one in roles.items()}

    @property
    def length(self) -> int | None:
        """T; None: the graph takes no tokens."""
        return int(next(iter(self.inputs.values()))["shape"][1]) if self.roles else None

    def rows(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Values [N, ...shape] of every input, converted to its type; random tokens if none are given.

        Args:
          given: values by SIGNATURE/INPUT; other signatures' are ignored.

        Raises:
          UsageError: no values are given for this signature, and it takes no tokens.
        """
        prefix = f"{self.name or ''}/"
        own = {name.removeprefix(prefix): values for name, values in given.items() if name.startswith(prefix)}
        if not own:
            if not (roles := self.roles):
                described = ", ".join(f"{one['name']} {list(map(int, one['shape']))}" for one in self.inputs.values())
                raise UsageError(
                    f"{self.path}: takes no token ids, mask and segment ids as integers [1, T] but {described}; "
                    "give a directory with a value file for each input as --inputs"
                )
            random_inputs = made_up(self.length or 1)
            own = {key: random_inputs[one] for key, one in roles.items()}
        return {
            key: values.astype(self.inputs[key]["dtype"]).reshape(-1, *map(int, self.inputs[key]["shape"]))
            for key, values in own.items()
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Signatures:
    """All graphs of a file that can be run."""

    path: str
    each: Sequence[Signature]

    def named(self, name: str) -> Signature:
        """The graph of this name; empty: the one without a name. Raises UsageError: the file has none."""
        for one in self.each:
            if (one.name or "") == name:
                return one
        known = ", ".join(str(one.name) for one in self.each if one.name) or "none"
        raise UsageError(f"{self.path}: has no signature {name!r}; it has {known}")

    def of_length(self, length: int | None) -> Signature:
        """The graph of this T; None: the longest, or the first if none takes tokens. Raises UsageError: it has none."""
        lengths = {one.length: one for one in self.each if one.length is not None}
        if length is None:
            return lengths[max(lengths)] if lengths else self.each[0]
        if length not in lengths:
            known = ", ".join(map(str, sorted(lengths))) or "none"
            raise UsageError(f"{self.path}: has no graph for --sequence_lengths={length}; it has {known}")
        return lengths[length]

    def describe(self) -> dict[str, Any]:
        """The signatures as JSON."""
        return {
            "signatures": [
                {
                    "name": one.name,
                    "inputs": {
                        key: {
                            "name": about["name"],
                            "dtype": np.dtype(about["dtype"]).name,
                            "shape": [int(size) for size in about["shape"]],
                        }
                        for key, about in one.inputs.items()
                    },
                }
                for one in self.each
            ]
        }


def signatures(path: str) -> Signatures:
    """Read a file's signatures from its content.

    The runtime is not asked: it would allocate every graph, and the cost of that is to be measured.

    Raises:
      UsageError: it is not a readable `.tflite` file.
    """
    content = Path(path).read_bytes()
    try:
        model = schema.Model.GetRootAs(content, 0)
        shapes = any_shapes(content)
        each = [_signature(path, model, model.SignatureDefs(i), shapes) for i in range(model.SignatureDefsLength())]
        return Signatures(path=path, each=each or [_signature(path, model, None, {})])
    except (*REFUSALS, AttributeError, struct.error) as error:
        raise UsageError(f"{path}: LiteRT cannot read it ({first_line(error)}); the file may be cut short") from None


def _signature(path: str, model: Any, definition: Any, any_shapes: Mapping[str, Sequence[int]]) -> Signature:
    graph = model.Subgraphs(0 if definition is None else definition.SubgraphIndex())
    if definition is None:
        places = {str(graph.Inputs(i)): graph.Inputs(i) for i in range(graph.InputsLength())}
    else:
        inputs = [definition.Inputs(i) for i in range(definition.InputsLength())]
        places = {one.Name().decode(): one.TensorIndex() for one in inputs}
    key = None if definition is None else definition.SignatureKey().decode()
    described = {}
    for name, place in places.items():
        tensor = graph.Tensors(place)
        shape = [tensor.Shape(i) for i in range(tensor.ShapeLength())]
        described[name] = {
            "name": tensor.Name().decode(),
            "dtype": _DTYPES.get(tensor.Type(), "object"),
            "shape": shape_in(key or "", shape, any_shapes.get(name, [])),
        }
    return Signature(path=path, name=key, inputs=described)


_DTYPES = {
    number: dtype
    for name, dtype in (
        ("FLOAT32", "float32"), ("FLOAT16", "float16"), ("INT32", "int32"), ("INT64", "int64"), ("INT8", "int8"),
        ("UINT8", "uint8"), ("INT16", "int16"), ("BOOL", "bool"), ("FLOAT64", "float64"), ("UINT32", "uint32"),
    )
    if (number := getattr(schema.TensorType, name, None)) is not None
}  # fmt: skip


def from_description(path: str, described: Mapping[str, Any]) -> Signatures:
    """The signatures that `Signatures.describe` wrote as JSON."""
    each = [Signature(path=path, name=one["name"], inputs=one["inputs"]) for one in described["signatures"]]
    return Signatures(path=path, each=each)


def role(name: str) -> str | None:
    """The role that an input's name suggests; "ids" is tried last, as "segment_ids" and "token_type_ids" contain it."""
    for word, meant in (("segment", SEGMENTS), ("type", SEGMENTS), ("mask", MASK), ("ids", IDS)):
        if word in name:
            return meant
    return None


def made_up(length: int, words: int = ANY_TABLE) -> dict[str, np.ndarray]:
    """Random ids below `words` followed by padding, with mask and segments: [1, T] by role."""
    real = max(1, int(length * REAL_SHARE))
    position = np.arange(length)[None, :]
    ids = np.random.default_rng(0).integers(0, words, (1, length))
    return {
        IDS: np.where(position < real, ids, 0),
        MASK: (position < real).astype(np.int64),
        SEGMENTS: ((position >= real // 2) & (position < real)).astype(np.int64),
    }
