"""Results JSON as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mobilebert_tf.text_table import aligned


def host_table(document: Mapping[str, Any]) -> str:
    """Median, p90 and minimum in ms, and the ratio to the baseline: its 95 % interval, of few rounds their spread."""
    ratios = [row["ratio"] for row in document["subjects"] if "ratio" in row]
    low, high, spread = (
        ("low", "high", "95 % interval") if _has_interval(ratios) else ("min", "max", "min-max of rounds")
    )
    rows = [["file", "T", "MB", "median ms", "p90", "min", *([f"ratio ({spread})"] if ratios else [])]]
    for subject in document["subjects"]:
        summary = subject["summary"]
        row = [subject["name"], str(subject.get("sequence_length", "texts")), f"{subject['bytes'] / 1e6:.1f}"]
        row += [f"{summary[key]:.2f}" for key in ("median", "p90", "min")]
        if ratios:
            ratio = subject["ratio"]
            row.append(f"{ratio['median']:.3f} ({ratio[low]:.3f}-{ratio[high]:.3f})")
        rows.append(row)
    busy = max(seen["foreign_cores"] for subject in document["subjects"] for seen in subject["rounds"])
    threads = document["settings"]["threads"]
    note = f"\nhost figures, {threads} thread{'s' if threads > 1 else ''}, batch 1"
    if busy > 0.1:
        note += f"; other processes took up to {busy:.1f} cores meanwhile, so expect noise"
    return aligned(rows) + note


def _has_interval(ratios: Sequence[Mapping[str, Any]]) -> bool:
    return bool(ratios) and all(ratio.get("low") is not None for ratio in ratios)
