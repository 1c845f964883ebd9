"""Time one `.tflite` file in this process: `python -m mobilebert_tf.benchmarks.files.one_file JSON`, at some lengths.

With a path alone in place of settings it says what signatures the file has.

Works on any file that takes token ids, mask and segment ids as [1, T] integers,
whatever they are called, so that rivals' files can be measured beside this project's.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mobilebert_tf.benchmarks.files.load import busy_seconds
from mobilebert_tf.benchmarks.files.memory import peak_memory
from mobilebert_tf.errors import UsageError
from mobilebert_tf.litert.runtime import load_interpreter

REAL_SHARE = 0.75
"""Share of the sequence that holds tokens; the rest is padding, as in an app."""


def measure(
    path: str, threads: int, runs: int, warm_up: int, sequence_lengths: Sequence[int | None]
) -> list[dict[str, Any]]:
    """Findings by T, None for the longest: `samples` (ms), `load_ms`, `first_ms`, `peak_memory_mib`, `foreign_cores`,
    `sequence_length`."""
    start = time.perf_counter()
    interpreter = load_interpreter(path, threads)
    load_ms = round((time.perf_counter() - start) * 1e3, 2)
    return [{"load_ms": load_ms, **_measure(path, interpreter, runs, warm_up, one)} for one in sequence_lengths]


def _measure(path: str, interpreter: Any, runs: int, warm_up: int, sequence_length: int | None) -> dict[str, Any]:
    run, length = _inference(path, interpreter, sequence_length)
    first = time.perf_counter()
    run()
    first_end = time.perf_counter()
    for _ in range(warm_up - 1):
        run()
    foreign, own, wall = busy_seconds(), time.process_time(), time.perf_counter()
    samples = []
    for _ in range(runs):
        before = time.perf_counter()
        run()
        samples.append(round((time.perf_counter() - before) * 1e3, 4))
    elapsed = time.perf_counter() - wall
    foreign_busy = (busy_seconds() - foreign) - (time.process_time() - own)
    return {
        "samples": samples,
        "first_ms": round((first_end - first) * 1e3, 2),
        "peak_memory_mib": peak_memory(),
        # Cores that other processes kept busy meanwhile: above 0.1 or so the samples are doubtful.
        "foreign_cores": round(max(0.0, foreign_busy / elapsed), 2),
        "sequence_length": length,
    }


def _inference(path: str, interpreter: Any, sequence_length: int | None) -> tuple[Callable[[], Any], int]:
    """A call that sets all inputs, runs, and fetches the outputs; and its T."""
    named = signatures(path, interpreter)
    candidates: dict[int, tuple[Any, dict[str, Any]]] = {}
    for each, name in named.items():
        runner = interpreter.get_signature_runner(name) if name else None
        details = runner.get_input_details() if runner else _plain(interpreter)
        candidates[each] = (runner, details)
    length = max(candidates) if sequence_length is None else sequence_length
    if length not in candidates:
        there = ", ".join(map(str, sorted(candidates)))
        raise UsageError(f"{path}: has no graph for --sequence_length={length}; it has {there}")
    runner, details = candidates[length]
    values = _inputs(length)
    feeds = {name: values[_role(path, d["name"])].astype(d["dtype"]) for name, d in details.items()}
    if runner is not None:
        return lambda: runner(**feeds), length

    def run() -> None:
        for index, value in feeds.items():
            interpreter.set_tensor(int(index), value)
        interpreter.invoke()
        for output in interpreter.get_output_details():
            interpreter.get_tensor(output["index"])

    return run, length


def signatures(path: str, interpreter: Any) -> dict[int, str | None]:
    """Names of a file's signatures by T; None where it has a graph without a name.

    Raises:
      UsageError: it takes something else than three integer inputs [1, T].
    """
    names = list(interpreter.get_signature_list())
    found = {_length(path, interpreter.get_signature_runner(name).get_input_details()): name for name in names}
    return found or {_length(path, _plain(interpreter)): None}


def _plain(interpreter: Any) -> dict[str, Any]:
    return {str(d["index"]): d for d in interpreter.get_input_details()}


def _length(path: str, details: dict[str, Any]) -> int:
    shapes = {tuple(int(size) for size in d["shape"]) for d in details.values()}
    integer = all(np.issubdtype(d["dtype"], np.integer) for d in details.values())
    if len(shapes) != 1 or len(details) != 3 or not integer:
        raise UsageError(
            f"{path}: only three integer inputs [1, T] can be measured; it has {len(details)}, shapes {sorted(shapes)}"
        )
    shape = shapes.pop()
    if len(shape) != 2 or shape[0] != 1:
        raise UsageError(f"{path}: only inputs [1, T] can be measured; it has {list(shape)}")
    return shape[1]


def _role(path: str, name: str) -> str:
    """Which of the three inputs a tensor's name means; "segment_ids" and "token_type_ids" end in "ids" too."""
    for word, role in (("segment", "segments"), ("type", "segments"), ("mask", "mask"), ("ids", "ids")):
        if word in name:
            return role
    raise UsageError(f"{path}: input {name!r} is neither token ids, mask nor segment ids by its name")


def _inputs(length: int) -> dict[str, np.ndarray]:
    """Ids are the first five, which any vocabulary has: which rows are read makes no difference in time."""
    real = max(1, int(length * REAL_SHARE))
    position = np.arange(length)[None, :]
    ids = np.random.default_rng(0).integers(0, 5, (1, length))
    return {
        "ids": np.where(position < real, ids, 0),
        "mask": (position < real).astype(np.int64),
        "segments": ((position >= real // 2) & (position < real)).astype(np.int64),
    }


if __name__ == "__main__":
    try:
        order = json.loads(sys.argv[1])
        answer: Any
        if "runs" in order:
            answer = measure(**order)
        else:
            there = signatures(order["path"], load_interpreter(order["path"], 1))
            answer = {"signatures": sorted(there.items())}
        print(json.dumps(answer))
    except UsageError as error:
        print(error)
        sys.exit(2)
