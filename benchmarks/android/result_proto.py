"""Parser for `BenchmarkResult`, the message that both tools write to `--result_file_path`.

Field numbers are those of `tflite/tools/benchmark/proto/benchmark_result.proto`. Only the parts of protocol buffers
that this message uses are supported, so that neither a compiler nor generated code is needed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_LATENCY = {1: "mean", 2: "min", 3: "max", 4: "std", 5: "median", 6: "p5", 7: "p95", 8: "init", 9: "first",
            10: "warm_up"}  # fmt: skip
_MEMORY = {1: "init_kb", 2: "overall_kb", 3: "peak_mb"}
_MISC = {1: "model_mb", 2: "runs", 3: "warm_up_runs", 4: "input_mb_per_second", 5: "inferences_per_second"}
_PARTS = {2: _LATENCY, 3: _MEMORY, 4: _MISC}


def parse(content: bytes) -> dict[str, float]:
    """Figures by name, times in milliseconds; figures that the tool left out are missing.

    Raises:
      ValueError: the bytes are not such a message.
    """
    figures: dict[str, float] = {}
    for number, part in _fields(content):
        names = _PARTS.get(number)
        if names is None or not isinstance(part, bytes):
            continue
        figures |= {
            names[inner]: value for inner, value in _fields(part) if inner in names and not isinstance(value, bytes)
        }
    if not figures:
        raise ValueError("there is no figure in it")
    return figures


def _fields(content: bytes) -> Iterator[tuple[int, float | bytes]]:
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(content, at)
            # A negative int64 is stored as its two's complement.
            yield key >> 3, float(value - (1 << 64) if value >> 63 else value)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            if at + size > len(content):
                raise ValueError("it is cut short")
            yield key >> 3, struct.unpack_from("<d" if kind == 1 else "<f", content, at)[0]
            at += size
        elif kind == 2:
            size, at = _varint(content, at)
            if at + size > len(content):
                raise ValueError("it is cut short")
            yield key >> 3, content[at : at + size]
            at += size
        else:
            raise ValueError(f"it has a field of kind {kind}")


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(content) or shift > 63:
            raise ValueError("it is cut short")
        value |= (content[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if content[at - 1] < 0x80:
            return value, at
