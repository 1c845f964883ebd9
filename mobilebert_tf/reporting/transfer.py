"""Distance of each student layer from its teacher layer: over the whole training, and at its end."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from mobilebert_tf.reporting.course import Course, mark, name_stages, step_axis
from mobilebert_tf.reporting.drawing import ACCENT, CARD, SECOND, WIDE, draw, figure, plain_frame
from mobilebert_tf.reporting.numbers import significant
from mobilebert_tf.reporting.results import LayerComparison
from mobilebert_tf.transfer.terms import MEASURED

# Dark colours mean near. The ends of the colour map are left out: they would vanish on a dark and on a white page.
_NEAR_TO_FAR = ListedColormap(colormaps["YlGnBu_r"](np.linspace(0.04, 0.97, 256)))

_FINENESS = 2000
"""Number of pixel columns of a map, enough for columns to be as wide as the distances between evaluations."""


def distances(name: str, course: Course) -> str:
    """HTML of heat maps with layers upwards and steps across; empty if no layer was measured."""
    maps = _maps(course)
    if not maps:
        return ""
    parts = [f"{MEASURED[metric]}: {_told(layers, values)}" for metric, (layers, values) in maps.items()]
    label = (
        f"Distance of each student layer from the teacher’s at {len(course.steps)} evaluations "
        f"over {course.spans[-1].end:,} steps. " + "; ".join(parts) + "."
    )
    return draw(name, label, lambda width: heat_maps(course, width))


def heat_maps(course: Course, width: int) -> Figure:
    """The maps in one figure, one above the other, each followed by its colour bar in the figure's axes.

    A cell reaches from the previous evaluation to its own, so the effect of a stage lies between
    the stage's borders. The evaluation before the first step has a column of its own.
    """
    maps, edges, wide = _maps(course), _edges(course.steps), width == WIDE
    left, right, above, below, between = (52, 66, 46, 46, 40) if wide else (30, 46, 44, 44, 32)
    across = width - left - right
    heights = [len(layers) * _row(len(layers), wide) for layers, _ in maps.values()]
    height = above + below + sum(heights) + between * (len(maps) - 1)
    drawn = figure(width, round(height))
    drawn.set_layout_engine("none")
    # The gaps between stages are narrow enough not to cover short stages.
    total = max(course.spans[-1].end, int(course.steps[-1]))
    lengths = [span.end - span.begin for span in course.spans if span.end > span.begin]
    shortest = min(lengths, default=0) / (total - edges[0]) * across
    top = float(above)
    for index, ((metric, (layers, values)), tall) in enumerate(zip(maps.items(), heights, strict=True)):
        bottom, scale = (height - top - tall) / height, _scale(values)
        axes = drawn.add_axes((left / width, bottom, across / width, tall / height))
        _map(axes, values, edges, scale)
        axes.set_xlim(edges[0], total)
        mark(axes, course.spans, CARD, min(2.5, max(0.8, shortest / 16)))
        _outline_trained(axes, layers, course, min(2.0, max(1.0, shortest / 12)))
        axes.set_title(MEASURED[metric], pad=24 if index == 0 else 6)
        if index == 0:
            name_stages(axes, course.spans, across)
        _layer_ticks(axes, layers, tall)
        if index == len(maps) - 1:
            step_axis(axes)
        else:
            axes.xaxis.set_major_locator(NullLocator())
        _colour_bar(drawn.add_axes(((left + across + 10) / width, bottom, 10 / width, tall / height)), scale, tall)
        top += tall + between
    return drawn


def undone(course: Course) -> str:
    """A sentence on the effect of the last stage on the feature maps; empty where it is unknown."""
    layers, values = course.layers("feature_map")
    if len(course.spans) < 2 or not len(layers):
        return ""
    last = course.spans[-1]
    complete = np.isfinite(values).all(axis=0)
    before = np.flatnonzero(complete & (course.steps <= last.begin))
    after = np.flatnonzero(complete & (course.steps > last.begin))
    if not len(before) or not len(after):
        return ""
    then, now = (float(values[:, index].mean()) for index in (before[-1], after[-1]))
    stage = last.name.replace("_", " ")
    if significant(then, 2) == significant(now, 2):
        return f"The stage “{stage}” left the feature maps’ mean over the layers at {significant(now, 2)}."
    verb = "took" if now < then else "raised"
    rose = int((values[:, after[-1]] > values[:, before[-1]]).sum())
    return (
        f"The stage “{stage}” {verb} the feature maps’ mean over the layers from {significant(then, 2)} "
        f"to {significant(now, 2)}: {rose} of {len(layers)} layers ended further from the teacher’s than they began it."
    )


def statistics(name: str, layers: Sequence[LayerComparison]) -> str:
    """HTML of the final feature maps' mean and deviation by layer; empty if neither model has them."""
    kinds = {"mean": "mean", "deviation": "standard deviation"}
    if not any(layer.teacher or layer.student for layer in layers):
        return ""
    numbers = [layer.layer for layer in layers]

    def picture(width: int) -> Figure:
        wide = width == WIDE
        drawn = figure(width, 280 if wide else 440)
        grid = drawn.subplots(1 if wide else 2, 2 if wide else 1, squeeze=False)
        for index, (axes, (kind, title)) in enumerate(zip(grid.flat, kinds.items(), strict=True)):
            axes.set_title(title)
            for model, colour, look in (
                ("teacher", SECOND, {"marker": "o", "markersize": 8, "markerfacecolor": "none"}),
                ("student", ACCENT, {"marker": "o", "markersize": 4}),
            ):
                moments = [getattr(layer, model) for layer in layers]
                values = [getattr(m, kind) if m else np.nan for m in moments]
                axes.plot(numbers, values, color=colour, linewidth=1, label=model, **look)
            axes.set_xlabel("layer (0: the embeddings)" if 0 in numbers else "layer")
            axes.xaxis.set_major_locator(MaxNLocator(min(len(numbers), 13 if wide else 9), integer=True))
            axes.margins(y=0.15)
            if kind == "deviation":
                axes.set_ylim(bottom=0)
            if index == 0:
                axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0, columnspacing=1.2)
        return drawn

    label = (
        "Mean and deviation of the final feature maps over held-out text, teacher and student, layer by layer; "
        "the numbers are in the table beneath."
    )
    return draw(name, label, picture)


