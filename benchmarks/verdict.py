"""Verdicts on the reliability of figures: ok, warn or invalid, with reasons."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mobilebert_tf.benchmarks.stats import LEAST_ROUNDS

OK, WARN, INVALID = "ok", "warn", "invalid"

STRICT_QUERIES, STRICT_SECONDS = 1024, 60.0
"""Least number of inferences and of seconds per file that MLPerf Mobile requires."""

SPREAD = 0.1
"""Range of the processes' medians, as a share of the middle one, above which there is a warning."""

BUSY = 0.2
"""Number of cores taken by other programs from which on there is a warning."""

CLOCKS = 0.1
"""Range of clock rates, as a share of the lowest, above which there is a warning."""

UNSTEADY = 0.5
"""Range of the processes' medians, as a share of the middle one, above which figures are invalid."""


def enough(rounds: int, runs: int, seconds: float) -> dict[str, Any]:
    """`runs` and `seconds` of a round, raised where necessary so that all rounds together reach MLPerf's minimum."""
    return {
        "runs": max(runs, math.ceil(STRICT_QUERIES / rounds)),
        "seconds": max(seconds, STRICT_SECONDS / rounds),
    }


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Judgement of a subject's figures."""

    verdict: str
    reasons: tuple[str, ...]

    def describe(self) -> dict[str, Any]:
        """The verdict as results record it."""
        return {"verdict": self.verdict, "reasons": list(self.reasons)}


def of(invalid: Sequence[str], warnings: Sequence[str]) -> Verdict:
    """The verdict that follows from reasons for invalidity and from warnings."""
    reasons = (*invalid, *warnings)
    return Verdict(INVALID if invalid else WARN if warnings else OK, reasons)


def of_host(rounds: Sequence[Mapping[str, Any]], threads: int, cores: int, strict: bool) -> Verdict:
    """The verdict on a file in one configuration on this machine.

    Args:
      rounds: findings of `one_file` in each process.
      threads: number of the runtime's threads.
      cores: number of the machine's cores.
      strict: require as many inferences and seconds as MLPerf.
    """
    if not rounds:
        return of(["no process finished"], [])
    invalid, warnings = common(rounds, strict)
    if not all(one.get("finite", True) for one in rounds):
        invalid.append("outputs are NaN or infinite")
    foreign = [one["foreign_cores"] for one in rounds]
    crowded = sum(is_crowded(one, threads, cores) for one in foreign)
    if 2 * crowded > len(rounds):
        invalid.append(f"other programs left too few of {cores} cores in {crowded} of {len(rounds)} processes")
    elif max(foreign) >= BUSY:
        warnings.append(f"other programs took up to {max(foreign):.1f} cores")
    clocks = [clock for one in rounds for clock in one.get("clock_mhz", ()) if clock]
    if clocks and max(clocks) > (1 + CLOCKS) * min(clocks):
        warnings.append(f"clocks from {min(clocks):.0f} to {max(clocks):.0f} MHz")
    return of(invalid, warnings)


def is_crowded(foreign_cores: float, threads: int, cores: int) -> bool:
    """Whether other programs leave fewer free cores than the threads need."""
    return foreign_cores > cores - threads + 0.5


def common(rounds: Sequence[Mapping[str, Any]], strict: bool) -> tuple[list[str], list[str]]:
    """Reasons that do not depend on the place of measurement: those that make figures invalid, and warnings."""
    invalid, warnings = [], []
    medians = [float(np.median(one["samples"])) for one in rounds]
    middle = float(np.median(medians))
    spread = (max(medians) - min(medians)) / middle if middle > 0 else math.inf
    if spread > UNSTEADY:
        invalid.append(f"medians of processes differ by {spread:.0%}")
    elif spread > SPREAD:
        warnings.append(f"medians of processes differ by {spread:.0%}")
    if len(rounds) < LEAST_ROUNDS:
        warnings.append(f"{len(rounds)} process{'es' if len(rounds) > 1 else ''}, so no interval")
    if strict:
        queries = sum(one.get("queries", len(one["samples"])) for one in rounds)
        seconds = sum(float(np.sum(one["samples"])) / 1e3 * one.get("queries", 0) / len(one["samples"])
                      if "queries" in one else float(np.sum(one["samples"])) / 1e3 for one in rounds)  # fmt: skip
        if queries < STRICT_QUERIES:
            invalid.append(f"{queries:,} inferences, at least {STRICT_QUERIES:,} are required")
        # The tool's clock also counts the time between inferences, so the sum of samples is a little less.
        if seconds < 0.9 * STRICT_SECONDS:
            invalid.append(f"{seconds:.0f} s of inferences, at least {STRICT_SECONDS:.0f} s are required")
    return invalid, warnings
