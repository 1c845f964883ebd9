"""Chart of score against latency of an export's files, with size as area."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from mobilebert_tf.exported import Variant
from mobilebert_tf.reporting.drawing import ACCENT, CARD, GRID, INK, MUTED, SECOND, WIDE, draw, figure, percent_scale
from mobilebert_tf.reporting.numbers import megabytes, milliseconds, percent
from mobilebert_tf.reporting.results import Exported

LARGEST_RADIUS = {True: 22.0, False: 13.0}
"""Radius of the largest file in points, by whether the drawing is wide (desktop) or narrow (phone)."""


def chart(name: str, export: Exported) -> tuple[str, str]:
    """HTML of the picture and its caption; both empty where fewer than two files have both figures."""
    scored = any(_score(v) is not None for v in export.variants)
    length = export.timed_lengths[-1] if export.timed_lengths else 0
    rows = []
    for variant in export.variants:
        time, share = variant.median(length), _share(variant, scored)
        if time and share is not None and variant.bytes:
            rows.append((variant, time, share))
    if len(rows) < 2:
        return "", ""
    what = export.task.title if scored else f"{export.task.agreement} as Keras"
    keras = export.keras_score.primary if scored and export.keras_score else None

    def picture(width: int) -> Figure:
        drawn = figure(width, 440 if width == WIDE else 380)
        axes = drawn.subplots()
        largest = max(variant.bytes or 0 for variant, _, _ in rows)
        radii = []
        # Large points are drawn first, so that they hide no small ones.
        for variant, time, share in sorted(rows, key=lambda row: -(row[0].bytes or 0)):
            radius = LARGEST_RADIUS[width == WIDE] * math.sqrt((variant.bytes or 0) / largest)
            radii.append((variant.name, time, share, radius, INK if variant.passed else MUTED))
            axes.plot(
                [time], [share], "o", markersize=2 * radius, markeredgewidth=1.5,
                markeredgecolor=CARD if variant.passed else ACCENT,
                markerfacecolor=ACCENT if variant.passed else "none", alpha=0.8 if variant.passed else 1.0,
            )  # fmt: skip
        scales(
            axes, [time for _, time, _ in rows], [*(share for _, _, share in rows), *([] if keras is None else [keras])]
        )
        axes.set_xlabel(f"median latency for {length} word pieces, ms")
        axes.set_title(what)
        percent_scale(axes)
        if keras is not None:
            axes.axhline(keras, color=SECOND, linewidth=1.2, linestyle=(0, (4, 3)))
            axes.annotate(
                "Keras", (1, keras), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                ha="left", va="center", color=SECOND, fontsize=11,
            )  # fmt: skip
        label(drawn, axes, radii)
        return drawn

    description = "; ".join(
        f"{v.name} {percent(share)}, {milliseconds(time)}, {megabytes(v.bytes)}" for v, time, share in rows
    )
    caption = (
        f"{what[0].upper()}{what[1:]} against latency; up and to the left is better. The area of a point is the size "
        "of its file; hollow ones were rejected."
    )
    return draw(name, f"{what} against latency of the exported files: {description}.", picture), caption


def _score(variant: Variant) -> float | None:
    return variant.score.primary if variant.score else None


def _share(variant: Variant, scored: bool) -> float | None:
    return _score(variant) if scored else variant.parity.get("decision_agreement")


def scales(axes: Axes, times: Sequence[float], shares: Sequence[float]) -> None:
    """Set the limits, with room for points and names on all sides; the times are on a log scale if they differ much."""
    if max(times) > 4 * min(times):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5), numticks=12))
        axes.xaxis.set_minor_formatter(NullFormatter())
        room = (max(times) / min(times)) ** 0.15
        axes.set_xlim(min(times) / room, max(times) * room)
    else:
        room = 0.25 * max(max(times) - min(times), 0.1 * max(times))
        axes.set_xlim(max(0.0, min(times) - room), max(times) + room)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    span = max(max(shares) - min(shares), 0.01)
    axes.set_ylim(min(shares) - 0.25 * span, max(shares) + 0.25 * span)


def label(drawn: Figure, axes: Axes, points: Sequence[tuple[str, float, float, float, str]]) -> None:
    """Write a name beside each point (name, x, y, radius, colour), where it covers neither points nor names.

    A line connects the name to its point if it is far away.
    """
    drawn.draw_without_rendering()
    scale = drawn.dpi / 72
    taken, frame = [], axes.get_window_extent()
    for _, x, y, radius, _ in points:
        centre = axes.transData.transform((x, y))
        taken.append(Bbox([centre - radius * scale, centre + radius * scale]))
    # Small points are first, since they have the fewest places nearby.
    for name, x, y, radius, colour in sorted(points, key=lambda point: point[3]):
        text = axes.annotate(
            name, (x, y), (0, 0), textcoords="offset points", color=colour, fontsize=11, zorder=5,
            bbox={"facecolor": CARD, "edgecolor": "none", "alpha": 0.6, "pad": 0.5},
        )  # fmt: skip
        text.set_parse_math(False)
        text.set_in_layout(False)
        best: tuple[float, Bbox, tuple[float, float]] | None = None
        for distance in range(3, 120, 6):
            for angle in range(0, 360, 30):
                direction = math.cos(math.radians(angle)), math.sin(math.radians(angle))
                offset = (radius + distance) * direction[0], (radius + distance) * direction[1]
                _move(text, offset)
                place = text.get_window_extent()
                outside = max(0.0, frame.x0 - place.x0, place.x1 - frame.x1, frame.y0 - place.y0, place.y1 - frame.y1)
                covered = sum(_common(place, one) for one in taken)
                cost = 10 * outside + covered + 0.01 * distance
                if best is None or cost < best[0]:
                    best = cost, place, offset
            if best and best[0] < 1.5:
                break
        assert best, "there are places to try"
        _, place, offset = best
        _move(text, offset)
        taken.append(place)
        if math.hypot(*offset) > radius + 12:
            axes.annotate(
                "", (x, y), offset, textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": GRID, "linewidth": 1, "shrinkA": 0, "shrinkB": radius},
            )  # fmt: skip


def _move(text: Annotation, offset: tuple[float, float]) -> None:
    """Move a name to this offset in points from its point, aligned so that it extends away from the point."""
    text.set_position(offset)
    text.set_verticalalignment("center")
    if abs(offset[0]) < 0.5 * abs(offset[1]):
        text.set_horizontalalignment("center")
    else:
        text.set_horizontalalignment("left" if offset[0] > 0 else "right")


def _common(one: Bbox, other: Bbox) -> float:
    """Area of the intersection of two boxes."""
    shared = Bbox.intersection(one, other)
    return float(shared.width * shared.height) if shared else 0.0
