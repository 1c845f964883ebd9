"""Histogram of a tensor's values, and the range whose int8 steps are nearest to them."""

from __future__ import annotations

import math

import numpy as np

BINS = 4096
"""Number of bins. Half of them may be empty after the last doubling, so each of a range's 255 steps has eight bins."""

STEPS = 255
"""Number of int8 steps from the least to the largest value."""

SHARES = np.linspace(0.3, 1.0, 36)
"""Ends of ranges that are tried, as shares of the least and the largest value."""


class Histogram:
    """Counts of values in bins from -reach to reach; the reach doubles whenever a value lies beyond it."""

    def __init__(self) -> None:
        self.low, self.high = math.inf, -math.inf
        self._counts = np.zeros(BINS, np.int64)
        self._reach = 0.0

    def add(self, values: np.ndarray) -> None:
        """Count values. NaN counts as infinite at both ends, and makes the range infinite too."""
        low, high = float(values.min()), float(values.max())
        if math.isnan(low):
            low, high = -math.inf, math.inf
        self.low, self.high = min(self.low, low), max(self.high, high)
        size = max(-low, high)
        if not math.isfinite(size) or not size:
            if size == 0.0:
                self._counts[BINS // 2] += values.size
            return
        if size > self._reach:
            self._widen(2.0 ** math.ceil(math.log2(size)))
        places = ((values.ravel() + np.float32(self._reach)) * np.float32(BINS / 2 / self._reach)).astype(np.int32)
        self._counts += np.bincount(np.clip(places, 0, BINS - 1), minlength=BINS)

    def _widen(self, reach: float) -> None:
        if self._reach:
            for _ in range(round(math.log2(reach / self._reach))):
                pairs = self._counts.reshape(-1, 2).sum(axis=1)
                self._counts = np.zeros_like(self._counts)
                self._counts[BINS // 4 : BINS // 4 + BINS // 2] = pairs
        self._reach = reach

    def nearest_range(self) -> tuple[float, float]:
        """Least and largest value of the int8 range with the smallest squared error; values beyond it are clipped.

        A range up to a few large values, such as those of one channel, would take the bits of all others.
        """
        if not self._counts.any() or not math.isfinite(self.high - self.low):
            return self.low, self.high
        kept = np.flatnonzero(self._counts)
        counts = self._counts[kept]
        middles = ((kept + 0.5) / BINS * 2.0 - 1.0) * self._reach
        # Zero is a step of every grid, for padding and results of relu.
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        best = low, high
        # One end after the other: the ends affect each other little except through the width of the steps.
        for _ in range(2):
            best = min(((share * low, best[1]) for share in SHARES), key=lambda ends: _error(middles, counts, *ends))
            best = min(((best[0], share * high) for share in SHARES), key=lambda ends: _error(middles, counts, *ends))
        return best


def _error(values: np.ndarray, counts: np.ndarray, low: float, high: float) -> float:
    """Sum of squared errors of values, each occurring `counts` times, when rounded to the steps from low to high."""
    step = max(high - low, 1e-30) / STEPS
    rounded = np.clip(np.round(values / step), round(low / step), round(high / step)) * step
    return float(counts @ np.square(rounded - values))
