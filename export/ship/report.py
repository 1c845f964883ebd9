"""What an export found, as `report.json` and as a table for the terminal."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from mobilebert_tf import provenance
from mobilebert_tf.export.choose import search_report
from mobilebert_tf.export.make.variants import Made
from mobilebert_tf.tasks.task import Task
from mobilebert_tf.text_table import aligned


def as_json(
    *, model: dict[str, Any], lengths: Sequence[int], rewrites: Sequence[str], calibrated_on: str | None,
    compared_on: str, shown: str, task: Task, made: Made,
) -> dict[str, Any]:  # fmt: skip
    """The content of `report.json`.

    Args:
      model: name and hash of what was exported.
      lengths: T of each signature.
      rewrites: names of those that were applied.
      calibrated_on: which examples static scales come from, if there are any.
      compared_on: which examples the parity stands for.
      shown: which texts the contracts hold as examples.
      task: whose names of figures the tables have.
      made: what was found.
    """
    return {
        "made_by": provenance.describe(),
        "model": model,
        "task": {
            "name": task.name,
            "score": task.score_name,
            "title": task.score_title,
            "agreement": task.agreement_name,
        },
        "sequence_lengths": list(lengths),
        "rewrites": list(rewrites),
        "brought": [dataclasses.asdict(one) for one in made.brought],
        "calibration_examples": calibrated_on,
        "largest_activation": made.largest_activation,
        "parity_examples": compared_on,
        "contract_examples": shown,
        "keras": made.keras,
        "searched": search_report.as_json(made.searched) if made.searched else None,
        "variants": [dataclasses.asdict(variant) for variant in made.variants],
    }


def table(report: dict[str, Any]) -> str:
    """Variant, size, score, latency, parity; the Keras model first. Rejected files say why below."""
    lengths, score, agreement = report["sequence_lengths"], report["task"]["score"], report["task"]["agreement"]
    rows = [
        [
            "variant",
            "MB",
            report["task"]["title"],
            "to Keras",
            *(f"ms at {n}" for n in lengths),
            agreement,
            "error",
            "needs",
        ]
    ]
    rows.append(["keras", "", _share(report["keras"], score), "", *("" for _ in lengths), "", "", ""])
    for row in report["variants"]:
        parity, latency, difference = row["parity"] or {}, row["latency_ms"] or {}, row["difference"]
        rows.append([
            row["name"] + ("" if row["passed"] else " (rejected)"),
            f"{row['bytes'] / 1e6:.2f}" if row["bytes"] else "-",
            _share(row["metrics"], score),
            f"{100 * difference['low']:+.1f} to {100 * difference['high']:+.1f}" if difference else "-",
            *(f"{latency[n]['median']:.2f}" if n in latency else "-" for n in lengths),
            _share(parity, "decision_agreement"),
            _error(parity) if parity else "-",
            row["oldest_runtime"] or "-",
        ])  # fmt: skip
    lines = [aligned(rows)]
    timed = next((one for row in report["variants"] for one in (row["latency_ms"] or {}).values()), None)
    if timed:
        threads = f"{timed['threads']} thread{'s' if timed['threads'] > 1 else ''}"
        lines.append(f"ms at T: median on this machine, T word pieces, {threads}")
    if report["keras"]:
        lines.append(f"to Keras: difference of the {score} in points, 95 % interval")
    lines.append(f"{agreement}, error (largest of an output, relative): {report['parity_examples']}, against Keras")
    is_classes = report["task"]["name"] == "classification"
    if is_classes and any(row["target"] == "mediapipe" for row in report["variants"]):
        lines.append("mediapipe: the error is of a probability")
    for row in report["variants"]:
        if row["target"] == "gpu" and (found := row["gpu"]):
            pieces = f"{found['partitions']} piece{'' if found['partitions'] == 1 else 's'}"
            lines.append(
                f"{row['name']}: {found['taken']} of {found['operators']} operators on a GPU delegate in {pieces}, by "
                "its rules; not run on a GPU"
            )
    for row in report["variants"]:
        if found := row["trained"]:
            error = f"mean error {found['mean_relative_error']:.1e}"
            same = _share(found, "decision_agreement")
            lines.append(f"{row['name']}, against the network as fine-tuned for it: {agreement} {same}, {error}")
    lines.append("needs: first TensorFlow Lite with all its operators")
    lines += [f"{row['name']}: {row['reason']}" for row in report["variants"] if not row["passed"]]
    return "\n".join(lines)


def _error(parity: dict[str, Any]) -> str:
    return "no numbers" if parity["without_numbers"] else f"{parity['max_relative_error']:.1e}"


def _share(values: dict[str, Any] | None, name: str) -> str:
    return f"{values[name]:.1%}" if values else "-"
