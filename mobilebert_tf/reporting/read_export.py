"""`report.json` of an export -> `Exported`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mobilebert_tf.fields import read_object
from mobilebert_tf.reporting.json_values import AGAIN, build_fields
from mobilebert_tf.reporting.results import Exported, Run
from mobilebert_tf.run_directory import MadeBy

_NAMES = {"calibration_examples": "calibrated_on", "parity_examples": "compared_on", "metrics": "score"}
"""Fields of the file that are called otherwise here."""


@dataclasses.dataclass(frozen=True)
class _Report:
    """What a report holds beside `Exported`."""

    made_by: MadeBy | None = None


def of_run(run: Run) -> Exported:
    """What a run of `export` found; empty while there is no report.

    Raises:
      UsageError: its report cannot be read.
    """
    path = run.directory / "report.json"
    return _exported(read_object(path, AGAIN) if path.exists() else {}, run, path)


def of_report(report: Mapping[str, Any], path: Path) -> Exported:
    """What stands in a `report.json`, given as `json.loads` gives it; `path` is for messages.

    Raises:
      UsageError: it is no report of `export`.
    """
    made_by = report.get("made_by") or {}
    build_fields(_Report, report, path)
    run = Run(
        directory=path.parent,
        name="export",
        command="export",
        options={},
        made_by=made_by,
        finished=True,
        seconds=None,
    )
    return _exported(report, run, path)


def _exported(report: Mapping[str, Any], run: Run, path: Path) -> Exported:
    variants = report.get("variants")
    if isinstance(variants, list):
        variants = [_variant(row) for row in variants]
    exported: Exported = build_fields(Exported, {**_renamed(report), "variants": variants, "run": run}, path)
    return dataclasses.replace(exported, sequence_lengths=tuple(sorted(exported.sequence_lengths)))


def _renamed(values: Any) -> Any:
    return {_NAMES.get(name, name): value for name, value in values.items()} if isinstance(values, Mapping) else values


def _variant(row: Any) -> Any:
    """A row with its rounds beside the other figures of its latency."""
    latency = row.get("latency_ms") if isinstance(row, Mapping) else None
    if not isinstance(latency, Mapping) or not all(isinstance(figures, Mapping) for figures in latency.values()):
        return _renamed(row)
    rounds = {length: figures["rounds"] for length, figures in latency.items() if figures.get("rounds")}
    # A clock that stood still tells no ratio.
    rounds = {length: times for length, times in rounds.items() if not isinstance(times, list) or 0 not in times}
    rest = {
        length: {name: value for name, value in figures.items() if name != "rounds"}
        for length, figures in latency.items()
    }
    return {**_renamed(row), "latency_ms": rest, "latency_rounds": rounds}
