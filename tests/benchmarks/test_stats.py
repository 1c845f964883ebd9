"""Figures from samples, against values by hand and from SciPy."""

import collections
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from mobilebert_tf.benchmarks.stats import LEAST_ROUNDS, Ratio, Summary, fastest, ratio, summarize


def test_summary_is_over_the_samples_of_all_rounds():
    # 1 to 11 in two rounds: the 90th percentile of eleven equally spaced values is the tenth.
    summary = summarize([[11, 1, 5, 3, 2, 4], [10, 9, 8, 7, 6]])
    assert summary == Summary(
        median=6.0, p90=10.0, p99=pytest.approx(10.9), mean=6.0, min=1.0, max=11.0, runs=11, low=None, high=None
    )


def test_interval_of_the_median_is_over_processes():
    """Of thirteen processes with constant samples, from the third to the eleventh median, whatever their runs."""
    summary = summarize([[float(i)] * (i + 1) for i in range(13)])
    assert (summary.low, summary.high) == (2.0, 10.0) and 2 * binom.cdf(2, 13, 0.5) <= 0.05 < 2 * binom.cdf(3, 13, 0.5)


def test_ratio_compares_within_a_round():
    # The machine is ten times slower in the second round, for both.
    compared = ratio([[2, 2, 100], [30, 30, 30], [3, 3, 3]], [[4, 4, 4], [40, 40, 1], [4, 4, 4]])
    assert compared == Ratio(median=0.75, min=0.5, max=0.75, low=None, high=None, difference="unknown")


def test_rounds_must_match():
    with pytest.raises(ValueError):
        ratio([[1.0]], [[1.0], [1.0]])


@pytest.mark.parametrize("count", [5, 6, 7, 9, 20, 21, 40])
def test_interval_is_the_narrowest_of_95_percent(count: int):
    """A value is equally often below and above the median, so the ends follow from SciPy's binomial distribution."""
    compared = ratio([[1.0 + i] for i in range(count)], [[1.0]] * count)
    if count < LEAST_ROUNDS:
        assert compared.low is None and compared.high is None and binom.cdf(0, count, 0.5) > 0.025
        return
    outside = int(compared.low) - 1
    assert compared.high == count - outside
    assert binom.cdf(outside, count, 0.5) <= 0.025 < binom.cdf(outside + 1, count, 0.5)


def test_fastest_are_those_that_nothing_beats():
    quiet = [[1.0]] * 9
    noisy = [[t] for t in (0.7, 1.4, 0.8, 1.3, 1.0, 0.9, 1.2, 0.6, 1.1)]
    slow = [[1.5]] * 9
    assert fastest({"slow": slow, "noisy": noisy, "quiet": quiet}) == ["noisy", "quiet"]
    assert fastest({"slow": slow, "quiet": quiet}) == ["quiet"]
    assert fastest({"slow": slow[:5], "quiet": quiet[:5]}) == ["slow", "quiet"], "too few rounds to tell"


def rounds_of_a_busy_machine(generator: np.random.Generator, factor: float) -> tuple[list, list]:
    """Nine rounds of two files, the second `factor` times as slow, beside another program: each round slows both files
    alike, and some processes are slowed by themselves, up to double."""
    sides: tuple[list, list] = ([], [])
    for _ in range(9):
        together = generator.lognormal(0, 0.3)
        for side, own in zip(sides, (1.0, factor), strict=True):
            hit = 1 + generator.uniform() if generator.uniform() < 0.4 else 1.0
            side.append(list(own * together * hit * generator.lognormal(0, 0.03, 5)))
    return sides


def test_a_file_and_its_copy_do_not_differ_on_a_busy_machine():
    """All nine quotients are on one side in one of 256 sessions: 8 of 2,000, with a deviation of 2.8."""
    generator = np.random.default_rng(0)
    verdicts = collections.Counter(ratio(*rounds_of_a_busy_machine(generator, 1.0)).difference for _ in range(2000))
    assert verdicts["none"] >= 2000 - 17 and verdicts["unknown"] == 0
    outside_95_percent = 0
    for _ in range(500):
        compared = ratio(*rounds_of_a_busy_machine(generator, 1.0))
        outside_95_percent += not compared.low <= 1 <= compared.high
    assert outside_95_percent > 10, "the interval that is shown would not do for this: 20 of 500 are expected"


def test_a_file_that_is_slower_is_told_from_another():
    """A tenth is always seen on a quiet machine; a factor of two is mostly seen beside a busy program."""
    generator = np.random.default_rng(0)
    quiet = [[[t] for t in generator.lognormal(0, 0.01, 9)] for _ in range(2)]
    assert ratio([[t[0] * 1.1] for t in quiet[0]], quiet[1]).difference == "slower"
    busy = [ratio(*rounds_of_a_busy_machine(generator, 2.0)).difference for _ in range(200)]
    assert busy.count("faster") > 100 and busy.count("slower") == 0


def test_a_difference_of_less_than_a_hundredth_is_none():
    same = [[t] for t in (1.0, 1.001, 0.999) * 4]
    assert ratio([[t[0] * 1.005] for t in same], same).difference == "none"


def test_a_recorded_session_with_a_busy_neighbour():
    """A file and its copy over nine rounds on two cores, beside two trainings (`benchmark host`, process medians)."""
    recorded = json.loads((Path(__file__).parent / "same_file_busy.json").read_text())
    compared = ratio([[t] for t in recorded["copy"]], [[t] for t in recorded["file"]])
    assert max(recorded["file"]) > 1.1 * min(recorded["file"]), "it was busy"
    assert compared.difference == "none"