def _maps(course: Course) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Metric -> (layers [L], values [L, K]), for the measured metrics."""
    maps = {metric: course.layers(metric) for metric in MEASURED}
    return {metric: (layers, values) for metric, (layers, values) in maps.items() if (values > 0).any()}


def _edges(steps: np.ndarray) -> np.ndarray:
    """[K+1] borders of the columns; each column ends at its evaluation."""
    if steps[0] > 0:
        return np.concatenate([[0], steps])
    # No steps pass before the first one, so its column gets an arbitrary visible width.
    widths = np.diff(steps)
    first = max(float(np.median(widths)), 0.02 * steps[-1]) if len(widths) else 1.0
    return np.concatenate([[-min(first, 0.05 * steps[-1] or 1.0)], steps])


def _row(layers: int, wide: bool) -> float:
    """Height of a row in pixels: four layers are more than a stripe, and 24 fit on a screen."""
    return min(34.0, max(11.0 if wide else 9.0, 200 / layers))


def _map(axes: Axes, values: np.ndarray, edges: np.ndarray, scale: tuple[float, float]) -> None:
    places = np.linspace(edges[0], edges[-1], _FINENESS, endpoint=False) + (edges[-1] - edges[0]) / _FINENESS / 2
    columns = np.clip(np.searchsorted(edges, places) - 1, 0, values.shape[1] - 1)
    axes.imshow(
        np.maximum(values[:, columns], scale[0]), cmap=_NEAR_TO_FAR, norm=LogNorm(*scale), interpolation="none",
        aspect="auto", origin="lower", extent=(edges[0], edges[-1], -0.5, len(values) - 0.5),
    )  # fmt: skip
    plain_frame(axes)
    for border in np.arange(0.5, len(values) - 1):
        axes.axhline(border, color=CARD, linewidth=1 if len(values) <= 12 else 0.4, zorder=1)
    if edges[0] < 0:
        axes.axvline(0, color=CARD, linewidth=2.5, zorder=1)


def _scale(values: np.ndarray) -> tuple[float, float]:
    """Limits of the colours: minimum and maximum, at most four powers of ten and at least a factor of two apart."""
    positive = values[np.isfinite(values) & (values > 0)]
    high = float(positive.max())
    low = max(float(positive.min()), high / 1e4)
    if high < 2 * low:
        middle = math.sqrt(high * low)
        low, high = middle / math.sqrt(2), middle * math.sqrt(2)
    return low, high


def _outline_trained(axes: Axes, layers: np.ndarray, course: Course, linewidth: float) -> None:
    """Draw a frame around the layers that a layer-wise stage trains, within its steps."""
    for span in course.spans:
        rows = [row for row, layer in enumerate(layers) if int(layer) in span.trained]
        if rows and span.end > span.begin:
            low, high = rows[0] - 0.5, rows[-1] + 0.5
            across, up = (span.begin, span.end, span.end, span.begin, span.begin), (low, low, high, high, low)
            axes.plot(across, up, color=SECOND, linewidth=linewidth, clip_on=False)


def _layer_ticks(axes: Axes, layers: np.ndarray, tall: float) -> None:
    """Label the first layer, and every layer, or every second, fourth ..., as far as there is room."""
    row = tall / len(layers)
    every = next(n for n in (1, 2, 4, 6, 12, 24, 10_000) if row * n >= 14)
    shown = [0, *(i for i, layer in enumerate(layers) if layer % every == 0 and i * row >= 14)]
    axes.set_yticks(shown, [f"{layers[i]}" for i in shown])
    axes.set_ylabel("layer")


def _colour_bar(axes: Axes, scale: tuple[float, float], tall: float) -> None:
    low, high = scale
    ticks = _round_numbers(low, high, tall)
    axes.imshow(
        np.linspace(0, 1, 256)[:, None], cmap=_NEAR_TO_FAR, interpolation="none", aspect="auto", origin="lower",
        extent=(0, 1, 0, 1),
    )  # fmt: skip
    plain_frame(axes)
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_yticks([float(np.log(tick / low) / np.log(high / low)) for tick in ticks], [f"{t:.2g}" for t in ticks])
    axes.tick_params(length=0, pad=4)


def _round_numbers(low: float, high: float, tall: float) -> list[float]:
    """As many round numbers as fit; the ends of the scale if they are too few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 2, 5), (1, 3), (1,)):
        ticks = [digit * 10.0**power for power in powers for digit in digits if low <= digit * 10.0**power <= high]
        pixels = tall * np.diff(np.log(ticks)) / math.log(high / low)
        if len(ticks) > 1 and pixels.min() >= 14:
            return ticks
    return [low, high]


def _told(layers: np.ndarray, values: np.ndarray) -> str:
    """First and last figure of each layer, for users of screen readers."""
    phrases = []
    for layer, row in zip(layers, values, strict=True):
        known = row[np.isfinite(row)]
        if len(known):
            phrases.append(f"layer {layer} from {significant(float(known[0]))} to {significant(float(known[-1]))}")
    return ", ".join(phrases)
