"""Conversion of matplotlib figures to SVG for the page.

Every chart is drawn twice, for a desktop and for a phone, since scaling one drawing
down would make its words unreadable. Colours become CSS variables, so that the page
sets them for light mode, dark mode and paper; text stays text.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter

WIDE, NARROW = 1000, 350
"""Widths in CSS pixels; matplotlib's SVG has 72 units per inch."""

# Placeholder colours, which `_VARIABLES` maps to variables of the page. Any distinct colours would do.
INK, MUTED, GRID = "#010203", "#040506", "#070809"
ACCENT, SECOND, THIRD = "#0a0b0c", "#0d0e0f", "#101112"
CARD = "#131415"
"""Colour of the background of a chart."""
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--line",
    ACCENT: "--accent",
    SECOND: "--second",
    THIRD: "--third",
    CARD: "--card",
}

# matplotlib 3.11 types these names as literals, 3.10 as plain strings.
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "mobilebert_tf",
    "font.family": "sans-serif",
    "font.size": 12,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "legend.fontsize": 11,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@contextmanager
def style() -> Iterator[None]:
    """matplotlib's settings for every figure of the report."""
    with matplotlib.rc_context(_STYLE):
        yield


def draw(name: str, label: str, picture: Callable[[int], Figure]) -> str:
    """HTML of one chart.

    Args:
      name: unique on the page.
      label: description for screen readers in place of the picture.
      picture: function that draws the figure for a width in CSS pixels; called within `style()`.
    """
    parts = []
    with style():
        for form, width in (("wide", WIDE), ("narrow", NARROW)):
            parts.append(_svg(picture(width), f"{name}-{form}", form, label))
    return "\n".join(parts)


def figure(width: int, height: int) -> Figure:
    """An empty figure of this size in CSS pixels, without pyplot's global state."""
    # The space between panels keeps a title from looking like the label of the axis above it.
    return Figure(figsize=(width / 72, height / 72), layout=ConstrainedLayoutEngine(h_pad=0.1, w_pad=0.08))


def percent_scale(axes: Axes, along: Literal["x", "y"] = "y") -> None:
    """Show shares in per cent, after all is drawn: ticks have all their digits, and none is beyond 0 or 100 %."""
    axis = axes.yaxis if along == "y" else axes.xaxis
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.8g} %"))
    low, high = axis.get_view_interval()
    axes.set(**{f"{along}lim": (max(low, 0.0), min(high, 1.0))})
    # Markers at the end of the axis are drawn whole.
    for line in axes.get_lines():
        line.set_clip_on(False)


def plain_frame(axes: Axes) -> None:
    """Remove box, grid and ticks, for panels that are filled by their content."""
    axes.grid(False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _svg(drawn: Figure, name: str, form: str, label: str) -> str:
    buffer = io.StringIO()
    drawn.savefig(buffer, format="svg")
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    # HTML needs no namespaces, and the page must not contain any URL.
    text = re.sub(r"""\sxmlns(:\w+)?=["'][^"']*["']""", "", text)
    # A page has several drawings, so ids without references are removed and the others made unique.
    used = set(re.findall(r"""(?:url\(#|href=["']#)([^)"']+)""", text))
    text = re.sub(r"""\sid="([^"]*)\"""", lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", text)
    text = re.sub(r"""(url\(#|href=["']#)""", rf"\g<1>{name}-", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    view_box = re.search(r'viewBox="([^"]*)"', text)
    assert view_box, "matplotlib writes a viewBox"
    opening = f'<svg class="{form}" viewBox="{view_box[1]}" role="img" aria-label="{_attribute(label)}">'
    return opening + text[text.index(">") + 1 :].strip()


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
