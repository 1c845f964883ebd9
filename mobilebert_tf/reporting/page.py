"""`Results` -> one HTML file that loads nothing."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from mobilebert_tf import atomic
from mobilebert_tf.errors import UsageError
from mobilebert_tf.reporting import curves, numbers, provenance, scores, student, words
from mobilebert_tf.reporting.results import Classifier, Exported, Results, Score, Training

GENERATOR = "mobilebert-tf report"
"""Stands in the page's head, so that a report may replace a report and nothing else."""


def write(results: Results, path: Path) -> None:
    """Write the page; an earlier report there is replaced whole.

    Raises:
      UsageError: `path` is a directory, or holds something that is not a report.
    """
    if path.is_dir():
        raise UsageError(f"{path}: is a directory; --output is the HTML file to write")
    if path.exists() and GENERATOR.encode() not in path.read_bytes()[:2000]:
        raise UsageError(f"{path}: exists and is no report; give another --output")
    atomic.write_text(path, render(results))


def render(results: Results) -> str:
    """The page as text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("mobilebert_tf.reporting", ""),
        autoescape=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    for name in ("percent", "milliseconds", "megabytes", "significant"):
        environment.filters[name] = getattr(numbers, name)
    points = scores.points(results)
    return environment.get_template("page.html.j2").render(
        generator=GENERATOR,
        css=(Path(__file__).parent / "page.css").read_text(encoding="utf-8"),
        date=datetime.date.today().isoformat(),
        headline=words.headline(results),
        verdict=words.transfer_verdict(results),
        results=results,
        interval=_interval,
        files_caption=_files_caption,
        points=points,
        charts={"scores": Markup(scores.chart("scores", points)) if points else "", "finetune": _finetuning(results)},
        students=[student.section(one, results.teachers, n) for n, one in enumerate(results.students)],
        teachers=[_teacher(teacher, n) for n, teacher in enumerate(results.teachers)],
        confusions=[_confusion(c) for c in results.classifiers if _has_confusion(c)],
        timing=_timing(results),
        total=_total(results),
        provenance=provenance.rows(results.runs),
        limits=words.limits(results),
    )


def _interval(score: Score) -> Markup:
    interval = scores.wilson(score)
    if not interval:
        return Markup()
    low, high = (f"{100 * end:.1f}" for end in interval)
    return Markup("<small>{} to {} %</small>").format(low, high)


def _files_caption(export: Exported) -> str:
    parts = []
    examples = {v.score.examples for v in export.variants if v.score and v.score.examples}
    if len(examples) == 1:
        parts.append(f"Scores are on {numbers.count(examples.pop())} held-out examples, with 95 % Wilson intervals.")
    if export.sequence_lengths:
        lengths = ", ".join(map(str, export.sequence_lengths))
        parts.append(f"Every file takes inputs of {lengths} tokens.")
    settings = {
        (v.latency_ms.get("sequence_length"), v.latency_ms.get("threads"), v.latency_ms.get("runs"))
        for v in export.variants
        if v.latency_ms
    }
    if len(settings) == 1:
        length, threads, runs = settings.pop()
        parts.append(
            f"Latency is the median of {numbers.count(runs)} runs on this machine, {threads} "
            f"thread{'' if threads == 1 else 's'}, {length} tokens; not a phone."
        )
    if any(v.parity for v in export.variants):
        parts.append("Largest error is relative to the scale of the Keras logits; same answer is how often both agree.")
    return " ".join(parts)


def _finetuning(results: Results) -> Markup | str:
    """Loss curves of the first run from scratch and the first after transfer."""
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for scratch, title in ((False, "transferred"), (True, "from scratch")):
        for classifier in results.classifiers:
            stage = classifier.stages[-1] if classifier.stages else None
            if stage and classifier.from_scratch == scratch and "loss" in stage.metrics:
                found.setdefault(title, (stage.steps, stage.metrics["loss"]))
    if not found:
        return ""
    label = "Training loss while fine-tuning: " + " and ".join(found) + "."
    return Markup(curves.comparison("finetune", label, found, "fine-tuning: loss"))


def _teacher(teacher: Training, number: int) -> dict[str, Any]:
    charts, meanwhile = [], False
    for index, stage in enumerate(teacher.stages):
        panels = {metric: title for metric, title in curves.PRETRAINING_METRICS.items() if metric in stage.metrics}
        panels = panels or ({"loss": "loss"} if "loss" in stage.metrics else {})
        if panels:
            meanwhile |= curves.measured_meanwhile(stage, panels)
            shown = ", ".join(panels.values())
            label = f"Pre-training over {numbers.count(int(stage.steps[-1]))} steps: {shown}."
            name = f"teacher-{number}-{index}"
            charts.append(Markup(curves.training(name, label, stage, panels, teacher.held_out)))
    return {"item": teacher, "charts": charts, "meanwhile": meanwhile}


def _has_confusion(classifier: Classifier) -> bool:
    return bool(classifier.score and classifier.score.confusion is not None and not classifier.from_scratch)


def _confusion(classifier: Classifier) -> dict[str, Any]:
    assert classifier.score and classifier.score.confusion is not None, "asked before"
    counts = classifier.score.confusion
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    labels = classifier.labels if len(classifier.labels) == len(counts) else range(len(counts))
    cells = [
        [{"count": numbers.count(int(n)), "share": f"{0.7 * s:.3f}"} for n, s in zip(row, part, strict=True)]
        for row, part in zip(counts, shares, strict=True)
    ]
    return {"name": classifier.run.name, "labels": list(labels), "cells": cells}


def _timing(results: Results) -> list[dict[str, Any]]:
    longest = max((run.seconds or 0.0 for run in results.runs), default=0.0) or 1.0
    return [
        {
            "name": run.name,
            "command": run.command,
            "time": numbers.duration(run.seconds) if run.finished else "unfinished",
            "share": None if run.seconds is None else f"{100 * run.seconds / longest:.1f}",
        }
        for run in results.runs
    ]


def _total(results: Results) -> str:
    times = [run.seconds for run in results.runs if run.seconds is not None]
    return numbers.duration(sum(times)) if len(times) > 1 else ""
