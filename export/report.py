"""What an export found, as `report.json` and as a table for the terminal."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from mobilebert_tf import provenance
from mobilebert_tf.export.variants import Variant
from mobilebert_tf.text_table import aligned


def as_json(
    *, model: dict[str, Any], lengths: Sequence[int], rewrites: Sequence[str], compared_on: str,
    keras: dict[str, Any] | None, variants: Sequence[Variant],
) -> dict[str, Any]:  # fmt: skip
    """The content of `report.json`.

    Args:
      model: name and hash of what was exported.
      lengths: T of each signature.
      rewrites: names of those that were applied.
      compared_on: which examples the parity stands for.
      keras: the task's metrics of the Keras model, if it was scored.
      variants: a row per recipe, those that failed too.
    """
    return {
        "made_by": provenance.describe(),
        "model": model,
        "sequence_lengths": list(lengths),
        "rewrites": list(rewrites),
        "parity_examples": compared_on,
        "keras": keras,
        "variants": [dataclasses.asdict(variant) for variant in variants],
    }


def table(report: dict[str, Any]) -> str:
    """Variant, size, score, latency, parity; the Keras model first. Rejected files say why below."""
    rows = [["variant", "MB", "accuracy", "ms", "same decision", "max rel. error", "padding"]]
    rows.append(["keras", "", _share(report["keras"], "accuracy"), "", "", "", ""])
    for row in report["variants"]:
        parity, latency = row["parity"] or {}, row["latency_ms"] or {}
        rows.append([
            row["name"] + ("" if row["passed"] else " (rejected)"),
            f"{row['bytes'] / 1e6:.2f}" if row["bytes"] else "-",
            _share(row["metrics"], "accuracy"),
            f"{latency['median']:.2f}" if latency else "-",
            _share(parity, "decision_agreement"),
            f"{parity['max_relative_error']:.1e}" if parity else "-",
            {True: "ignored", False: "CHANGES LOGITS", None: "-"}[row["padding_invariant"]],
        ])  # fmt: skip
    timed = next((row["latency_ms"] for row in report["variants"] if row["latency_ms"]), None)
    lines = [aligned(rows)]
    if timed:
        threads = f"{timed['threads']} thread{'s' if timed['threads'] > 1 else ''}"
        lines.append(f"ms: median on this machine, {timed['sequence_length']} word pieces, {threads}")
    lines.append(f"parity: {report['parity_examples']}, against Keras")
    lines += [f"{row['name']}: {row['reason']}" for row in report["variants"] if not row["passed"]]
    return "\n".join(lines)


def _share(values: dict[str, Any] | None, name: str) -> str:
    return f"{values[name]:.1%}" if values else "-"
