"""Mistakes of a classifier: the figures of each class, the confusions between classes, and single examples."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from mobilebert_tf.reporting import numbers
from mobilebert_tf.reporting.drawing import ACCENT, INK, SECOND, draw, figure, percent_scale
from mobilebert_tf.reporting.results import Classifier, Rate, Results
from mobilebert_tf.tasks.review import Mistake, Review

LONGEST = 600
"""Maximum number of characters shown of a text."""


def sections(results: Results) -> list[dict[str, Any]]:
    """The values of the page's template for each classifier that has some."""
    chosen = [one for one in results.classifiers if not one.from_scratch and _has_any(one)]
    return [_section(one, number) for number, one in enumerate(chosen, 1)]


def _has_any(classifier: Classifier) -> bool:
    score, review = classifier.score, classifier.review
    return bool((score and (score.confusion or score.by_class)) or (review and review.mistakes) or classifier.rates)


def _section(classifier: Classifier, number: int) -> dict[str, Any]:
    score = classifier.score
    review = classifier.review if classifier.review and classifier.review.mistakes else None
    return {
        "name": classifier.run.name,
        "classes": list(score.by_class.items()) if score else [],
        "confusion": _confusion(classifier),
        "review": review,
        "mistakes": [_mistake(one, review) for one in review.mistakes] if review else [],
        "rates": [_rate(rate) for rate in classifier.rates],
        "spread": Markup(_spread(f"spread-{number}", classifier)) if any(_dots(classifier).values()) else "",
        "score": score.name if score else "score",
    }


def _confusion(classifier: Classifier) -> dict[str, Any] | None:
    if not classifier.score or not classifier.score.confusion:
        return None
    counts = np.array(classifier.score.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    labels = classifier.labels if len(classifier.labels) == len(counts) else range(len(counts))
    cells = [
        [{"count": numbers.count(int(n)), "share": f"{0.7 * s:.3f}"} for n, s in zip(row, part, strict=True)]
        for row, part in zip(counts, shares, strict=True)
    ]
    return {"labels": list(labels), "cells": cells}


def _mistake(mistake: Mistake, review: Review) -> dict[str, str]:
    texts = [mistake.text, *([] if mistake.text_pair is None else [mistake.text_pair])]
    return {
        "text": " | ".join(text if len(text) <= LONGEST else f"{text[:LONGEST]}…" for text in texts),
        "wanted": mistake.wanted,
        "given": mistake.given,
        "size": _size(mistake.size, review.measure),
    }


def _size(size: float | None, measure: str) -> str:
    if size is None:
        return numbers.ABSENT
    if measure == "probability":
        return numbers.percent(size)
    return f"{size:.3f}" if measure == "cosine" else f"{size:+.4g}"


def _dots(classifier: Classifier) -> dict[float, list[float]]:
    """The scores of the runs at each rate."""
    return {
        rate.learning_rate: [
            run.score for run in classifier.runs if run.learning_rate == rate.learning_rate and run.score is not None
        ]
        for rate in classifier.rates
    }


def _spread(name: str, classifier: Classifier) -> str:
    """HTML of a row for each rate, with a dot per run and a line at the median."""
    dots = {rate: scores for rate, scores in _dots(classifier).items() if scores}
    best = max(score for scores in dots.values() for score in scores)

    def picture(width: int) -> Figure:
        drawn = figure(width, 60 + 36 * len(dots))
        axes = drawn.subplots()
        for place, scores in enumerate(dots.values()):
            axes.plot([np.median(scores)] * 2, [place - 0.3, place + 0.3], color=SECOND, linewidth=2)
            axes.plot(scores, [place] * len(scores), "o", color=ACCENT, markersize=8, alpha=0.6, markeredgewidth=0)
            if best in scores:
                axes.plot(best, place, "o", color=ACCENT, markersize=13, fillstyle="none", markeredgewidth=1.8)
        axes.set_yticks(range(len(dots)), [f"{rate:g}" for rate in dots], color=INK)
        axes.set_ylim(len(dots) - 0.5, -0.5)
        axes.grid(True, axis="x")
        axes.grid(False, axis="y")
        axes.tick_params(axis="y", length=0)
        percent_scale(axes, "x")
        return drawn

    rows = (f"{rate:g} median {numbers.percent(float(np.median(scores)))}" for rate, scores in dots.items())
    return draw(name, f"Scores of all runs by learning rate: {'; '.join(rows)}.", picture)


def _rate(rate: Rate) -> dict[str, str]:
    return {
        "rate": f"{rate.learning_rate:g}",
        "runs": numbers.count(rate.runs) + (f" ({rate.diverged} diverged)" if rate.diverged else ""),
        "median": numbers.ABSENT if rate.median is None else numbers.percent(rate.median),
        "spread": _span(rate.min, rate.max),
        "interval": _span(rate.mean_low, rate.mean_high),
    }


def _span(low: float | None, high: float | None) -> str:
    return numbers.ABSENT if low is None or high is None else f"{numbers.percent(low)} to {numbers.percent(high)}"
