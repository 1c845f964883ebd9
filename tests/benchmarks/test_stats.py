"""Figures from samples, by hand."""

import pytest

from mobilebert_tf.benchmarks.stats import Ratio, Summary, ratio, summarize


def test_summary_is_over_the_samples_of_all_rounds():
    # 1..11 in two rounds: the 90th percentile of eleven equally spaced values is the tenth.
    assert summarize([[11, 1, 5, 3, 2, 4], [10, 9, 8, 7, 6]]) == Summary(median=6.0, p90=10.0, min=1.0, runs=11)


def test_ratio_compares_within_a_round():
    # The machine is ten times slower in the second round, for both.
    compared = ratio([[2, 2, 100], [30, 30, 30], [3, 3, 3]], [[4, 4, 4], [40, 40, 1], [4, 4, 4]])
    assert compared == Ratio(median=0.75, min=0.5, max=0.75)


def test_rounds_must_match():
    with pytest.raises(ValueError):
        ratio([[1.0]], [[1.0], [1.0]])
