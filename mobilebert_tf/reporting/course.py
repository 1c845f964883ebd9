"""A run's stages one after the other on a single axis of steps, and what was measured on held-out text meanwhile."""

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
"""Begins a log's keys that were measured on text which no stage trained on."""

_LAYER = re.compile(r"layer_([1-9][0-9]{0,3})/(\w+)")
_TRAINED = re.compile(r"transfer_([0-9]+)(?:_to_([0-9]+))?")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Span:
    """Where a stage lies on the axis."""

    name: str
    begin: int
    end: int

    @property
    def trained(self) -> range:
        """The layers (from 1) that a layer-wise stage of that name trains; of another stage none by name."""
        match = _TRAINED.fullmatch(self.name)
        return range(int(match[1]), int(match[2] or match[1]) + 1) if match else range(0)

    def titles(self) -> tuple[str, ...]:
        """What may stand above it, the longest first."""
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
        """(layers [L] from 1 and ascending, values [L, K]) of a metric that is measured layer by layer."""
        found = {}
        for name, values in self.metrics.items():
            match = _LAYER.fullmatch(name)
            if match and match[2] == metric:
                found[int(match[1])] = values
        numbers = sorted(found)
        return np.array(numbers, int), np.array([found[n] for n in numbers]).reshape(len(numbers), len(self.steps))


def spans(stages: Sequence[Stage]) -> tuple[Span, ...]:
    """Each stage as long as its last logged step."""
    found, begin = [], 0
    for stage in stages:
        end = begin + int(stage.steps[-1])
        found.append(Span(name=stage.name, begin=begin, end=end))
        begin = end
    return tuple(found)


def course(stages: Sequence[Stage]) -> Course | None:
    """What the rows with held-out keys say; None if there are none."""
    rows: dict[int, dict[str, float]] = {}
    found = spans(stages)
    for stage, span in zip(stages, found, strict=True):
        for metric, values in stage.metrics.items():
            if metric.startswith(HELD_OUT):
                for index in np.flatnonzero(np.isfinite(values)):
                    # A stage's end and the next one's step 0 are the same place: what comes later counts.
                    row = rows.setdefault(span.begin + int(stage.steps[index]), {})
                    row[metric.removeprefix(HELD_OUT)] = float(values[index])
    if not rows:
        return None
    steps = sorted(rows)
    names = dict.fromkeys(name for step in steps for name in rows[step])
    return Course(
        spans=found,
        steps=np.array(steps),
        metrics={name: np.array([rows[step].get(name, np.nan) for step in steps]) for name in names},
    )


def mark(axes: Axes, found: Sequence[Span], colour: str = GRID, width: float = 1.0) -> None:
    """A line at every border between stages, behind the curves and before a map."""
    for span in found[1:]:
        axes.axvline(span.begin, color=colour, linewidth=width, zorder=1)


def step_axis(axes: Axes) -> None:
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def name_stages(axes: Axes, found: Sequence[Span], pixels: float) -> None:
    """The stages' names above, as long and as many as have room.

    Args:
      pixels: about how wide the panel will be; its limits must have been set.
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
    # The numbered ones in one form, and where these are too many, every second or third.
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
    """In pixels at font size 11, near enough to keep words apart."""
    return 6.2 * len(title)
