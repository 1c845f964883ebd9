"""The page of `Results`: one HTML file that loads no other files."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from mobilebert_tf import atomic
from mobilebert_tf.errors import UsageError
from mobilebert_tf.reporting import curves, export_part, numbers, provenance, scores, student, templates, words, wrong
from mobilebert_tf.reporting.results import Classifier, Results, Stage, Tables, Training
from mobilebert_tf.transfer.terms import MEASURED


def write(results: Results, path: Path) -> None:
    """Write the page to `path`, replacing an earlier report.

    Raises:
      UsageError: `path` is a directory, or holds something that is not a report.
    """
    if path.is_dir():
        raise UsageError(f"{path}: is a directory; --output is the HTML file to write")
    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: is no regular file; --output is the HTML file to write")
    if path.exists() and templates.GENERATOR.encode() not in path.read_bytes()[:2000]:
        raise UsageError(f"{path}: exists and is no report; give another --output")
    atomic.write_text(path, render(results))


def render(results: Results) -> str:
    """The page as text."""
    points = scores.points(results)
    return templates.render_html(
        "page.html.j2",
        by=templates.GENERATOR,
        date=datetime.date.today().isoformat(),
        headline=words.headline(results),
        verdict=words.transfer_verdict(results),
        results=results,
        parts=[export_part.part(export, number) for number, export in enumerate(results.exports, 1)],
        points=points,
        charts={"scores": Markup(scores.chart("scores", points)) if points else "", "finetune": _finetuning(results)},
        students=[student.section(one, results.teachers, n) for n, one in enumerate(results.students)],
        teachers=[_teacher(teacher, n) for n, teacher in enumerate(results.teachers)],
        wrong=wrong.sections(results),
        tables=_tables(results),
        timing=_timing(results),
        total=_total(results),
        provenance=provenance.rows(results.runs),
        limits=words.limits(results),
    )


def _finetuning(results: Results) -> list[dict[str, Any]]:
    """Charts of each family's first runs from scratch and after transfer: loss, and the score during training."""
    charts = []
    for number, family in enumerate(results.families, 1):
        stages: dict[str, Stage] = {}
        kept: dict[str, int] = {}
        for scratch, title in ((False, "transferred"), (True, "from scratch")):
            for classifier in family.classifiers:
                stage = next((one for one in reversed(classifier.stages) if one is not _layers(classifier)), None)
                if stage and classifier.from_scratch == scratch and "loss" in stage.metrics:
                    if title not in stages and classifier.kept_step is not None:
                        kept[title] = classifier.kept_step
                    stages.setdefault(title, stage)
        layers = next((one for one in map(_layers, family.classifiers) if one), None)
        if stages:
            label = "Training loss while fine-tuning: " + " and ".join(stages) + "."
            label += "".join(f" Kept: step {numbers.count(step)}, {title}." for title, step in kept.items())
            charts.append({
                "svg": Markup(curves.finetuning(f"finetune-{number}", label, stages, kept)),
                "name": family.name,
                "kept": kept,
                "layers": Markup(curves.transfer(f"layers-{number}", _LAYERS, [layers])) if layers else "",
                "meanwhile": curves.SCORES.get(curves.measured_score(stages.values()) or ""),
            })  # fmt: skip
    return charts


_LAYERS = "Distance between student and teacher while the student learns the layers of a fine-tuned teacher."


def _layers(classifier: Classifier) -> Stage | None:
    """The stage in which a classifier learned its teacher's layers, before the labels."""
    return next((stage for stage in classifier.stages if set(MEASURED) & set(stage.metrics)), None)


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


def _tables(results: Results) -> list[dict[str, Any]]:
    """The sentences about tables, with the names of the runs that used them."""
    runs: dict[Tables, list[str]] = {}
    for classifier in results.classifiers:
        if classifier.tables.summary:
            runs.setdefault(classifier.tables, []).append(classifier.run.name)
    return [{"tables": tables, "runs": ", ".join(names)} for tables, names in runs.items()]


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
