"""Instructions of one inference on another processor, as a counter program finds them: the same on any machine.

The counter is not part of this project. Any program will do that is called with a file and the name of a signature
(empty: the only one) and prints the number of instructions first, for instance a script around qemu's user mode
emulation with its `insn` plugin, LiteRT for that processor, and the difference between two inferences and one.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import provenance
from mobilebert_tf.benchmarks.one_file import signatures
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.benchmarks.training import output_of
from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.export.runtime import load_interpreter


def measure(files: Sequence[Path], counter: str, sequence_length: int | None = None) -> list[Subject]:
    """Millions of instructions of one inference of each file at one T; None: its longest.

    Raises:
      UsageError: a file is none, has other inputs than ids, mask and segments, or lacks this T.
      FailedError: the counter failed, or printed no number.
    """
    chosen = [_signature(file, sequence_length) for file in files]
    subjects = []
    for file, (length, name) in track(zip(files, chosen, strict=True), "counting", "files", len(files)):
        words = [*shlex.split(counter), str(file), *([name] if name else [])]
        printed = output_of(file.name, words)
        number = re.match(r"\s*(\d+)\b", printed)
        if not number:
            raise FailedError(f"{file}: the counter printed no number first, but {printed.strip()[:80]!r}")
        details = {"sha256": provenance.sha256(file), "bytes": file.stat().st_size, "sequence_length": length}
        subjects.append(Subject(name=file.name, details=details, rounds=[{"samples": [int(number[1]) / 1e6]}]))
    return subjects


def _signature(file: Path, sequence_length: int | None) -> tuple[int, str | None]:
    """T and name of the signature to count."""
    found = signatures(str(file), load_interpreter(file, 1))
    length = max(found) if sequence_length is None else sequence_length
    if length not in found:
        there = ", ".join(map(str, sorted(found)))
        raise UsageError(f"{file}: has no graph for --sequence_length={length}; it has {there}")
    return length, found[length]


def table(written: Mapping[str, Any]) -> str:
    """Millions of instructions and their ratio to the baseline, in text."""
    from mobilebert_tf.text_table import aligned

    rows = [["file", "T", "MB", "million instructions", "ratio"]]
    for one in written["subjects"]:
        ratio = f"{one['ratio']['median']:.3f}" if "ratio" in one else ""
        count = f"{one['summary']['median']:.1f}"
        rows.append([one["name"], str(one["sequence_length"]), f"{one['bytes'] / 1e6:.1f}", count, ratio])
    return aligned(rows)
