"""Speed of making pretraining records, compared with the tokenizer alone on the same text."""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf import child_process
from mobilebert_tf.benchmarks.results import Subject
from mobilebert_tf.data.progress import track
from mobilebert_tf.text_table import aligned, counted


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """Variants and rounds. T is 128, single word pieces are masked, 4 files are written."""

    dupe_factors: tuple[int, ...] = (1, 5)
    """Numbers of times that each document is used; each is measured."""
    workers: tuple[int, ...] = (1, 2)
    """Numbers of processes; each is measured."""
    rounds: int = 3


def measure(files: Sequence[Path], vocab: str, settings: Settings) -> list[Subject]:
    """Seconds of one pass over the text, the tokenizer alone first; each in a fresh process, all in turn in each round.

    Raises:
      FailedError: a process died.
    """
    text = {"files": [str(file) for file in files], "vocab": vocab}
    orders: dict[str, dict[str, int]] = {"tokenizer alone": {}}
    for dupe_factor in settings.dupe_factors:
        for workers in settings.workers:
            name = f"records, dupe_factor {dupe_factor}, {counted(workers, 'worker')}"
            orders[name] = {"dupe_factor": dupe_factor, "workers": workers}
    seen: dict[str, list[dict[str, Any]]] = {name: [] for name in orders}
    turns = [name for _ in range(settings.rounds) for name in orders]
    for name in track(turns, "measuring", "processes", len(turns)):
        seen[name].append(_process({**text, **orders[name]}))
    return [Subject(name=name, details=orders[name], rounds=rounds) for name, rounds in seen.items()]


def _process(order: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-m", "mobilebert_tf.benchmarks.library.one_records", json.dumps(order)]
    done = child_process.run(command, {"TOKENIZERS_PARALLELISM": "false"})
    answer: dict[str, Any] = child_process.answer("the measuring process", done)
    return answer


@dataclasses.dataclass(frozen=True)
class Rates:
    """Speed of one subject. The tokenizer alone makes no records: 0."""

    name: str
    records: float
    """Records per second of wall-clock time."""
    pieces: float
    """Word pieces of the text per second of wall-clock time."""
    records_per_core: float
    """Records per second of processor time, summed over all processes."""
    pieces_per_core: float
    """Word pieces of the text per second of processor time, summed over all processes."""
    share: float
    """`pieces_per_core` as a share of the tokenizer's: the median of the rounds' quotients."""


def rates(written: Mapping[str, Any]) -> list[Rates]:
    """Speeds from the results. Other programs disturb processor time the least."""
    alone = _processor_seconds(written["subjects"][0])
    speeds = []
    for subject in written["subjects"]:
        records, pieces = subject["rounds"][0].get("records", 0), subject["rounds"][0]["pieces"]
        wall, own = subject["summary"]["median"], _processor_seconds(subject)
        share = statistics.median(a / b for a, b in zip(alone, own, strict=True))
        core = statistics.median(own)
        speeds.append(Rates(subject["name"], records / wall, pieces / wall, records / core, pieces / core, share))
    return speeds


def _processor_seconds(subject: Mapping[str, Any]) -> list[float]:
    return [seen["processor_seconds"] for seen in subject["rounds"]]


def table(written: dict[str, Any]) -> str:
    """The results as a text table for the terminal."""
    rows = [["", "records/s", "word pieces/s", "per core: records/s", "word pieces/s", "of the tokenizer's"]]
    for r in rates(written):
        cells = [f"{value:,.0f}" if value else "-" for value in (r.records, r.pieces, r.records_per_core)]
        rows.append([r.name, *cells, f"{r.pieces_per_core:,.0f}", f"{r.share:.0%}"])
    busy = max(seen["foreign_cores"] for subject in written["subjects"] for seen in subject["rounds"])
    note = "\nper core: by processor time of all processes, their start included"
    if busy > 0.1:
        note += f"; other programs took up to {busy:.1f} cores, so do not trust the clock"
    return aligned(rows) + note
