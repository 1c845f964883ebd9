"""Speed of making pretraining records, beside that of the tokenizer alone on the same text."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import FailedError
from mobilebert_tf.text_table import aligned


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What is made, and how often. T is 128, single pieces are masked, 4 files are written."""

    dupe_factors: tuple[int, ...] = (1, 5)
    """Times that each document is used."""
    workers: tuple[int, ...] = (1, 2)
    """Numbers of processes."""
    rounds: int = 3


def measure(files: Sequence[Path], vocab: str, settings: Settings) -> list[Subject]:
    """Seconds of one pass over the text, the tokenizer first; each in a fresh process, all of them in turn.

    Raises:
      FailedError: a process died.
    """
    text = {"files": [str(file) for file in files], "vocab": vocab}
    orders: dict[str, dict[str, int]] = {"tokenizer alone": {}}
    for dupe_factor in settings.dupe_factors:
        for workers in settings.workers:
            name = f"records, dupe_factor {dupe_factor}, {workers} worker{'s' if workers > 1 else ''}"
            orders[name] = {"dupe_factor": dupe_factor, "workers": workers}
    seen: dict[str, list[dict[str, Any]]] = {name: [] for name in orders}
    turns = [name for _ in range(settings.rounds) for name in orders]
    for name in track(turns, "measuring", "processes", len(turns)):
        seen[name].append(_process({**text, **orders[name]}))
    return [Subject(name=name, details=orders[name], rounds=rounds) for name, rounds in seen.items()]


def _process(order: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "mobilebert_tf.benchmarks.one_records", json.dumps(order)]
    one_thread = {**os.environ, "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=one_thread)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise FailedError(f"the measuring process ended with status {done.returncode}: {last}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def rates(subject: dict[str, Any]) -> tuple[float, float, float]:
    """Records and word pieces of the text per second, and per core the share of the tokenizer's speed."""
    first, seconds = subject["rounds"][0], subject["summary"]["median"]
    share = 1.0 / subject["ratio"]["median"] / subject.get("workers", 1)
    return first.get("records", 0) / seconds, first["pieces"] / seconds, share


def table(written: dict[str, Any]) -> str:
    """What was measured, for the terminal."""
    rows = [["", "records/s", "word pieces/s", "of the tokenizer's speed, per core"]]
    for subject in written["subjects"]:
        records, pieces, share = rates(subject)
        rows.append([subject["name"], f"{records:,.0f}" if records else "-", f"{pieces:,.0f}", f"{share:.0%}"])
    busy = max(seen["foreign_cores"] for subject in written["subjects"] for seen in subject["rounds"])
    note = f"\nother programs took up to {busy:.1f} cores meanwhile, so expect noise" if busy > 0.1 else ""
    return aligned(rows) + note
