"""Attention of teacher and student on the same text, head by head."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from mobilebert_tf.reporting.drawing import MUTED, WIDE, draw, figure, plain_frame
from mobilebert_tf.reporting.results import Attention, AttentionLayer
from mobilebert_tf.text_table import cut

MOST_TOKENS = 28
"""Maximum number of tokens; with more, the labels would be unreadable."""

# A single blue that is visible both on white and on near-black; the weight is its opacity.
_BLUE = to_rgb("#3b76d6")


def chart(name: str, attention: Attention, layer: AttentionLayer) -> str:
    """HTML of one layer: a pair of maps per head, query tokens down, key tokens across."""
    tokens = [cut(token, 10, "…") for token in attention.tokens[:MOST_TOKENS]]
    heads, shown = len(layer.teacher), len(tokens)
    # One scale for both models, so that equal shades mean equal weights. Weights are rarely
    # near 1, so the scale ends at the 99th percentile, but never so low that attention
    # spread evenly over all tokens looks strong.
    drawn_weights = np.stack([layer.teacher, layer.student])[..., :shown, :shown]
    top = max(float(np.quantile(drawn_weights, 0.99)), 4 / len(attention.tokens))
    models = (("teacher", layer.teacher), ("student", layer.student))

    def picture(width: int) -> Figure:
        # Panels are placed by hand: each is a square, and only the outer ones have labels.
        wide = width == WIDE
        across, bands = (min(heads, 4), -(-heads // min(heads, 4))) if wide else (2, heads)
        size, left, gap, title = (10.0, 72, 12, 24) if wide else (7.0, 50, 8, 18)
        side = (width - left - gap * (across - 1)) / across
        size = min(size, 1.1 * side / shown)
        rows_down = 2 * bands if wide else heads
        height = rows_down * (side + title) + left
        drawn = figure(width, round(height))
        drawn.set_layout_engine("none")
        for head in range(heads):
            for which, (model, maps) in enumerate(models):
                row, column = (head // across * 2 + which, head % across) if wide else (head, which)
                bottom = height - (row + 1) * (side + title)
                corner = ((left + column * (side + gap)) / width, bottom / height)
                axes = drawn.add_axes((*corner, side / width, side / height))
                _map(axes, maps[head, :shown, :shown] / top)
                axes.set_title(f"{model}, head {head + 1}", fontsize=12 if wide else 10, pad=4)
                last = (which == 1 and head + across >= heads) if wide else head == heads - 1
                _labels(axes, tokens, size, left=column == 0, below=last)
        return drawn

    label = (
        f"Attention maps of layer {layer.layer} for one sentence of {len(attention.tokens)} tokens, "
        f"{heads} heads, teacher and student; mean KL divergence {divergence(layer):.3f} nats."
    )
    return draw(name, label, picture)


def divergence(layer: AttentionLayer) -> float:
    """KL(teacher ‖ student) in nats, mean over heads and query positions."""
    teacher, student = _rows(layer.teacher), _rows(layer.student)
    return max(0.0, float(np.mean(np.sum(teacher * np.log(teacher / student), axis=-1))))


def structure(layer: AttentionLayer) -> float:
    """Dependence of the teacher's attention on the query position: mean KL(row ‖ mean row), nats.

    Zero for a head that attends to the same tokens from every position (such as [SEP]), high
    for a head that attends to neighbours or related words.
    """
    rows = _rows(layer.teacher)
    return float(np.mean(np.sum(rows * np.log(rows / rows.mean(axis=1, keepdims=True)), axis=-1)))


def _rows(weights: np.ndarray) -> np.ndarray:
    """The weights with rows that sum to one again, since the file holds rounded figures."""
    positive = np.maximum(weights, 1e-9)
    return positive / positive.sum(axis=-1, keepdims=True)


def _map(axes: Axes, weights: np.ndarray) -> None:
    pixels = np.empty((*weights.shape, 4))
    pixels[..., :3] = _BLUE
    # The square root of the weight, since most weights are small.
    pixels[..., 3] = 0.04 + 0.96 * np.sqrt(np.clip(weights, 0, 1))
    axes.imshow(pixels, interpolation="none", aspect="equal")


def _labels(axes: Axes, tokens: list[str], size: float, left: bool, below: bool) -> None:
    plain_frame(axes)
    across, down = (tokens if below else []), (tokens if left else [])
    axes.set_xticks(range(len(across)), across, rotation=90, fontsize=size, color=MUTED)
    axes.set_yticks(range(len(down)), down, fontsize=size, color=MUTED)
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_parse_math(False)
