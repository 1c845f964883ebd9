"""Figures that a series of latencies is reduced to."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Summary:
    """Of all samples together, in their unit."""

    median: float
    p90: float
    min: float
    runs: int


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Median latency over the baseline's, one quotient per round; below 1 is faster."""

    median: float
    min: float
    max: float


def summarize(rounds: Sequence[Sequence[float]]) -> Summary:
    """Median, 90th percentile and minimum over the samples of all rounds."""
    samples = np.concatenate([np.asarray(samples, np.float64) for samples in rounds])
    return Summary(
        median=float(np.median(samples)),
        p90=float(np.percentile(samples, 90)),
        min=float(samples.min()),
        runs=int(samples.size),
    )


def ratio(rounds: Sequence[Sequence[float]], baseline: Sequence[Sequence[float]]) -> Ratio:
    """Compare round by round: what slows the machine down for a while hits both sides of one quotient."""
    quotients = [float(np.median(a) / np.median(b)) for a, b in zip(rounds, baseline, strict=True)]
    return Ratio(median=float(np.median(quotients)), min=min(quotients), max=max(quotients))
