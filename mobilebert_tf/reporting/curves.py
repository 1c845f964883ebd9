"""Charts of training logs: loss by step, and the transfer of each layer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from mobilebert_tf.reporting.course import HELD_OUT, Course, mark, name_stages, spans, step_axis
from mobilebert_tf.reporting.drawing import ACCENT, SECOND, WIDE, draw, figure, percent_scale
from mobilebert_tf.reporting.results import Stage
from mobilebert_tf.transfer.terms import MEASURED

MOST_POINTS = 300
"""Points of a curve beyond which it is averaged in bins: no screen shows more, and the page stays small."""

PRETRAINING_METRICS = {"masked_word_loss": "masked words: loss, nats", "masked_word_accuracy": "masked words: accuracy"}


def training(name: str, label: str, stage: Stage, panels: Mapping[str, str], held_out: Mapping[str, float]) -> str:
    """HTML of one training stage: a panel per metric.

    Measurements on held-out text during training are a second curve; a single one at the end
    is a horizontal line.

    Args:
      panels: metric -> title, for metrics that the stage logged.
      held_out: metric -> value on text that training never saw.
    """

    def picture(width: int) -> Figure:
        wide = width == WIDE
        drawn = figure(width, 300 if wide else 230 * len(panels))
        rows, columns = (1, len(panels)) if wide else (len(panels), 1)
        grid = drawn.subplots(rows, columns, squeeze=False)
        for axes, (metric, title) in zip(grid.flat, panels.items(), strict=True):
            axes.set_title(title)
            _curve(axes, stage.steps, stage.metrics[metric], ACCENT)
            if measured_meanwhile(stage, [metric]):
                steps, values = thinned(stage.steps, stage.metrics[HELD_OUT + metric])
                axes.plot(steps, values, color=SECOND, linewidth=1.4, marker="o", markersize=3)
                _end_label(axes, float(values[-1]), "held out", below=_ends_below(values[-1], stage.metrics[metric]))
            elif metric in held_out:
                _level(axes, held_out[metric], "held out")
            _share_axis(axes, metric)
            step_axis(axes)
        return drawn

    return draw(name, label, picture)


def measured_meanwhile(stage: Stage, metrics: Iterable[str]) -> bool:
    """Whether one of these metrics was measured on held-out text more than once during the stage."""
    return any(np.isfinite(stage.metrics.get(HELD_OUT + metric, np.array([]))).sum() > 1 for metric in metrics)


SCORES = {"accuracy": "accuracy", "micro_f1": "micro F1", "f1": "F1", "spearman": "Spearman"}
"""Titles of the primary scores of tasks that are measured during training."""


def measured_score(stages: Iterable[Stage]) -> str | None:
    """The primary score that was measured during these stages; None: there is none."""
    stages = list(stages)
    return next((name for name in SCORES if any(measured_meanwhile(stage, [name]) for stage in stages)), None)


def finetuning(name: str, label: str, stages: Mapping[str, Stage], kept: Mapping[str, int]) -> str:
    """HTML of up to two fine-tunings by name: training loss, and the score measured on held-out text.

    Args:
      kept: step whose weights were kept as the best, by name, where there is one; a ring marks it.
    """
    score = measured_score(stages.values())
    panels = ["fine-tuning: loss", *([f"held-out text: {SCORES[score]}"] if score else [])]

    def picture(width: int) -> Figure:
        wide = width == WIDE
        drawn = figure(width, 280 if wide else 250 * len(panels))
        rows, columns = (1, len(panels)) if wide else (len(panels), 1)
        grid = drawn.subplots(rows, columns, squeeze=False)
        for axes, title in zip(grid.flat, panels, strict=True):
            axes.set_title(title)
            for (stage_name, stage), colour in zip(stages.items(), (ACCENT, SECOND), strict=False):
                if title == panels[0]:
                    _curve(axes, stage.steps, stage.metrics["loss"], colour, stage_name)
                elif score and measured_meanwhile(stage, [score]):
                    steps, values = thinned(stage.steps, stage.metrics[HELD_OUT + score])
                    axes.plot(steps, values, color=colour, linewidth=1.4, marker="o", markersize=3, label=stage_name)
                    _ring(axes, stage, score, kept.get(stage_name), colour)
            axes.legend(loc="upper right" if title == panels[0] else "lower right")
            if title != panels[0] and score != "spearman":
                percent_scale(axes)
            step_axis(axes)
        return drawn

    return draw(name, label, picture)


def _ring(axes: Axes, stage: Stage, score: str, step: int | None, colour: str) -> None:
    """Draw a ring around the score of the weights that were kept."""
    chosen = stage.steps == step
    if chosen.any():
        height = stage.metrics[HELD_OUT + score][chosen]
        axes.plot(stage.steps[chosen], height, "o", markersize=10, fillstyle="none", color=colour, markeredgewidth=1.8)


def course(
    name: str, label: str, measured: Course, panels: Mapping[str, str], levels: Mapping[str, float], logarithmic: str
) -> str:
    """HTML of held-out measurements over all stages: a panel per metric, with the teacher's value as a horizontal line.

    Args:
      panels: metric -> title, for metrics that were measured.
      levels: metric -> value of the teacher.
      logarithmic: the metric that is shown on a logarithmic scale.
    """

    def picture(width: int) -> Figure:
        wide = width == WIDE
        columns = 2 if wide and len(panels) > 1 else 1
        rows = -(-len(panels) // columns)
        drawn = figure(width, rows * (240 if wide else 210) + 20)
        grid = drawn.subplots(rows, columns, squeeze=False)
        for index, axes in enumerate(grid.flat):
            if index >= len(panels):
                axes.set_visible(False)
        for index, (axes, (metric, title)) in enumerate(zip(grid.flat, panels.items(), strict=False)):
            axes.set_title(title, pad=22 if index < columns else 6)
            steps, values = thinned(measured.steps, measured.metrics[metric])
            axes.plot(steps, values, color=ACCENT, marker="o", markersize=3 if len(steps) < 60 else 0)
            axes.set_xlim(0, max(measured.spans[-1].end, 1))
            mark(axes, measured.spans)
            if index < columns:
                name_stages(axes, measured.spans, 0.88 * width / columns - 30)
            if metric in levels:
                # The label is on the left, where the student is still far from this level, and inside the panel.
                _level(axes, levels[metric], "teacher", left=True, below=levels[metric] > np.nanmean(values))
            if metric == logarithmic:
                _log_axis(axes)
            _share_axis(axes, metric)
            step_axis(axes)
        return drawn

    return draw(name, label, picture)


def transfer(name: str, label: str, stages: Sequence[Stage]) -> str:
    """HTML of the stages that match feature maps and attention, in sequence on one axis."""
    metrics = {metric: title for metric, title in MEASURED.items() if any(metric in stage.metrics for stage in stages)}
    stage_spans = spans(stages)

    def picture(width: int) -> Figure:
        drawn = figure(width, (190 if width == WIDE else 180) * len(metrics) + 40)
        grid = drawn.subplots(len(metrics), 1, sharex=True, squeeze=False)
        for row, (axes, (metric, title)) in enumerate(zip(grid.flat, metrics.items(), strict=True)):
            axes.set_title(title, pad=22 if row == 0 else 6)
            for number, (stage, span) in enumerate(zip(stages, stage_spans, strict=True)):
                if metric in stage.metrics:
                    colour = ACCENT if number % 2 == 0 else SECOND
                    _curve(axes, span.begin + stage.steps, stage.metrics[metric], colour)
            _log_axis(axes)
            axes.set_xlim(0, max(stage_spans[-1].end, 1))
            mark(axes, stage_spans)
            if row == 0:
                name_stages(axes, stage_spans, 0.94 * width - 30)
        step_axis(axes)
        return drawn

    return draw(name, label, picture)


def is_share(metric: str) -> bool:
    """Whether the metric is shown in per cent."""
    return metric.endswith(("accuracy", "agreement"))


def thinned(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The curve without NaN, averaged in bins of consecutive steps to at most `MOST_POINTS` points."""
    kept = np.isfinite(values)
    steps, values = steps[kept], values[kept]
    if len(values) <= MOST_POINTS:
        return steps, values
    bins = np.array_split(np.arange(len(values)), MOST_POINTS)
    return np.array([steps[b].mean() for b in bins]), np.array([values[b].mean() for b in bins])


