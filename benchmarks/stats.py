"""Figures that a series of latencies is reduced to."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

Key = TypeVar("Key")

Rounds = Sequence[Sequence[float]]
"""Samples of each round."""

LEAST_ROUNDS = 6
"""Fewer give no 95 % interval of a median: all of 5 values lie on one side of it once in 16 times."""


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
    low: float | None
    """The ends of the 95 % interval of the median; None: there are fewer than LEAST_ROUNDS rounds."""
    high: float | None

    @property
    def is_faster(self) -> bool:
        """Whether all of the interval lies below 1."""
        return self.high is not None and self.high < 1


def summarize(rounds: Rounds) -> Summary:
    """Median, 90th percentile and minimum over the samples of all rounds."""
    samples = np.concatenate([np.asarray(samples, np.float64) for samples in rounds])
    return Summary(
        median=float(np.median(samples)),
        p90=float(np.percentile(samples, 90)),
        min=float(samples.min()),
        runs=int(samples.size),
    )


def ratio(rounds: Rounds, baseline: Rounds) -> Ratio:
    """Compare round by round: what slows the machine down for a while hits both sides of one quotient.

    What it hits on one side alone makes a quotient that is far off, and so moves neither the median nor its interval
    far: the interval lies between two of the quotients, whichever they are, and assumes nothing of how they spread.

    Raises:
      ValueError: the two have other numbers of rounds.
    """
    quotients = sorted(float(np.median(a) / np.median(b)) for a, b in zip(rounds, baseline, strict=True))
    outside = _outside(len(quotients))
    return Ratio(
        median=float(np.median(quotients)),
        min=quotients[0],
        max=quotients[-1],
        low=None if outside is None else quotients[outside],
        high=None if outside is None else quotients[-1 - outside],
    )


def fastest(rounds: Mapping[Key, Rounds]) -> list[Key]:
    """Files that none of the others is faster than; more than one where their times do not tell them apart.

    Args:
      rounds: samples of the same rounds by what was timed.
    """
    leading = [
        key
        for key in rounds
        if not any(ratio(rounds[other], rounds[key]).is_faster for other in rounds if other != key)
    ]
    return leading or list(rounds)


def _outside(count: int) -> int | None:
    """How many of `count` sorted values lie outside of their median's 95 % interval on either side; None: no interval.

    Each value is below the median as often as above it, so the number below is binomial with 1/2.
    """
    if count < LEAST_ROUNDS:
        return None
    tail, outside = 0.5**count, 0
    while (tail := tail + math.comb(count, outside + 1) * 0.5**count) <= 0.025:
        outside += 1
    return outside
