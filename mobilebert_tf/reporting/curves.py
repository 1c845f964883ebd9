"""Charts of training logs: loss against step, and the transfer of each layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from mobilebert_tf.reporting.drawing import ACCENT, GRID, MUTED, SECOND, WIDE, draw, figure
from mobilebert_tf.reporting.results import Stage

MOST_POINTS = 300
"""A curve of more is averaged in bins: no screen shows more, and the page stays small."""

TRANSFER_METRICS = {"feature_map": "feature maps: loss", "attention": "attention: KL(teacher ‖ student), nats"}


def training(name: str, label: str, stage: Stage, panels: Mapping[str, str], held_out: Mapping[str, float]) -> str:
    """HTML of one training stage: a panel per metric, its held-out value as a line across.

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
            if metric in held_out:
                axes.axhline(held_out[metric], color=SECOND, linewidth=1.2, linestyle=(0, (4, 3)))
                _end_label(axes, held_out[metric], "held out")
            if metric.endswith("accuracy"):
                axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
            _step_axis(axes)
        return drawn

    return draw(name, label, picture)


def comparison(name: str, label: str, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], title: str) -> str:
    """HTML of up to two curves of the same quantity over the same kind of step: name -> (steps, values)."""

    def picture(width: int) -> Figure:
        drawn = figure(width, 280 if width == WIDE else 250)
        axes = drawn.subplots()
        axes.set_title(title)
        for (curve, (steps, values)), colour in zip(curves.items(), (ACCENT, SECOND), strict=False):
            _curve(axes, steps, values, colour, curve)
        axes.legend(loc="upper right")
        _step_axis(axes)
        return drawn

    return draw(name, label, picture)


def transfer(name: str, label: str, stages: Sequence[Stage]) -> str:
    """HTML of the stages that match feature maps and attention, one after the other on one axis."""
    metrics = {
        metric: title for metric, title in TRANSFER_METRICS.items() if any(metric in stage.metrics for stage in stages)
    }

    def picture(width: int) -> Figure:
        wide = width == WIDE
        drawn = figure(width, (190 if wide else 180) * len(metrics) + 40)
        grid = drawn.subplots(len(metrics), 1, sharex=True, squeeze=False)
        for row, (axes, (metric, title)) in enumerate(zip(grid.flat, metrics.items(), strict=True)):
            axes.set_title(title, pad=22 if row == 0 else 6)
            begin = 0
            for number, stage in enumerate(stages):
                if metric in stage.metrics:
                    colour = ACCENT if number % 2 == 0 else SECOND
                    _curve(axes, begin + stage.steps, stage.metrics[metric], colour)
                end = begin + int(stage.steps[-1])
                if number:
                    axes.axvline(begin, color=GRID, linewidth=1)
                if row == 0:
                    where = (begin + end) / 2
                    text = _stage_title(stage.name, wide and len(stages) <= 12)
                    axes.annotate(
                        text, (where, 1), (0, 5), xycoords=("data", "axes fraction"), textcoords="offset points",
                        ha="center", color=MUTED, fontsize=11, annotation_clip=False,
                    )  # fmt: skip
                begin = end
            _log_axis(axes)
            axes.set_xlim(0, begin)
        _step_axis(axes)
        return drawn

    return draw(name, label, picture)


def thinned(steps: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most `MOST_POINTS` points: means over bins of consecutive steps; NaN left out."""
    kept = np.isfinite(values)
    steps, values = steps[kept], values[kept]
    if len(values) <= MOST_POINTS:
        return steps, values
    bins = np.array_split(np.arange(len(values)), MOST_POINTS)
    return np.array([steps[b].mean() for b in bins]), np.array([values[b].mean() for b in bins])


def _curve(axes: Axes, steps: np.ndarray, values: np.ndarray, colour: str, label: str | None = None) -> None:
    """Noise in pale, its trend in full; a mini-batch's loss says little by itself."""
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


def _end_label(axes: Axes, height: float, text: str) -> None:
    axes.annotate(
        text, (1, height), (0, 3), xycoords=("axes fraction", "data"), textcoords="offset points",
        ha="right", va="bottom", color=SECOND, fontsize=11,
    )  # fmt: skip


def _step_axis(axes: Axes) -> None:
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _log_axis(axes: Axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5), numticks=12))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _stage_title(stage: str, long: bool) -> str:
    kind, _, number = stage.rpartition("_")
    if kind == "transfer" and number.isdigit():
        return f"layer {number}" if long else number
    return stage.replace("_", " ")
