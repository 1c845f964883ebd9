"""`report.json` of an export -> `Exported`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mobilebert_tf.errors import UsageError
from mobilebert_tf.reporting.json_values import number, numbers, object_or_empty, score
from mobilebert_tf.reporting.results import Difference, Exported, Run, Variant


def of_run(run: Run) -> Exported:
    """What a run of `export` found; empty while there is no report.

    Raises:
      UsageError: its report cannot be read.
    """
    path = run.directory / "report.json"
    return _exported(object_or_empty(path), run, path)


def of_report(report: Mapping[str, Any], path: Path) -> Exported:
    """What stands in a `report.json`, given as `json.loads` gives it; `path` is for messages.

    Raises:
      UsageError: it is no report of `export`.
    """
    run = Run(
        directory=path.parent,
        name=str((report.get("model") or {}).get("name") or "export"),
        command="export",
        options={},
        made_by=report.get("made_by") or {},
        finished=True,
        seconds=None,
    )
    return _exported(report, run, path)


def _exported(report: Mapping[str, Any], run: Run, path: Path) -> Exported:
    try:
        return Exported(
            run=run,
            model=report.get("model") or {},
            keras=score(report.get("keras"), f"{path}: keras"),
            sequence_lengths=tuple(sorted(map(int, report.get("sequence_lengths") or ()))),
            rewrites=tuple(map(str, report.get("rewrites") or ())),
            brought=tuple(report.get("brought") or ()),
            searched=report.get("searched"),
            calibrated_on=str(report.get("calibration_examples") or ""),
            compared_on=str(report.get("parity_examples") or ""),
            largest_activation=number(report.get("largest_activation")),
            variants=tuple(_variant(row, f"{path}: variants") for row in report.get("variants") or ()),
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise UsageError(f"{path}: is not a report of `export` ({error!r})") from None


def _variant(row: Mapping[str, Any], where: str) -> Variant:
    return Variant(
        name=str(row["name"]),
        description=str(row.get("description") or ""),
        target=str(row.get("target") or "litert"),
        file=str(row.get("file") or ""),
        bytes=row.get("bytes"),
        bytes_of_lengths={int(length): int(size) for length, size in (row.get("bytes_of_lengths") or {}).items()},
        weight_bytes=row.get("weight_bytes"),
        half=bool(row.get("half")),
        score=score(row.get("metrics"), f"{where}: {row['name']}: metrics"),
        difference=Difference(**row["difference"]) if row.get("difference") else None,
        parity=numbers(row.get("parity")),
        parity_of_lengths=_by_length(row.get("parity_of_lengths")),
        trained=numbers(row.get("trained")),
        changes=row.get("changes") or {},
        ops=row.get("ops") or {},
        op_versions=row.get("op_versions") or {},
        oldest_runtime=str(row.get("oldest_runtime") or ""),
        gpu=row.get("gpu") or {},
        latency_ms=_by_length(row.get("latency_ms")),
        latency_rounds=_rounds(row.get("latency_ms") or {}),
        multiply_adds=numbers(row.get("multiply_adds")),
        passed=bool(row.get("passed")),
        reason=str(row.get("reason") or ""),
    )


def _by_length(found: Mapping[str, Mapping[str, Any]] | None) -> dict[int, dict[str, float]]:
    return {int(length): numbers(values) for length, values in (found or {}).items()}


def _rounds(latency: Mapping[str, Mapping[str, Any]]) -> dict[int, tuple[float, ...]]:
    rounds = {int(length): tuple(map(float, values.get("rounds") or ())) for length, values in latency.items()}
    return {length: times for length, times in rounds.items() if times and all(0 < time < math.inf for time in times)}
