"""Latency of `.tflite` files on this machine: a fresh process per file and round, files in turn."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import provenance
from mobilebert_tf.benchmarks.results import Subject
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


def measure(files: Sequence[str | os.PathLike[str]], settings: Settings, show_progress: bool = True) -> list[Subject]:
    """Latency in milliseconds of one inference, batch 1, of each file.

    Every round runs each file once, in a process of its own: a neighbour that takes
    the processor for a while, or a clock that sinks, is so spread over all files.

    Raises:
      UsageError: a file is missing, is none, or has other inputs than ids, mask and segments.
      FailedError: a process died.
    """
    paths = [Path(file) for file in files]
    for path in paths:
        check_is_tflite(path)
    seen: dict[Path, list[dict[str, Any]]] = {path: [] for path in paths}
    turns = [path for _ in range(settings.rounds) for path in paths]
    for path in track(turns, "measuring", "processes", len(turns)) if show_progress else turns:
        seen[path].append(_run_process(path, settings))
    names = _names(paths)
    return [
        Subject(
            name=names[path],
            details={
                "sha256": provenance.sha256(path),
                "bytes": path.stat().st_size,
                "sequence_length": seen[path][0].pop("sequence_length"),
            },
            rounds=[{key: value for key, value in one.items() if key != "sequence_length"} for one in seen[path]],
        )
        for path in paths
    ]


def _names(paths: Sequence[Path]) -> dict[Path, str]:
    """File names; where two are equal, with the directory before them."""
    plain = [path.name for path in paths]
    return {path: path.name if plain.count(path.name) == 1 else f"{path.parent.name}/{path.name}" for path in paths}


def _run_process(path: Path, settings: Settings) -> dict[str, Any]:
    order = {"path": str(path), **{k: v for k, v in dataclasses.asdict(settings).items() if k != "rounds"}}
    done = subprocess.run(
        [sys.executable, "-m", "mobilebert_tf.benchmarks.one_file", json.dumps(order)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 2:
        raise UsageError(done.stdout.strip())
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise FailedError(f"{path}: the process that measured it died ({last})")
    return json.loads(done.stdout.strip().splitlines()[-1])
