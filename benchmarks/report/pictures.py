"""Pictures of result files as self-contained SVG, each of one place."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure as Drawn

from mobilebert_tf.benchmarks import schema
from mobilebert_tf.benchmarks.report.figures import Figure, column
from mobilebert_tf.reporting import drawing

_COLOURS = {
    drawing.INK: "#1f2328",
    drawing.MUTED: "#59636e",
    drawing.GRID: "#d1d9e0",
    drawing.ACCENT: "#0969da",
    drawing.SECOND: "#bc4c00",
    drawing.THIRD: "#1a7f37",
    drawing.CARD: "#ffffff",
}
_LINES = (drawing.ACCENT, drawing.SECOND, drawing.THIRD, drawing.MUTED)
MOST = 12
"""Largest number of files in one picture."""


def all_of(figures: Sequence[Figure]) -> dict[str, str]:
    """SVG by name: for each place, as its figures allow, distributions, latency against length, a sustained curve."""
    svgs = {}
    valid = [figure for figure in figures if figure.valid and figure.subject["rounds"]]
    for number, place in enumerate(dict.fromkeys(figure.place for figure in valid), 1):
        own = [figure for figure in valid if figure.place == place]
        single = [figure for figure in own if schema.has_inferences(figure.subject)]
        if place.where in ("host", "device") and single:
            svgs[f"distribution-{number}"] = as_svg(distribution(single))
        if any(len(line) > 1 for line in _by_length(own).values()):
            svgs[f"length-{number}"] = as_svg(against_length(own))
        if any(figure.subject.get("sustained") for figure in own):
            svgs[f"sustained-{number}"] = as_svg(sustained(own))
    return svgs


def distribution(figures: Sequence[Figure]) -> Drawn:
    """Box plot of all samples: boxes from the 25th to the 75th percentile, whiskers from the 1st to the 99th."""
    place, shown = column(figures), list(figures)[:MOST]
    with drawing.style():
        drawn = drawing.figure(drawing.WIDE, 90 + 34 * len(shown))
        axes = drawn.subplots()
        samples = [np.concatenate([one["samples"] for one in figure.subject["rounds"]]) for figure in shown]
        labels = [_label(figure) for figure in shown]
        axes.boxplot(
            samples[::-1], whis=(1, 99), showfliers=False, orientation="horizontal", tick_labels=labels[::-1],
            boxprops={"color": drawing.ACCENT}, whiskerprops={"color": drawing.ACCENT},
            capprops={"color": drawing.ACCENT}, medianprops={"color": drawing.SECOND},
        )  # fmt: skip
        axes.set_xlim(left=0)
        axes.set_xlabel(place.unit)
        axes.set_title(f"{place.title}: 1st, 25th, 50th, 75th, 99th percentile")
        axes.grid(True, axis="x")
    return drawn


def against_length(figures: Sequence[Figure]) -> Drawn:
    """Medians by T, one line per file."""
    place = column(figures)
    with drawing.style():
        drawn = drawing.figure(drawing.WIDE, 380)
        axes = drawn.subplots()
        lines = {label: line for label, line in _by_length(figures).items() if len(line) > 1}
        for number, (label, line) in enumerate(list(lines.items())[:MOST]):
            style = ("-", "--", ":")[number // len(_LINES) % 3]
            colour = _LINES[number % len(_LINES)]
            axes.plot(list(line), list(line.values()), style, color=colour, marker="o", markersize=4, label=label)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("word pieces")
        axes.set_ylabel(place.unit)
        axes.set_title(place.title)
        axes.legend()
    return drawn


def sustained(figures: Sequence[Figure]) -> Drawn:
    """Latency over time while a device runs without a pause."""
    place = column(figures)
    with drawing.style():
        drawn = drawing.figure(drawing.WIDE, 380)
        axes = drawn.subplots()
        for number, figure in enumerate(one for one in figures if one.subject.get("sustained")):
            points = np.array(figure.subject["sustained"])
            axes.plot(points[:, 0] / 60, points[:, 1], color=_LINES[number % len(_LINES)], label=_label(figure))
        axes.set_ylim(bottom=0)
        axes.set_xlabel("minutes")
        axes.set_ylabel(place.unit)
        axes.set_title(f"{place.title}: without a pause")
        axes.legend()
    return drawn


def _by_length(figures: Sequence[Figure]) -> dict[str, dict[int, float]]:
    lines: dict[str, dict[int, float]] = {}
    for figure in figures:
        if figure.length:
            lines.setdefault(figure.full_label, {})[figure.length] = figure.subject["summary"]["median"]
    return {label: dict(sorted(line.items())) for label, line in lines.items()}


def _label(figure: Figure) -> str:
    return ", ".join(filter(None, (figure.full_label, figure.length_label)))


def as_svg(drawn: Drawn) -> str:
    """A drawing as SVG with fixed colours on white; the caller need not be inside `drawing.style()`."""
    buffer = io.StringIO()
    with drawing.style():
        drawn.savefig(buffer, format="svg", metadata={"Date": None}, facecolor="white")
    text = buffer.getvalue()
    for colour, shown in _COLOURS.items():
        text = text.replace(colour, shown)
    return text
