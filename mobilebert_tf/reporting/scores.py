"""Chart of accuracies as points with their uncertainty."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from matplotlib.figure import Figure
from scipy.stats import binomtest

from mobilebert_tf.reporting.drawing import ACCENT, INK, MUTED, SECOND, WIDE, draw, figure, percent_scale
from mobilebert_tf.reporting.numbers import percent
from mobilebert_tf.reporting.results import Classifier, Results
from mobilebert_tf.tasks.figures import Score


@dataclasses.dataclass(frozen=True)
class Point:
    """One row of the chart. `low` and `high` are None where there is no interval."""

    name: str
    accuracy: float
    low: float | None
    high: float | None
    kind: str
    """baseline, scratch, transferred, pretrained or exported."""


def wilson(score: Score) -> tuple[float, float] | None:
    """95 % interval of the accuracy, from the number of right answers (Wilson 1927)."""
    if score.accuracy is None or not score.examples:
        return None
    right = round(score.accuracy * score.examples)
    interval = binomtest(right, score.examples).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def points(results: Results) -> list[Point]:
    """The points of the majority class, classifiers from scratch, after transfer, from a shipped model, and files."""
    scored = [(run, run.score) for run in results.classifiers if run.score and run.score.accuracy is not None]
    rows = []
    baselines = {run.run.name: s.majority_accuracy for run, s in scored if s.majority_accuracy is not None}
    same = len(set(baselines.values())) == 1
    for run_name, majority in list(baselines.items())[: 1 if same else None]:
        name = "majority class" if same else f"majority class, {run_name}"
        rows.append(Point(name, majority, None, None, "baseline"))
    for kind, title in (("scratch", "from scratch"), ("transferred", "transferred"), ("pretrained", "from {}")):
        chosen = [(run, score) for run, score in scored if _kind(run) == kind]
        for run, score in chosen:
            rows.append(_point(title.format(run.pretrained) if len(chosen) == 1 else run.run.name, score, kind))
    for export in results.exports:
        for variant in export.variants:
            if variant.score and variant.score.accuracy is not None:
                place = f"{export.run.name}/" if len(results.exports) > 1 else ""
                name = f"{place}{variant.name}.tflite" + ("" if variant.passed else " (rejected)")
                rows.append(_point(name, variant.score, "exported"))
    return rows


def _kind(classifier: Classifier) -> str:
    if classifier.pretrained:
        return "pretrained"
    return "scratch" if classifier.from_scratch else "transferred"


def _point(name: str, score: Score, kind: str) -> Point:
    assert score.accuracy is not None, "only scored rows become points"
    low, high = wilson(score) or (None, None)
    return Point(name, score.accuracy, low, high, kind)


def chart(name: str, rows: Sequence[Point]) -> str:
    """HTML of a chart with one row per point, from top to bottom."""
    colours = {"baseline": MUTED, "scratch": SECOND, "transferred": ACCENT, "pretrained": SECOND, "exported": ACCENT}

    def picture(width: int) -> Figure:
        drawn = figure(width, 44 + (40 if width == WIDE else 46) * len(rows))
        axes = drawn.subplots()
        for position, row in enumerate(rows):
            colour = colours[row.kind]
            if row.low is not None and row.high is not None:
                axes.plot([row.low, row.high], [position] * 2, color=colour, linewidth=2.2)
            fill = "left" if row.kind == "exported" else "full"
            axes.plot(
                row.accuracy, position, "o" if row.low is not None else "|", color=colour, markersize=9,
                markerfacecolor=colour, fillstyle=fill, markeredgewidth=1.8,
            )  # fmt: skip
            axes.annotate(
                percent(row.accuracy), (row.accuracy, position), (0, 8), textcoords="offset points",
                ha="center", color=INK, fontsize=12,
            )  # fmt: skip
        axes.set_yticks(range(len(rows)), [row.name for row in rows], color=INK, fontsize=12)
        for text in axes.get_yticklabels():
            text.set_parse_math(False)
        axes.set_ylim(len(rows) - 0.5, -0.7)
        low = min(row.accuracy if row.low is None else row.low for row in rows)
        high = max(row.accuracy if row.high is None else row.high for row in rows)
        room = 0.12 * max(high - low, 0.05)
        axes.set_xlim(low - room, high + room)
        axes.grid(True, axis="x")
        axes.grid(False, axis="y")
        percent_scale(axes, "x")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        return drawn

    label = "Accuracy on the held-out set: " + "; ".join(f"{row.name} {percent(row.accuracy)}" for row in rows) + "."
    return draw(name, label, picture)
