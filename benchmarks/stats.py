"""Statistics of latencies: summaries, and ratios to a baseline with intervals."""

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
"""Least number of rounds for a 95 % interval of a median: 5 values all lie on the same side of it once in 16 times."""

DECIDING_ROUNDS = 8
"""Least number of rounds that can decide which of two files is faster: 7 quotients of a file and itself all lie on the
same side of 1 once in 64 times, and with four files there are six pairs."""

LEAST_DIFFERENCE = 0.01
"""Least difference of a ratio from 1 that counts: placement in memory alone shifts a process's times by some tenths of
a per cent."""

FASTER, SLOWER, NONE, UNKNOWN = "faster", "slower", "none", "unknown"
"""Meaning of a ratio: less time than the baseline, more time, no difference, too few rounds to decide."""


@dataclasses.dataclass(frozen=True)
class Summary:
    """Statistics of all samples together, in their unit."""

    median: float
    p90: float
    p99: float
    mean: float
    min: float
    max: float
    runs: int
    low: float | None
    """Lower end of the 95 % interval of the median over rounds; `high` is the upper; None: fewer than LEAST_ROUNDS."""
    high: float | None


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Median latency divided by the baseline's, one quotient per round; below 1 is faster."""

    median: float
    min: float
    max: float
    low: float | None
    """Lower end of the 95 % interval of the median; `high` is the upper; None: fewer than LEAST_ROUNDS rounds."""
    high: float | None
    difference: str
    """FASTER, SLOWER, NONE or UNKNOWN. Decided by the 99 % interval of the median, since the 95 % interval that is
    shown excludes 1 in one of twenty-five comparisons of a file with itself."""

    @property
    def is_faster(self) -> bool:
        return self.difference == FASTER


def summarize(rounds: Rounds) -> Summary:
    """Statistics over the samples of all rounds; the interval is that of the rounds' medians."""
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
    """Compare round by round, so that a temporary slowdown of the machine affects both sides of one quotient.

    If it affects only one side, that quotient is an outlier, which moves neither the median nor its interval
    far: the ends of the interval are two of the quotients, and nothing is assumed about their distribution.

    Raises:
      ValueError: the two have different numbers of rounds.
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
    """Files that no other file is faster than; several if their times do not differ significantly.

    Args:
      rounds: samples by file, of the same rounds.
    """
    leading = [
        key
        for key in rounds
        if not any(ratio(rounds[other], rounds[key]).is_faster for other in rounds if other != key)
    ]
    return leading or list(rounds)


def _interval(ordered: Sequence[float], level: float) -> tuple[float, float] | None:
    """Ends of the interval of the median, from values in ascending order; None: too few values for that level.

    Each value is equally likely to be below or above the median, so the number below it is binomial with 1/2.
    """
    count, tail, outside = len(ordered), 0.0, -1
    while (tail := tail + math.comb(count, outside + 1) * 0.5**count) <= (1 - level) / 2:
        outside += 1
    return None if outside < 0 else (ordered[outside], ordered[-1 - outside])
