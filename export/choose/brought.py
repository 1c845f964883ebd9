"""Gain of each rewrite of the network: the float32 file without it, compared with the file with all rewrites."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from mobilebert_tf import atomic
from mobilebert_tf.benchmarks.files import host
from mobilebert_tf.data.progress import track
from mobilebert_tf.export.quantize.build import convert_lengths
from mobilebert_tf.exported import Brought
from mobilebert_tf.litert.operators import read_operators
from mobilebert_tf.models import TaskModel


def compare_rewrites(model: TaskModel, length: int, rewrites: Sequence[str], settings: host.Settings) -> list[Brought]:
    """A row for each of `rewrites`, for files with one signature of `length` word pieces, timed in the same rounds.

    Raises:
      FailedError: a network cannot be converted, or a measuring process died.
    """
    with tempfile.TemporaryDirectory() as place:
        files = [Path(place) / f"{name}.tflite" for name in ("all", *rewrites)]
        left_out = [None, *rewrites]
        for file, name in track(zip(files, left_out, strict=True), "leaving out rewrites", "files", len(files)):
            kept = [one for one in rewrites if one != name]
            with atomic.naming(file):
                file.write_bytes(convert_lengths(model, [length], kept)[length])
        whole, *others = host.measure(files, settings, sequence_length=length)
        counts = [sum(read_operators(file).counts.values()) for file in files]
        sizes = [file.stat().st_size for file in files]
    rows = []
    for i, (name, subject) in enumerate(zip(rewrites, others, strict=True), 1):
        ratio = subject.ratio_to(whole)
        rows.append(
            Brought(
                rewrite=name,
                operators=counts[i] - counts[0],
                bytes=sizes[i] - sizes[0],
                latency_ratio=ratio.median,
                latency_ratio_min=ratio.min,
                latency_ratio_max=ratio.max,
            )
        )
    return rows
