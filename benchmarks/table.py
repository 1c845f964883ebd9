"""Results JSON as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mobilebert_tf.text_table import aligned


def host_table(document: Mapping[str, Any]) -> str:
    """Median, p90 and minimum in ms, and the ratio to the baseline with its spread over rounds."""
    compared = any("ratio" in row for row in document["subjects"])
    rows = [["file", "T", "MB", "median ms", "p90", "min", *(["ratio (min-max of rounds)"] if compared else [])]]
    for subject in document["subjects"]:
        summary = subject["summary"]
        row = [subject["name"], str(subject.get("sequence_length", "texts")), f"{subject['bytes'] / 1e6:.1f}"]
        row += [f"{summary[key]:.2f}" for key in ("median", "p90", "min")]
        if compared:
            ratio = subject["ratio"]
            row.append(f"{ratio['median']:.3f} ({ratio['min']:.3f}-{ratio['max']:.3f})")
        rows.append(row)
    busy = max(seen["foreign_cores"] for subject in document["subjects"] for seen in subject["rounds"])
    threads = document["settings"]["threads"]
    note = f"\nhost figures, {threads} thread{'s' if threads > 1 else ''}, batch 1"
    if busy > 0.1:
        note += f"; other processes took up to {busy:.1f} cores meanwhile, so expect noise"
    return aligned(rows) + note
