"""The range with the least squared error, against trying every pair of ends."""

import itertools

import numpy as np
import pytest

from mobilebert_tf.export.quantize.histogram import SHARES, STEPS, Histogram


def filled(*parts):
    histogram = Histogram()
    for part in parts:
        histogram.add(np.asarray(part, np.float32))
    return histogram


def error(values, low, high):
    step = (high - low) / STEPS
    return np.square(np.clip(np.round(values / step), round(low / step), round(high / step)) * step - values).sum()


@pytest.mark.parametrize("kind", ["normal", "relu", "one_apart"])
def test_nearest_range_is_the_best_of_all_pairs(kind):
    random = np.random.default_rng(0)
    if kind == "one_apart":
        values = np.append(random.uniform(-1.0, 1.0, 100_000), 1.4).astype(np.float32)
    else:
        values = random.standard_normal(4000).astype(np.float32)
        values = np.maximum(values, 0.0) if kind == "relu" else values
    # Values are added in parts, smallest first, so that the histogram has to widen.
    order = np.argsort(np.abs(values))
    nearest = filled(*np.array_split(values[order], 7)).nearest_range()
    low, high = min(values.min(), 0.0), values.max()
    best = min(error(values, a * low, b * high) for a, b in itertools.product(SHARES[::-3], SHARES[::-3]))
    # Not exactly the best: bins are an eighth of a step wide, and one end is searched after the other.
    assert error(values, *nearest) <= 1.05 * best
    if kind == "one_apart":
        assert nearest[1] < 0.9 * high


def test_ends_are_those_of_the_values():
    histogram = filled([0.0, 0.0], [3.0, -1.5], [0.25])
    assert (histogram.low, histogram.high) == (-1.5, 3.0)


def test_nothing_but_zeros_and_what_is_no_number():
    assert filled([0.0, 0.0]).nearest_range() == (0.0, 0.0)
    low, high = filled([1.0, np.inf]).nearest_range()
    assert high == np.inf and low == 1.0
    histogram = filled([1.0, 2.0])
    histogram.add(np.float32([np.nan, 1.0]))
    assert histogram.nearest_range() == (-np.inf, np.inf)


def test_one_value_keeps_its_range():
    low, high = filled(np.full(1000, 2.0)).nearest_range()
    assert low == 0.0 and high == pytest.approx(2.0, rel=0.01)
