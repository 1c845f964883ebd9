"""Axes of the pictures: tick labels match their positions, and shares end at 100 %."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from mobilebert_tf.reporting import curves, scores, tradeoff
from mobilebert_tf.reporting.drawing import percent_scale
from mobilebert_tf.reporting.results import Stage

RANGES = [(0.4, 0.47), (0.91, 1.0), (0.0, 0.03), (0.0, 1.0), (0.9985, 1.0), (0.5, 0.5)]


def ticks(drawn: Figure) -> dict[str, list[tuple[float, str]]]:
    """Position and label of the visible ticks on the first panel's axes."""
    drawn.draw_without_rendering()
    axes = drawn.axes[0]
    visible = {}
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        places = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
        visible[name] = [(place, label.get_text()) for place, label in places if low <= place <= high]
    return visible


def drawn_by(monkeypatch: pytest.MonkeyPatch, module: object) -> list[Figure]:
    """A list that receives the figures of a module's next chart."""
    figures: list[Figure] = []

    def draw(name: str, label: str, picture) -> str:
        figures.extend(picture(width) for width in (1000, 350))
        return ""

    monkeypatch.setattr(module, "draw", draw)
    return figures


def check(seen: list[tuple[float, str]]) -> None:
    assert len(seen) >= 2
    for place, words in seen:
        assert words.endswith(" %") and float(words[:-2].replace("−", "-")) == pytest.approx(100 * place, abs=1e-5)
        assert 0 <= place <= 1


@pytest.mark.parametrize("shares", RANGES)
def test_percent_scale(shares: tuple[float, float]) -> None:
    drawn = Figure(figsize=(5, 3))
    axes = drawn.subplots()
    axes.plot([0, 1], shares)
    percent_scale(axes)
    assert axes.get_ylim()[0] >= 0 and axes.get_ylim()[1] <= 1
    check(ticks(drawn)["y"])


@pytest.mark.parametrize("shares", RANGES)
def test_all_charts_of_shares(monkeypatch, variant, export_of, shares: tuple[float, float]) -> None:
    from .test_speed import read

    figures = drawn_by(monkeypatch, tradeoff)
    rows = [variant(name, accuracy=share, times={64: 1.0 + share}) for name, share in zip("ab", shares, strict=True)]
    for row in rows:
        row["metrics"]["macro_f1"] = 0.5
    tradeoff.chart("t", read(export_of(rows)))
    courses = drawn_by(monkeypatch, curves)
    steps = np.arange(1, 41)
    stage = Stage(name="s", steps=steps, metrics={"masked_word_accuracy": np.linspace(*shares, 40)})
    curves.training("c", "", stage, {"masked_word_accuracy": "accuracy"}, {})
    assert len(figures) == len(courses) == 2
    for drawn in [*figures, *courses]:
        check(ticks(drawn)["y"])
    figures = drawn_by(monkeypatch, scores)
    points = [
        scores.Point(f"{share}", share, max(share - 0.02, 0), min(share + 0.02, 1), "exported") for share in shares
    ]
    scores.chart("s", points)
    for drawn in figures:
        check(ticks(drawn)["x"])
