"""Reading of an export's `report.json` into `Exported`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mobilebert_tf.errors import UsageError
from mobilebert_tf.exported import read_score
from mobilebert_tf.fields import read_object
from mobilebert_tf.reporting.json_values import AGAIN, build_fields
from mobilebert_tf.reporting.results import Exported, Run
from mobilebert_tf.run_directory import MadeBy


@dataclasses.dataclass(frozen=True)
class _Report:
    """Fields of a report that are checked more strictly than in `Exported`."""

    made_by: MadeBy | None = None


def of_run(run: Run) -> Exported:
    """The results of a run of `export`; empty while there is no report.

    Raises:
      UsageError: the report cannot be read.
    """
    path = run.directory / "report.json"
    return _exported(read_object(path, AGAIN) if path.exists() else {}, run, path)


def of_report(report: Mapping[str, Any], path: Path) -> Exported:
    """The results in a `report.json`, as returned by `json.loads`; `path` is for messages.

    Raises:
      UsageError: the content is not a report of `export`.
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
    exported: Exported = build_fields(Exported, {**report, "run": run}, path)
    if report and not exported.sequence_lengths:
        raise UsageError(f"{path}: has no sequence_lengths; {AGAIN}")
    read_score(exported.keras, f"{path}: keras", AGAIN)
    for variant in exported.variants:
        read_score(variant.metrics, f"{path}: variants: {variant.name}: metrics", AGAIN)
    return dataclasses.replace(exported, sequence_lengths=tuple(sorted(exported.sequence_lengths)))
