"""Outputs of a file on other devices, compared with this machine's: a time counts only if they agree."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf import child_process, fields
from mobilebert_tf.benchmarks.files.inputs import Signature, signatures
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.litert import flatbuffer
from mobilebert_tf.litert.runtime import load_interpreter

UNSAID = 0.05
"""Allowed difference of outputs, as a share of their largest value, if no contract states it: int8 kernels of other
processors were seen to differ by up to that."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Expected:
    """Outputs of a graph for one input, in the order in which benchmark tools write them."""

    values: tuple[np.ndarray, ...]
    names: tuple[str, ...]

    def read(self, content: bytes) -> list[np.ndarray]:
        """Parse the outputs in a tool's file. Raises ValueError: the file has the wrong length."""
        size = sum(values.nbytes for values in self.values)
        if len(content) != size:
            raise ValueError(f"{len(content)} bytes of outputs in place of {size}")
        outputs, at = [], 0
        for values in self.values:
            outputs.append(np.frombuffer(content, values.dtype, values.size, at).reshape(values.shape))
            at += values.nbytes
        return outputs


def expected(path: Path, signature: Signature, values: dict[str, np.ndarray]) -> Expected:
    """Outputs on this machine for one input, in the order of the graph's outputs, computed in a process of its own.

    Raises:
      UsageError: the file cannot be run.
      FailedError: the runtime crashed on it.
    """
    answer = _ask(path, signature, values)
    return Expected(values=tuple(array for _, array in answer), names=tuple(name for name, _ in answer))


def expected_by_name(path: Path, signature: Signature, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of `expected` by the signature's output names; for a graph without a name, by tensor names."""
    return dict(_ask(path, signature, values, by="key"))


def _ask(
    path: Path, signature: Signature, values: dict[str, np.ndarray], by: str = "name"
) -> list[tuple[str, np.ndarray]]:
    order = {
        "path": str(path),
        "signature": signature.name,
        "values": {key: one.reshape(-1).tolist() for key, one in values.items()},
    }
    done = child_process.run([sys.executable, "-m", "mobilebert_tf.benchmarks.files.outputs", json.dumps(order)])
    if done.returncode == 2:
        raise UsageError(done.stdout.strip())
    if done.returncode < 0:
        raise FailedError(f"{path}: the runtime crashed on it ({child_process.ending(done.returncode)})")
    answer = child_process.answer(f"{path}: the process that ran it died", done)
    return [(one[by], np.array(one["values"], one["dtype"]).reshape(one["shape"])) for one in answer]


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """The allowed difference of outputs on other devices."""

    relative: float
    """Allowed difference as a share of the scale."""
    scale: float | None
    """Largest output over the contract's examples; None: unknown, and each output's own largest value is used."""

    def error(self, known: np.ndarray, found: np.ndarray) -> float | None:
        """Largest difference as a share of the scale; None: it is NaN or infinite."""
        scale = self.scale or float(np.abs(known).max()) or 1.0
        error = float(np.abs(found.astype(np.float64) - known).max()) / scale
        return error if np.isfinite(error) else None


def compare(known: Expected, content: bytes, tolerance: Tolerance) -> dict[str, Any]:
    """Difference of a device's outputs from this machine's, for results.

    Raises:
      ValueError: `content` has the wrong length.
    """
    errors = [tolerance.error(values, found) for values, found in zip(known.values, known.read(content), strict=True)]
    worst = None if None in errors else max(one for one in errors if one is not None)
    return {"checked": True, "max_relative_error": worst, "tolerance": tolerance.relative}


def tolerance_of(path: Path) -> Tolerance:
    """The tolerance that a file's contract states; UNSAID without one."""
    contract = path.with_name(f"{path.stem}.contract.json")
    if not contract.is_file():
        return Tolerance(UNSAID, None)
    tolerance = fields.read_object(contract).get("tolerance", {})
    try:
        scale = float(tolerance["scale"])
        return Tolerance(float(tolerance["output"]) / scale, scale)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return Tolerance(UNSAID, None)


def tensor_order(content: bytes, signature: str | None) -> tuple[list[str], list[str]]:
    """Names of a graph's input and output tensors in the graph's own order, which TensorFlow Lite's tool uses."""
    model = flatbuffer.read(content)
    graph = model.subgraphs[0]
    for definition in model.signatureDefs or []:
        if definition.signatureKey.decode() == signature:
            graph = model.subgraphs[definition.subgraphIndex]
    return tuple([graph.tensors[int(i)].name.decode() for i in ends] for ends in (graph.inputs, graph.outputs))  # type: ignore[return-value]


def _answer(order: dict[str, Any]) -> list[dict[str, Any]]:
    path = order["path"]
    interpreter = load_interpreter(path, 1)
    signature = signatures(path).named(order["signature"] or "")
    rows = {f"{order['signature'] or ''}/{key}": np.array(values) for key, values in order["values"].items()}
    feeds = {key: values[0] for key, values in signature.rows(rows).items()}
    if signature.name is not None:
        runner = interpreter.get_signature_runner(signature.name)
        outputs = runner(**feeds)
        keys = {about["name"]: key for key, about in runner.get_output_details().items()}
        named = {name: outputs[key] for name, key in keys.items()}
    else:
        for index, value in feeds.items():
            interpreter.set_tensor(int(index), value)
        interpreter.invoke()
        named = {one["name"]: interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()}
        keys = {name: name for name in named}
    _, ordered = tensor_order(Path(path).read_bytes(), signature.name)
    return [
        {"name": name, "key": keys[name], "dtype": named[name].dtype.name, "shape": list(named[name].shape),
         "values": named[name].reshape(-1).tolist()}
        for name in ordered
    ]  # fmt: skip


if __name__ == "__main__":
    try:
        print(json.dumps(_answer(json.loads(sys.argv[1]))))
    except UsageError as error:
        print(error)
        sys.exit(2)
