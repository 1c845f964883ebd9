"""Time one `.tflite` file in this process: `python -m mobilebert_tf.benchmarks.files.one_file JSON`, at some lengths.

If the JSON has only a path, it prints the file's signatures.

Works on any file, including those of other projects, whatever its inputs are called. Inputs that are not given are
random if they are token ids, mask and segment ids as [1, T] integers.
"""

from __future__ import annotations

import json
import os
import statistics
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf.benchmarks.files import inputs as inputs_module
from mobilebert_tf.benchmarks.files import timing
from mobilebert_tf.benchmarks.files.delegation import delegation
from mobilebert_tf.benchmarks.files.load import Load, clock_mhz
from mobilebert_tf.benchmarks.files.memory import held, peak_memory
from mobilebert_tf.errors import UsageError, first_line
from mobilebert_tf.litert.compiled import IN_MEMORY, CompiledFile
from mobilebert_tf.litert.one_graph import any_shapes_of
from mobilebert_tf.litert.operators import read_operators
from mobilebert_tf.litert.refusals import REFUSALS
from mobilebert_tf.litert.runtime import check_is_tflite, load_interpreter

Run = Callable[[int], dict[str, np.ndarray]]
"""A function that runs an inference on the inputs with this number and returns the outputs by name."""

CHANGES = 9
"""Number of changes of length that are timed from each neighbouring length."""


def measure(
    path: str,
    threads: int,
    runs: int,
    warm_up: int,
    sequence_lengths: Sequence[int | None],
    signatures: Sequence[str] = (),
    seconds: float = 0.0,
    cache: str = "",
    float16: bool = False,
    compiled: bool = False,
    inputs: str | None = None,
) -> list[dict[str, Any]]:
    """Measure a file at each T (None: its longest), or each of the given signatures.

    Args:
      runs, seconds: timing goes on until both are reached.
      cache: XNNPACK's weight cache: the `cache` argument of CompiledFile.
      inputs: .npz file with arrays SIGNATURE/INPUT, one row per inference; None: random inputs.

    Returns:
      For each: `samples` (ms), `load_ms`, `first_ms`, `peak_memory_mib`, `memory_mib` (added by loading and by the
      first inferences up to this one), `foreign_cores`, `clock_mhz` (before and after timing), `finite` (whether all
      outputs of all inferences are), `sequence_length`, `signature` and `delegation`;
      with a weight cache `cache_written`, and with its file `cache_bytes`; where all lengths share one graph,
      `resize_ms`, which an inference costs more if the one before had another length.
    """
    check_is_tflite(path)
    known = inputs_module.signatures(path)
    chosen = [known.named(name) for name in signatures] or [known.of_length(length) for length in sequence_lengths]
    before, load = held(), Load()
    written = cache not in ("", IN_MEMORY) and not Path(cache).exists()
    start = time.perf_counter()
    if compiled or float16 or cache:
        interpreter: Any = CompiledFile(path, threads, cache, float16)
        if not interpreter.get_signature_list():
            raise UsageError(f"{path}: has no signature, which CompiledModel needs")
    else:
        interpreter = load_interpreter(path, threads)
    load_ms = round((time.perf_counter() - start) * 1e3, 2)
    rows = dict(np.load(inputs)) if inputs else {}
    calls = [_call(interpreter, one, rows) for one in chosen]
    firsts = []
    for run, _ in calls:
        first = time.perf_counter()
        outputs = run(0)
        first_ms, after = round((time.perf_counter() - first) * 1e3, 2), held()
        memory = {key: round(after[key] - before[key], 1) for key in after} if before and after else None
        firsts.append((first_ms, memory, outputs))
    findings: list[dict[str, Any]] = []
    for one, (run, count), (first_ms, memory, outputs) in zip(chosen, calls, firsts, strict=True):
        findings.append({
            "load_ms": load_ms,
            "first_ms": first_ms,
            "memory_mib": memory,
            **(timed := _time(run, count, runs, seconds, warm_up, outputs)),
            "foreign_cores": load.foreign_cores(),
            "sequence_length": one.length,
            "signature": one.name,
            "delegation": delegation(interpreter),
            **_resizing(interpreter, known, one, run, statistics.median(timed["samples"])),
            **({"cache_written": written} if cache else {}),
            **({"cache_bytes": Path(cache).stat().st_size} if cache not in ("", IN_MEMORY) else {}),
        })  # fmt: skip
    return findings


