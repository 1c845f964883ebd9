"""Results of an export, as `report.json` and as a table for the terminal."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from mobilebert_tf import provenance
from mobilebert_tf.export.choose import search_report
from mobilebert_tf.export.make.variants import Made
from mobilebert_tf.exported import Report, TaskNames
from mobilebert_tf.tasks.task import Task
from mobilebert_tf.text_table import aligned, counted


def report_of(
    *, model: dict[str, Any], lengths: Sequence[int], rewrites: Sequence[str], calibrated_on: str | None,
    compared_on: str, shown: str, task: Task, made: Made,
) -> Report:  # fmt: skip
    """All results of an export in one report.

    Args:
      model: name and hash of the exported model.
      lengths: T of each signature.
      rewrites: names of the rewrites that were applied.
      calibrated_on: description of the examples that static scales come from; None: there are none.
      compared_on: description of the examples that parity was measured on.
      shown: description of the texts that contracts hold as examples.
      task: task whose names of figures the tables use.
      made: results of `make_variants`.
    """
    return Report(
        made_by=provenance.describe(),
        model=model,
        task=TaskNames(name=task.name, score=task.score_name, title=task.score_title, agreement=task.agreement_name),
        sequence_lengths=tuple(lengths),
        rewrites=tuple(rewrites),
        brought=tuple(made.brought),
        calibration_examples=calibrated_on or "",
        largest_activation=made.largest_activation,
        parity_examples=compared_on,
        contract_examples=shown,
        keras=made.keras,
        searched=search_report.of_search(made.searched) if made.searched else None,
        variants=tuple(made.variants),
    )


def as_json(report: Report) -> dict[str, Any]:
    """The content of `report.json`, with null for empty values."""
    values = _null_where_empty(dataclasses.asdict(report))
    return {**values, "variants": [_null_where_empty(variant) for variant in values["variants"]]}


def _null_where_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {name: None if value in ("", {}) else value for name, value in values.items()}


def table(report: Report) -> str:
    """Table of size, score, latency and parity by variant, Keras first; below it why files were rejected."""
    lengths, score, agreement = report.sequence_lengths, report.task.score, report.task.agreement
    rows = [
        [
            "variant",
            "MB",
            report.task.title,
            "to Keras",
            *(f"ms at {n}" for n in lengths),
            agreement,
            "error",
            "needs",
        ]
    ]
    rows.append(["keras", "", _share(report.keras, score), "", *("" for _ in lengths), "", "", ""])
    for row in report.variants:
        difference, medians = row.difference, [row.median(length) for length in lengths]
        rows.append([
            row.name + ("" if row.passed else " (rejected)"),
            f"{row.bytes / 1e6:.2f}" if row.bytes else "-",
            _share(row.metrics, score),
            f"{100 * difference.low:+.1f} to {100 * difference.high:+.1f}" if difference else "-",
            *("-" if median is None else f"{median:.2f}" for median in medians),
            _share(row.parity, "decision_agreement"),
            _error(row.parity) if row.parity else "-",
            row.oldest_runtime or "-",
        ])  # fmt: skip
    lines = [aligned(rows)]
    timed = next((one.threads for row in report.variants for one in row.latency_ms.values()), None)
    if timed:
        threads = counted(timed, "thread")
        lines.append(f"ms at T: median on this machine, T word pieces, {threads}")
    if report.keras:
        lines.append(f"to Keras: difference of {report.task.title} in points, 95 % interval")
    lines.append(f"{agreement}, error (largest of an output, relative): {report.parity_examples}, against Keras")
    is_classes = report.task.name == "classification"
    if is_classes and any(row.target == "mediapipe" for row in report.variants):
        lines.append("mediapipe: the error is of a probability")
    for row in report.variants:
        if row.target == "gpu" and (taken := row.gpu):
            pieces = f"{taken.partitions} piece{'' if taken.partitions == 1 else 's'}"
            lines.append(
                f"{row.name}: {taken.taken} of {taken.operators} operators would run on a GPU delegate in {pieces}, "
                "by its rules; not run on a GPU"
            )
    for row in report.variants:
        if parity := row.trained:
            error = f"mean error {parity['mean_relative_error']:.1e}"
            same = _share(parity, "decision_agreement")
            lines.append(f"{row.name}, against the network as fine-tuned for it: {agreement} {same}, {error}")
    if any(row.one_graph for row in report.variants):
        lines.append(
            "one graph for all lengths: apps give the inputs the shape [1, T] where T changes, as the contracts say"
        )
    lines.append("needs: first TensorFlow Lite with all its operators")
    lines += [f"{row.name}: {row.reason}" for row in report.variants if not row.passed]
    return "\n".join(lines)


def _error(parity: dict[str, Any]) -> str:
    return "no numbers" if parity["without_numbers"] else f"{parity['max_relative_error']:.1e}"


def _share(values: dict[str, Any] | None, name: str) -> str:
    return f"{values[name]:.1%}" if values else "-"
