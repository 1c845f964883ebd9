"""Latency of `.tflite` files on this machine: a fresh process per file and round, files in random order."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import child_process, provenance
from mobilebert_tf.benchmarks.files.texts import Texts
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.litert.runtime import check_is_tflite


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """How to measure."""

    threads: int = 1
    rounds: int = 3
    runs: int = 50
    """Timed inferences per file and round."""
    warm_up: int = 10
    """Inferences before them, the first included."""
    sequence_length: int | None = None
    """T of the signature to measure in a file with several; None: the longest."""


def measure(
    files: Sequence[str | os.PathLike[str]], settings: Settings, texts: Texts | None = None, show_progress: bool = True
) -> list[Subject]:
    """Latency in milliseconds of one inference, batch 1, of each file, in rounds as `measure_lengths` has them.

    With `texts`, a round's only sample is the mean over them: each takes the median of the
    shortest signature that it fits in.

    Raises:
      UsageError: a file is missing, is none, or has other inputs than ids, mask and segments.
      FailedError: a process died.
    """
    paths = [Path(file) for file in files]
    shares = {path: texts.shares(signatures_of(path)) for path in paths} if texts else {}
    lengths = {path: list(shares.get(path, [settings.sequence_length])) for path in paths}
    measured = measure_lengths(lengths, settings, show_progress)
    names = _names(paths)
    subjects = []
    for path in paths:
        details: dict[str, Any] = {"sha256": provenance.sha256(path), "bytes": path.stat().st_size}
        rounds = [seen[0] for seen in measured[path]]
        if path in shares:
            details |= {"shares_of_lengths": shares[path]}
            rounds = [_mean(seen, shares[path]) for seen in measured[path]]
        else:
            details |= {"sequence_length": rounds[0]["sequence_length"]}
        for seen in rounds:
            seen.pop("sequence_length", None)
        subjects.append(Subject(name=names[path], details=details, rounds=rounds))
    return subjects


def measure_lengths(
    lengths: Mapping[Path, Sequence[int | None]], settings: Settings, show_progress: bool = True
) -> dict[Path, list[list[dict[str, Any]]]]:
    """Findings of `one_file.measure` on each of the lengths T of a file, in each round.

    Every round runs each file once, in a process of its own, in an order of its own: a neighbour that takes
    the processor for a while, a clock that sinks, or work that comes back at regular times is so spread over all files.

    Raises:
      UsageError: a file is missing, is none, or has other inputs than ids, mask and segments.
      FailedError: a process died.
    """
    for path in lengths:
        check_is_tflite(path)
    orders = random.Random(0)
    turns = [path for _ in range(settings.rounds) for path in orders.sample(list(lengths), len(lengths))]
    seen: dict[Path, list[list[dict[str, Any]]]] = {path: [] for path in lengths}
    for path in track(turns, "measuring", "processes", len(turns)) if show_progress else turns:
        seen[path].append(_ask(path, order(path, settings, lengths[path])))
    return seen


def order(path: Path, settings: Settings, lengths: Sequence[int | None]) -> dict[str, Any]:
    """Settings of `one_file`."""
    own = {name: getattr(settings, name) for name in ("threads", "runs", "warm_up")}
    return {"path": str(path), **own, "sequence_lengths": list(lengths)}


def signatures_of(path: Path) -> dict[int, str | None]:
    """Names of a file's signatures by T, shortest first; as `one_file.signatures`, in a process of its own.

    Raises:
      UsageError: the file is none, or has other inputs than ids, mask and segments.
      FailedError: the process died.
    """
    check_is_tflite(path)
    return {int(length): name for length, name in _ask(path, {"path": str(path)})["signatures"]}


def _mean(measured: Sequence[dict[str, Any]], shares: Mapping[int, float]) -> dict[str, Any]:
    """One round over all lengths: the mean over texts, of the rest the worst."""
    medians = [statistics.median(one["samples"]) for one in measured]
    return {
        "samples": [round(sum(share * ms for share, ms in zip(shares.values(), medians, strict=True)), 4)],
        "median_ms_of_lengths": dict(zip(shares, medians, strict=True)),
        **{key: max(one[key] for one in measured) for key in measured[0] if key != "samples"},
    }


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """File names; where two are equal, with the directory before them."""
    plain = [path.name for path in paths]
    return {path: path.name if plain.count(path.name) == 1 else f"{path.parent.name}/{path.name}" for path in paths}


def _ask(path: Path, order: Mapping[str, Any]) -> Any:
    done = child_process.run([sys.executable, "-m", "mobilebert_tf.benchmarks.files.one_file", json.dumps(order)])
    if done.returncode == 2:
        raise UsageError(done.stdout.strip())
    if done.returncode < 0:
        how = child_process.ending(done.returncode)
        raise FailedError(f"{path}: the runtime crashed on it ({how}); the file is damaged, export it again")
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [child_process.ending(done.returncode)])[-1]
        raise FailedError(f"{path}: the process that measured it died ({last})")
    return json.loads(done.stdout.strip().splitlines()[-1])
