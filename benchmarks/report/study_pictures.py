"""The picture of a study whose variants differ by an amount, with names such as "500 updates, joint", "64 rows: tf-idf"
or "2 million word pieces"."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator
from scipy import stats

from mobilebert_tf.benchmarks import study_table
from mobilebert_tf.benchmarks.report.pictures import as_svg
from mobilebert_tf.reporting import drawing

_AMOUNT = re.compile(r"(?P<number>\d[\d,]*(?:\.\d+)?)(?P<million> million)? (?P<unit>updates|rows|word pieces)")
_COLOURS = (drawing.ACCENT, drawing.SECOND, drawing.THIRD, drawing.MUTED)
LEAST = 3
"""Least number of amounts for which a picture is drawn; for fewer, the table is enough."""


@dataclasses.dataclass(frozen=True)
class Amount:
    """The amount in a variant's name, and the rest of the name, which labels its line."""

    number: float
    unit: str
    line: str


def amount_of(name: str) -> Amount | None:
    """The amount in the name of a variant; None: there is none."""
    match = _AMOUNT.search(name)
    if not match:
        return None
    number = float(match["number"].replace(",", "")) * (1e6 if match["million"] else 1)
    return Amount(number, match["unit"], (name[: match.start()] + name[match.end() :]).strip(" ,:"))


def picture(document: Mapping[str, Any]) -> str | None:
    """SVG of a study's result, with one panel per figure; None: its names have too few amounts, or several units."""
    amounts = {subject["name"]: amount_of(subject["name"]) for subject in document["subjects"]}
    known = [amount for amount in amounts.values() if amount]
    if len({amount.number for amount in known}) < LEAST or len({amount.unit for amount in known}) > 1:
        return None
    figures = document["settings"]["figures"]
    with drawing.style():
        drawn = drawing.figure(drawing.WIDE, 380)
        panels = drawn.subplots(1, len(figures), squeeze=False)[0]
        for axes, (figure, form) in zip(panels, figures.items(), strict=True):
            _panel(axes, document["subjects"], amounts, figure, form["percent"])
            axes.set_xlabel(known[0].unit)
        if len({amount.line for amount in known}) > 1:
            panels[-1].legend()
    return as_svg(drawn)


def _panel(
    axes: Axes, subjects: Sequence[Mapping[str, Any]], amounts: Mapping[str, Amount | None], figure: str, percent: bool
) -> None:
    """Medians against the amount, one line per kind of variant; bars are the 95 % interval of the mean over runs."""
    lines: dict[str, list[tuple[float, np.ndarray]]] = {}
    for subject in subjects:
        if amount := amounts[subject["name"]]:
            lines.setdefault(amount.line, []).append((amount.number, study_table.values(subject["rounds"], figure)))
    for number, (line, points) in enumerate(lines.items()):
        points.sort(key=lambda point: point[0])
        places = [place for place, _ in points]
        axes.errorbar(
            places, [np.median(values) for _, values in points], yerr=[_half(values) for _, values in points],
            color=_COLOURS[number % len(_COLOURS)], marker="o", markersize=4, capsize=3, label=line,
        )  # fmt: skip
    axes.set_xscale("log")
    ticks = sorted({place for points in lines.values() for place, _ in points})
    axes.set_xticks(ticks)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda place, _: _short(place)))
    if percent:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.8g} %"))
    axes.set_title(figure)


def _half(values: np.ndarray) -> float:
    """Half the width of the 95 % interval of the mean; 0 for a single run."""
    count = len(values)
    return float(stats.t.ppf(0.975, count - 1) * values.std(ddof=1) / np.sqrt(count)) if count > 1 else 0.0


def _short(number: float) -> str:
    return f"{number / 1e6:.3g} M" if number >= 1e6 else f"{number:,.0f}"
