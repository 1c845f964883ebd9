"""JSON files and their values as the report needs them."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import bounded, build
from mobilebert_tf.reporting.results import Score


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
      UsageError: it holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise UsageError(f"{path}: is not readable as JSON; run the command that wrote it again") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path}: holds no JSON object; run the command that wrote it again")
    return content


def object_or_empty(path: Path) -> dict[str, Any]:
    """`read_object`, or nothing where the file is not there yet."""
    return read_object(path) if path.exists() else {}


def number(value: Any) -> float | None:
    """A number that can be shown: neither absent nor NaN."""
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def numbers(values: Mapping[str, Any] | None) -> dict[str, float]:
    """Those of the values that can be shown."""
    found = {name: number(value) for name, value in (values or {}).items()}
    return {name: value for name, value in found.items() if value is not None}


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Metrics:
    """What `metrics.json` and a variant of `report.json` hold of a score."""

    examples: int | None = bounded(None, least=0, most=10**12)
    accuracy: float | None = bounded(None, least=0, most=1)
    macro_f1: float | None = bounded(None, least=0, most=1)
    loss: float | None = None
    majority_accuracy: float | None = bounded(None, least=0, most=1)
    confusion: tuple[tuple[int, ...], ...] | None = bounded(None, least=0, most=10**12)


def score(metrics: Any, where: str) -> Score | None:
    """A model's metrics, those that are no number left out; None if there are none.

    Raises:
      UsageError: they are something else; `where` says whose they are.
    """
    if not metrics:
        return None
    if isinstance(metrics, dict):
        metrics = {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in metrics.items()}
    try:
        found: _Metrics = build(_Metrics, metrics, where, skips_unknown=True)
        if found.confusion and {len(row) for row in found.confusion} != {len(found.confusion)}:
            raise UsageError(f"{where}: confusion: is no table of as many columns as rows")
    except UsageError as error:
        raise UsageError(f"{error}; run the command that wrote it again") from None
    return Score(
        examples=found.examples,
        accuracy=found.accuracy,
        macro_f1=found.macro_f1,
        loss=found.loss,
        majority_accuracy=found.majority_accuracy,
        confusion=np.array(found.confusion) if found.confusion else None,
    )