def _time(
    run: Run, count: int, runs: int, seconds: float, warm_up: int, first: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    finite: list[bool] = []

    def look(outputs: Mapping[str, np.ndarray]) -> None:
        finite.append(all(bool(np.isfinite(values).all()) for values in outputs.values()))

    look(first)
    timing.warm(run, count, warm_up)
    clocks = [clock_mhz()]
    samples = timing.samples(run, count, runs, seconds, look)
    clocks.append(clock_mhz())
    return {
        "finite": all(finite),
        "samples": samples,
        "peak_memory_mib": peak_memory(),
        "clock_mhz": clocks,
    }


def _resizing(
    interpreter: Any, known: inputs_module.Signatures, signature: inputs_module.Signature, run: Run, median: float
) -> dict[str, float]:
    """`resize_ms`, the mean of changes from the next shorter and the next longer signature; empty: none share a graph.

    Args:
      run: an inference of the signature.
      median: milliseconds that it takes when the one before had the same length.
    """
    if not any_shapes_of(Path(known.path)):
        return {}
    lengths = sorted(one.length for one in known.each if one.length)
    place = lengths.index(signature.length or 0)
    costs = []
    for length in (*lengths[max(place - 1, 0) : place], *lengths[place + 1 : place + 2]):
        other, _ = _call(interpreter, known.of_length(length), {})
        changes = []
        for _ in range(CHANGES):
            other(0)
            start = time.perf_counter()
            run(0)
            changes.append((time.perf_counter() - start) * 1e3)
        costs.append(statistics.median(changes) - median)
    return {"resize_ms": round(max(0.0, statistics.mean(costs)), 4)} if costs else {}


def _call(interpreter: Any, signature: inputs_module.Signature, rows: Mapping[str, np.ndarray]) -> tuple[Run, int]:
    """A function that sets all inputs, runs, and fetches the outputs; and the number of different inputs."""
    feeds = signature.rows(rows)
    count = len(next(iter(feeds.values())))
    each = [{name: values[number] for name, values in feeds.items()} for number in range(count)]
    if signature.name is not None:
        runner = interpreter.get_signature_runner(signature.name)
        return lambda number: runner(**each[number]), count

    def run(number: int) -> dict[str, np.ndarray]:
        for index, value in each[number].items():
            interpreter.set_tensor(int(index), value)
        interpreter.invoke()
        return {one["name"]: interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()}

    return run, count


def describe(path: str) -> dict[str, Any]:
    """Signatures of a file with their inputs, as JSON. Raises UsageError: the runtime lacks one of its operators."""
    check_is_tflite(path)
    try:
        foreign = sorted(set(read_operators(path).foreign))
    except (*REFUSALS, AttributeError, struct.error) as error:
        raise UsageError(f"{path}: LiteRT cannot read it ({first_line(error)}); the file may be cut short") from None
    if foreign:
        raise UsageError(
            f"{path}: has operators that LiteRT does not have, {', '.join(foreign)}; convert the model without "
            "TensorFlow's own operators (SELECT_TF_OPS) and without custom ones"
        )
    load_interpreter(path, 1)  # raises UsageError if LiteRT does not accept the file
    return inputs_module.signatures(path).describe()


def main() -> None:
    """Print the answer to standard output; CompiledModel's messages on standard error are dropped."""
    order = json.loads(sys.argv[1])
    if "runs" in order and not os.environ.get("MOBILEBERT_TF_DEBUG") and _is_compiled(order):
        # CompiledModel prints messages to standard error until the process ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        print(json.dumps(measure(**order) if "runs" in order else describe(order["path"])), flush=True)
    except UsageError as error:
        print(error)
        sys.exit(2)


def _is_compiled(order: Mapping[str, Any]) -> bool:
    return bool(order.get("cache") or order.get("float16") or order.get("compiled"))


if __name__ == "__main__":
    main()
