"""The section of the page about one student: its distance from the teacher during training and at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from mobilebert_tf.reporting import attention, curves, numbers, transfer
from mobilebert_tf.reporting.course import course
from mobilebert_tf.reporting.results import Training
from mobilebert_tf.transfer.terms import MEASURED

_DISTILLATION_PANELS = curves.PRETRAINING_METRICS | {"distillation": "distance from the teacher’s guesses, nats"}
_COURSE_PANELS = curves.PRETRAINING_METRICS | {
    "teacher_agreement": "same first guess as the teacher",
    "distillation": "guesses: KL(teacher ‖ student), nats",
}


def section(student: Training, teachers: Sequence[Training], number: int) -> dict[str, Any]:
    """The values of the template for the `number`-th student."""
    layerwise = [s for s in student.stages if set(MEASURED) & set(s.metrics)]
    last = student.stages[-1] if student.stages else None
    panels = {m: title for m, title in _DISTILLATION_PANELS.items() if last and m in last.metrics}
    layers = distillation = Markup()
    if layerwise:
        label = "Distance between student and teacher over the stages " + ", ".join(s.name for s in layerwise) + "."
        layers = Markup(curves.transfer(f"transfer-{number}", label, layerwise))
    if last and panels:
        label = f"Distillation over {numbers.count(int(last.steps[-1]))} steps: " + ", ".join(panels.values()) + "."
        distillation = Markup(curves.training(f"distillation-{number}", label, last, panels, student.held_out))
    place = student.run.directory.resolve().parent
    candidates = [
        teacher for teacher in teachers if len(teachers) == 1 or teacher.run.directory.resolve().parent == place
    ]
    teacher = candidates[0] if len(candidates) == 1 else None
    return {
        "item": student,
        "teacher": bool(teacher or student.teacher_held_out),
        "rows": _held_out_rows(student, teacher),
        **_over_time(student, teacher, number),
        "transfer": layers,
        "distillation": distillation,
        "meanwhile": bool(last and curves.measured_meanwhile(last, panels)),
        "statistics": Markup(transfer.statistics(f"statistics-{number}", student.layers)),
        "distance_columns": _distance_columns(student),
        "maps": _maps(student, number),
    }


def _over_time(student: Training, teacher: Training | None, number: int) -> dict[str, Any]:
    """The pictures over all stages; empty if nothing was measured on held-out text during training."""
    measured = course(student.stages)
    if measured is None:
        return {"distances": "", "course": ""}
    panels = {metric: title for metric, title in _COURSE_PANELS.items() if metric in measured.metrics}
    levels = student.teacher_held_out or (teacher.held_out if teacher else {})
    drawn = ""
    if panels:
        steps = numbers.count(measured.spans[-1].end)
        description = "; ".join(_told(m, title, measured.metrics[m], levels.get(m)) for m, title in panels.items())
        label = f"Held-out text over {steps} steps of all stages: {description}."
        drawn = curves.course(f"course-{number}", label, measured, panels, levels, "distillation")
    return {
        "distances": Markup(transfer.distances(f"distances-{number}", measured)),
        "framed": any(span.trained for span in measured.spans),
        "before": bool(measured.steps[0] == 0),
        "undone": transfer.undone(measured),
        "course": Markup(drawn),
        "levels": any(metric in levels for metric in panels),
        "logarithmic": "distillation" in panels,
    }


def _told(metric: str, title: str, values: np.ndarray, level: float | None) -> str:
    """A panel in words, for users of screen readers."""
    show = numbers.percent if curves.is_share(metric) else numbers.significant
    known = values[np.isfinite(values)]
    phrase = f"{title} from {show(float(known[0]))} to {show(float(known[-1]))}"
    return phrase if level is None else f"{phrase}, the teacher’s is {show(level)}"


def _held_out_rows(student: Training, teacher: Training | None) -> list[dict[str, str]]:
    rows = []
    for key, name, note, show in (
        ("masked_word_accuracy", "Masked words guessed", "", numbers.percent),
        ("masked_word_loss", "Masked-word loss", "nats a word; less is better", numbers.significant),
        ("next_sentence_accuracy", "Next sentence recognised", "half would be chance", numbers.percent),
    ):
        # The distillation run's own measurement is preferred: it is on the same text and of the right teacher.
        taught = student.teacher_held_out or (teacher.held_out if teacher else {})
        values = [taught.get(key), student.held_out.get(key)]
        if any(value is not None for value in values):
            rows.append({"name": name, "note": note, "teacher": show(values[0]), "student": show(values[1])})
    if student.teacher_agreement is not None:
        share = numbers.percent(student.teacher_agreement)
        rows.append({"name": "Same guess as the teacher", "note": "", "teacher": numbers.ABSENT, "student": share})
    if student.parameters is not None:
        size = numbers.count(teacher.parameters) if teacher else numbers.ABSENT
        rows.append({"name": "Parameters", "note": "", "teacher": size, "student": numbers.count(student.parameters)})
    return rows


def _distance_columns(student: Training) -> list[dict[str, str]]:
    """Columns of the table of layers: each measured term, with its heading and measure."""
    measured = {name for layer in student.layers for name in layer.distances}
    columns = []
    for name, title in MEASURED.items():
        if name in measured:
            heading, measure = title.split(": ", 1)
            columns.append({"name": name, "heading": heading.capitalize(), "measure": measure})
    return columns


def _maps(student: Training, number: int) -> list[dict[str, Any]]:
    """Attention maps: first the layer with most structure, then the others in order."""
    maps = student.attention
    if maps is None:
        return []
    first = max(maps.layers, key=attention.structure)
    return [
        {
            "layer": layer.layer,
            "divergence": attention.divergence(layer),
            "svg": Markup(attention.chart(f"attention-{number}-{layer.layer}", maps, layer)),
            "tokens": len(maps.tokens),
            "shown": attention.MOST_TOKENS,
            "cut": len(maps.tokens) > attention.MOST_TOKENS,
        }
        for layer in (first, *(layer for layer in maps.layers if layer is not first))
    ]
