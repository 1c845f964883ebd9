"""Latency of `.tflite` files on this machine: a fresh process per file and round, files in turn."""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import child_process, provenance
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.benchmarks.texts import Texts
from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import FailedError, UsageError
from mobilebert_tf.export.runtime import check_is_tflite


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
    """Latency in milliseconds of one inference, batch 1, of each file.

    Every round runs each file once, in a process of its own: a neighbour that takes
    the processor for a while, or a clock that sinks, is so spread over all files.

    With `texts`, a round's only sample is the mean over them: each takes the median of the
    shortest signature that it fits in.

    Raises:
      UsageError: a file is missing, is none, or has other inputs than ids, mask and segments.
      FailedError: a process died.
    """
    paths = [Path(file) for file in files]
    for path in paths:
        check_is_tflite(path)
    shares = {path: texts.shares(signatures_of(path)) for path in paths} if texts else {}
    turns = [
        (path, length)
        for _ in range(settings.rounds)
        for path in paths
        for length in shares.get(path, [settings.sequence_length])
    ]
    seen: dict[Path, list[dict[str, Any]]] = {path: [] for path in paths}
    for path, length in track(turns, "measuring", "processes", len(turns)) if show_progress else turns:
        seen[path].append(_run_process(path, dataclasses.replace(settings, sequence_length=length)))
    names = _names(paths)
    subjects = []
    for path in paths:
        details = {"sha256": provenance.sha256(path), "bytes": path.stat().st_size}
        lengths = [one.pop("sequence_length") for one in seen[path]]
        if path in shares:
            details |= {"shares_of_lengths": shares[path]}
            each = len(shares[path])
            rounds = [_mean(seen[path][i : i + each], shares[path]) for i in range(0, len(lengths), each)]
        else:
            details |= {"sequence_length": lengths[0]}
            rounds = seen[path]
        subjects.append(Subject(name=names[path], details=details, rounds=rounds))
    return subjects


def signatures_of(path: Path) -> dict[int, str | None]:
    """Names of a file's signatures by T, shortest first; as `one_file.signatures`, in a process of its own.

    Raises:
      UsageError: the file is none, or has other inputs than ids, mask and segments.
      FailedError: the process died.
    """
    check_is_tflite(path)
    return {int(length): name for length, name in _ask(path, {"path": str(path)})["signatures"]}


def _mean(processes: Sequence[dict[str, Any]], shares: Mapping[int, float]) -> dict[str, Any]:
    """One round over all lengths: the mean over texts, of the rest the worst."""
    medians = [statistics.median(one["samples"]) for one in processes]
    return {
        "samples": [round(sum(share * ms for share, ms in zip(shares.values(), medians, strict=True)), 4)],
        "median_ms_of_lengths": dict(zip(shares, medians, strict=True)),
        **{key: max(one[key] for one in processes) for key in processes[0] if key != "samples"},
    }


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """File names; where two are equal, with the directory before them."""
    plain = [path.name for path in paths]
    return {path: path.name if plain.count(path.name) == 1 else f"{path.parent.name}/{path.name}" for path in paths}


def _run_process(path: Path, settings: Settings) -> dict[str, Any]:
    order = {"path": str(path), **{k: v for k, v in dataclasses.asdict(settings).items() if k != "rounds"}}
    return _ask(path, order)


def _ask(path: Path, order: Mapping[str, Any]) -> dict[str, Any]:
    done = child_process.run([sys.executable, "-m", "mobilebert_tf.benchmarks.one_file", json.dumps(order)])
    if done.returncode == 2:
        raise UsageError(done.stdout.strip())
    if done.returncode < 0:
        how = child_process.ending(done.returncode)
        raise FailedError(f"{path}: the runtime crashed on it ({how}); the file is damaged, export it again")
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [child_process.ending(done.returncode)])[-1]
        raise FailedError(f"{path}: the process that measured it died ({last})")
    return json.loads(done.stdout.strip().splitlines()[-1])
