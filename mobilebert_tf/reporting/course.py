"""A run's stages in sequence on a single axis of steps, with the measurements on held-out text during training."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from mobilebert_tf.reporting.drawing import GRID, MUTED
from mobilebert_tf.reporting.results import Stage

HELD_OUT = "held_out/"
"""Prefix of the log's metrics on text that no stage trained on."""

_LAYER = re.compile(r"layer_([1-9][0-9]{0,3})/(\w+)")
_TRAINED = re.compile(r"transfer_([0-9]+)(?:_to_([0-9]+))?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Span:
    """Place of a stage on the axis."""

    name: str
    begin: int
    end: int

    @property
    def trained(self) -> range:
        """Layers (from 1) that the stage trains, if its name is that of a layer-wise stage; else empty."""
        match = _TRAINED.fullmatch(self.name)
        return range(int(match[1]), int(match[2] or match[1]) + 1) if match else range(0)

    def titles(self) -> tuple[str, ...]:
        """Possible titles above the stage, longest first."""
        match = _TRAINED.fullmatch(self.name)
        if not match:
            return (self.name.replace("_", " "),)
        if match[2]:
            return (f"layers {match[1]} to {match[2]}", f"{match[1]}–{match[2]}")
        return (f"layer {match[1]}", match[1])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Course:
    """Held-out measurements over all stages."""

    spans: tuple[Span, ...]
    steps: np.ndarray
    """[K] int, counted over all stages; 0 is before the first update."""
    metrics: Mapping[str, np.ndarray]
    """[K] float each, by name without "held_out/"; NaN where a measurement lacks that metric."""

    def layers(self, metric: str) -> tuple[np.ndarray, np.ndarray]:
        """(layers [L] from 1, ascending; values [L, K]) of a metric that is measured for each layer."""
        by_layer = {}
        for name, values in self.metrics.items():
            match = _LAYER.fullmatch(name)
            if match and match[2] == metric:
                by_layer[int(match[1])] = values
        numbers = sorted(by_layer)
        return np.array(numbers, int), np.array([by_layer[n] for n in numbers]).reshape(len(numbers), len(self.steps))


def spans(stages: Sequence[Stage]) -> tuple[Span, ...]:
    """The spans of the stages; each is as long as its last logged step."""
    placed, begin = [], 0
    for stage in stages:
        end = begin + int(stage.steps[-1])
        placed.append(Span(name=stage.name, begin=begin, end=end))
        begin = end
    return tuple(placed)


def course(stages: Sequence[Stage]) -> Course | None:
    """The held-out measurements of the stages; None if there are none."""
    rows: dict[int, dict[str, float]] = {}
    stage_spans = spans(stages)
    for stage, span in zip(stages, stage_spans, strict=True):
        for metric, values in stage.metrics.items():
            if metric.startswith(HELD_OUT):
                for index in np.flatnonzero(np.isfinite(values)):
                    # The end of a stage and step 0 of the next are the same place; the later measurement counts.
                    row = rows.setdefault(span.begin + int(stage.steps[index]), {})
                    row[metric.removeprefix(HELD_OUT)] = float(values[index])
    if not rows:
        return None
    steps = sorted(rows)
    names = dict.fromkeys(name for step in steps for name in rows[step])
    return Course(
        spans=stage_spans,
        steps=np.array(steps),
        metrics={name: np.array([rows[step].get(name, np.nan) for step in steps]) for name in names},
    )


def mark(axes: Axes, found: Sequence[Span], colour: str = GRID, width: float = 1.0) -> None:
    """Draw a line at every border between stages, behind curves but in front of a map."""
    for span in found[1:]:
        axes.axvline(span.begin, color=colour, linewidth=width, zorder=1)


def step_axis(axes: Axes) -> None:
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def name_stages(axes: Axes, found: Sequence[Span], pixels: float) -> None:
    """Write the stages' names above the panel, as long and as many as fit.

    Args:
      pixels: approximate width of the panel, whose limits must have been set.
    """
    low, high = axes.get_xlim()
    scale = pixels / (high - low)

    def place(span: Span, title: str) -> _Title:
        middle, half = ((span.begin + span.end) / 2 - low) * scale, _width(title) / 2
        return _Title(text=title, middle=min(max(middle, half), max(pixels - half, half)), half=half)

    numbered = [span for span in found if span.trained]
    titles: list[_Title] = []
    for title in (place(span, span.titles()[0]) for span in found if not span.trained):
        if not any(title.meets(other) for other in titles):
            titles.append(title)
    # All numbered titles have the same form; where they are too many, every second or third is shown.
    short = any(_width(span.titles()[0]) > (span.end - span.begin) * scale - 8 for span in numbered)
    placed = [place(span, span.titles()[-1 if short else 0]) for span in numbered]
    every = 1
    while any(a.meets(b) for a, b in itertools.pairwise(placed[::every])):
        every += 1
    titles += [title for title in placed[::every] if not any(title.meets(other) for other in titles)]
    for title in titles:
        axes.annotate(
            title.text, (low + title.middle / scale, 1), (0, 5), xycoords=("data", "axes fraction"),
            textcoords="offset points", ha="center", color=MUTED, fontsize=11, annotation_clip=False,
        )  # fmt: skip


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Title:
    """A stage's name in pixels from the panel's left edge."""

    text: str
    middle: float
    half: float

    def meets(self, other: _Title) -> bool:
        return abs(self.middle - other.middle) < self.half + other.half + 5


def _width(title: str) -> float:
    """Approximate width in pixels at font size 11, which is enough to keep words apart."""
    return 6.2 * len(title)
