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

DECIDING_ROUNDS = 8
"""Fewer say of no two files which is faster: of 7 quotients of a file and itself all lie on one side of 1 once in 64
times, and with four files there are six pairs."""

LEAST_DIFFERENCE = 0.01
"""What a ratio has to differ from 1 by: placement in memory alone moves a process by some tenths of a per cent."""

FASTER, SLOWER, NONE, UNKNOWN = "faster", "slower", "none", "unknown"
"""What a ratio says: less time than the baseline, more, no difference; too few rounds to say."""


@dataclasses.dataclass(frozen=True)
class Summary:
    """Of all samples together, in their unit."""

    median: float
    p90: float
    p99: float
    mean: float
    min: float
    max: float
    runs: int
    low: float | None
    """The ends of the 95 % interval of the median over rounds; None: there are fewer than LEAST_ROUNDS."""
    high: float | None


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Median latency over the baseline's, one quotient per round; below 1 is faster."""

    median: float
    min: float
    max: float
    low: float | None
    """The ends of the 95 % interval of the median; None: there are fewer than LEAST_ROUNDS rounds."""
    high: float | None
    difference: str
    """FASTER, SLOWER, NONE or UNKNOWN. Decided by the 99 % interval of the median: the one of 95 % that is shown
    leaves out 1 for one in twenty-five comparisons of a file with itself."""

    @property
    def is_faster(self) -> bool:
        return self.difference == FASTER


def summarize(rounds: Rounds) -> Summary:
    """Figures over the samples of all rounds; the interval is of the rounds' medians."""
    samples = np.concatenate([np.asarray(samples, np.float64) for samples in rounds])
    p90, p99 = np.percentile(samples, [90, 99])
    low, high = _interval(sorted(float(np.median(one)) for one in rounds), 0.95) or (None, None)
    return Summary(
        median=float(np.median(samples)),
        p90=float(p90),
        p99=float(p99),
        mean=float(samples.mean()),
        min=float(samples.min()),
        max=float(samples.max()),
        runs=int(samples.size),
        low=low,
        high=high,
    )


def ratio(rounds: Rounds, baseline: Rounds) -> Ratio:
    """Compare round by round: what slows the machine down for a while hits both sides of one quotient.

    What it hits on one side alone makes a quotient that is far off, and so moves neither the median nor its interval
    far: the interval lies between two of the quotients, whichever they are, and assumes nothing of how they spread.

    Raises:
      ValueError: the two have other numbers of rounds.
    """
    quotients = sorted(float(np.median(a) / np.median(b)) for a, b in zip(rounds, baseline, strict=True))
    low, high = _interval(quotients, 0.95) or (None, None)
    median = float(np.median(quotients))
    return Ratio(
        median=median,
        min=quotients[0],
        max=quotients[-1],
        low=low,
        high=high,
        difference=_difference(median, _interval(quotients, 0.99)),
    )


def _difference(median: float, interval: tuple[float, float] | None) -> str:
    if interval is None:
        return UNKNOWN
    low, high = interval
    if high < 1 and median <= 1 - LEAST_DIFFERENCE:
        return FASTER
    return SLOWER if low > 1 and median >= 1 / (1 - LEAST_DIFFERENCE) else NONE


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


def _interval(ordered: Sequence[float], level: float) -> tuple[float, float] | None:
    """Ends of the interval of the median of ascending values; None: there are too few for one of that level.

    Each value is below the median as often as above it, so the number below is binomial with 1/2.
    """
    count, tail, outside = len(ordered), 0.0, -1
    while (tail := tail + math.comb(count, outside + 1) * 0.5**count) <= (1 - level) / 2:
        outside += 1
    return None if outside < 0 else (ordered[outside], ordered[-1 - outside])