def _curve(axes: Axes, steps: np.ndarray, values: np.ndarray, colour: str, label: str | None = None) -> None:
    """Draw noisy values pale and their trend in full colour; the loss of a single mini-batch says little."""
    steps, values = thinned(steps, values)
    span = max(1, len(values) // 40)
    if span == 1:
        axes.plot(steps, values, color=colour, label=label)
        return
    weights = np.ones(2 * span + 1)
    counts = np.convolve(np.ones_like(values), weights, "same")
    trend = np.convolve(values, weights, "same") / counts
    axes.plot(steps, values, color=colour, linewidth=0.7, alpha=0.4)
    axes.plot(steps, trend, color=colour, label=label)


def _level(axes: Axes, height: float, text: str, left: bool = False, below: bool = False) -> None:
    axes.axhline(height, color=SECOND, linewidth=1.2, linestyle=(0, (4, 3)))
    _end_label(axes, height, text, left, below)


def _end_label(axes: Axes, height: float, text: str, left: bool = False, below: bool = False) -> None:
    axes.annotate(
        text, (0 if left else 1, height), (3 if left else 0, -4 if below else 3), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="left" if left else "right", va="top" if below else "bottom", color=SECOND,
        fontsize=11,
    )  # fmt: skip


def _ends_below(value: float, values: np.ndarray) -> bool:
    """Whether `value` is below the end of a noisy curve."""
    known = values[np.isfinite(values)]
    return len(known) > 0 and value < known[-max(1, len(known) // 10) :].mean()


def _share_axis(axes: Axes, metric: str) -> None:
    if is_share(metric):
        percent_scale(axes)


def _log_axis(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
