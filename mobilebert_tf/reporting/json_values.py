"""JSON files and their values as the report needs them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mobilebert_tf.errors import UsageError
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


def score(metrics: Mapping[str, Any] | None) -> Score | None:
    """A model's metrics; None if there are none."""
    if not metrics:
        return None
    return Score(
        examples=metrics.get("examples"),
        accuracy=number(metrics.get("accuracy")),
        macro_f1=number(metrics.get("macro_f1")),
        loss=number(metrics.get("loss")),
        majority_accuracy=number(metrics.get("majority_accuracy")),
        confusion=np.array(metrics["confusion"]) if metrics.get("confusion") else None,
    )
