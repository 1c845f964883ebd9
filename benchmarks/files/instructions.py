"""Instructions of one inference on another processor, as a counter program finds them: the same on any machine.

The counter is not part of this project. Any program will do that is called with a file and the name of a signature
(empty: the only one) and prints the number of instructions first, for instance a script around qemu's user mode
emulation with its `insn` plugin, LiteRT for that processor, and the difference between two inferences and one.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import provenance
from mobilebert_tf.benchmarks import verdict
from mobilebert_tf.benchmarks.files.configuration import Configuration
from mobilebert_tf.benchmarks.files.host import signatures_of
from mobilebert_tf.benchmarks.files.origin import origin
from mobilebert_tf.benchmarks.files.texts import Texts
from mobilebert_tf.benchmarks.programs import output_of
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import FailedError, UsageError


def measure(
    files: Sequence[Path], counter: str, sequence_length: int | None = None, texts: Texts | None = None
) -> list[Subject]:
    """Millions of instructions of one inference of each file at one T; None: its longest.

    With `texts`, the mean over them: each takes the shortest signature that it fits in.

    Raises:
      UsageError: a file is none, has other inputs than ids, mask and segments, or lacks this T.
      FailedError: the counter failed, or printed no number.
    """
    chosen = [_signatures(file, sequence_length, texts) for file in files]
    turns = [(file, length) for file, one in zip(files, chosen, strict=True) for length in one.shares]
    counts: dict[tuple[Path, int], float] = {}
    for file, length in track(turns, "counting", "graphs", len(turns)):
        counts[file, length] = _count(file, chosen[files.index(file)].names[length], counter)
    subjects = []
    for file, one in zip(files, chosen, strict=True):
        of_lengths = {length: counts[file, length] for length in one.shares}
        details: dict[str, Any] = {
            "sha256": provenance.sha256(file),
            "bytes": file.stat().st_size,
            **origin(file),
            "configuration": Configuration().describe() | {"api": None, "weight_cache": None},
            "validity": verdict.of([], []).describe(),
        }
        if texts:
            details |= {"shares_of_lengths": one.shares, "million_of_lengths": of_lengths}
        else:
            details |= {"sequence_length": next(iter(one.shares))}
        mean = sum(share * of_lengths[length] for length, share in one.shares.items())
        subjects.append(Subject(name=file.name, details=details, rounds=[{"samples": [round(mean, 6)]}]))
    return subjects


def _count(file: Path, signature: str | None, counter: str) -> float:
    printed = output_of(file.name, [*shlex.split(counter), str(file), *([signature] if signature else [])])
    number = re.match(r"\s*(\d+)\b", printed)
    if not number:
        raise FailedError(f"{file}: the counter printed no number first, but {printed.strip()[:80]!r}")
    return int(number[1]) / 1e6


@dataclasses.dataclass(frozen=True)
class _Chosen:
    """What to count of a file."""

    shares: dict[int, float]
    """By length T, of the inferences."""
    names: dict[int, str | None]
    """Of the signatures, by T."""


def _signatures(file: Path, sequence_length: int | None, texts: Texts | None) -> _Chosen:
    names = signatures_of(file)
    if texts:
        return _Chosen(texts.shares(names), names)
    length = max(names) if sequence_length is None else sequence_length
    if length not in names:
        there = ", ".join(map(str, sorted(names)))
        raise UsageError(f"{file}: has no graph for --sequence_length={length}; it has {there}")
    return _Chosen({length: 1.0}, names)


def table(written: Mapping[str, Any]) -> str:
    """Millions of instructions and their ratio to the baseline, in text."""
    from mobilebert_tf.text_table import aligned

    rows = [["file", "T", "MB", "million instructions", "ratio"]]
    for one in written["subjects"]:
        ratio = f"{one['ratio']['median']:.3f}" if "ratio" in one else ""
        count = f"{one['summary']['median']:.1f}"
        rows.append([one["name"], str(one.get("sequence_length", "texts")), f"{one['bytes'] / 1e6:.1f}", count, ratio])
    return aligned(rows)
