"""The fastest of several files, by times from the same rounds or, where these do not decide, by operations."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from mobilebert_tf.benchmarks import stats
from mobilebert_tf.exported import Latency, Variant
from mobilebert_tf.litert.products import vector_instructions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fastest:
    """The file to ship for speed at one length, with the evidence."""

    length: int
    """T in word pieces."""
    variant: Variant
    alike: tuple[Variant, ...]
    """Files whose times do not differ significantly from its own; operations and bytes decided between them."""
    next: Variant | None
    """The next fastest file, if `alike` is empty."""
    few_rounds: bool
    """Whether there were too few rounds to compare any two files."""


def compare(variant: Variant, other: Variant, length: int) -> stats.Ratio | None:
    """Ratio of the latencies of two files, round by round; None: they were not timed in the same rounds."""
    rounds, other_rounds = _rounds(variant, length), _rounds(other, length)
    return stats.ratio(rounds, other_rounds) if rounds and len(rounds) == len(other_rounds) else None


def fastest(variants: Sequence[Variant], length: int) -> Fastest | None:
    """The fastest of the files at a length; None: no file was timed there.

    Among the files that no other file beats, the one with the least work is chosen: the medians of a busy machine
    do not justify four times the bytes.
    """
    timed = [v for v in variants if v.median(length) is not None]
    if not timed:
        return None
    rounds = {i: _rounds(v, length) for i, v in enumerate(timed)}
    counts = {len(one) for one in rounds.values()}
    leading = stats.fastest(rounds) if counts.isdisjoint({0}) and len(counts) == 1 else list(rounds)
    first = sorted((timed[i] for i in leading), key=lambda v: (work(v), v.bytes or 0, *distance(v)))
    best, alike = first[0], first[1:]
    others = [v for v in timed if v is not best]
    return Fastest(
        length=length,
        variant=best,
        alike=tuple(alike),
        next=None if alike else min(others, key=lambda v: v.median(length) or 0.0, default=None),
        few_rounds=len(timed) > 1 and min(counts) < stats.DECIDING_ROUNDS,
    )


ALIKE = 0.03
"""Minimum relative difference at which estimates of instructions tell files apart: the error of most estimates."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Least:
    """The file with the fewest instructions on a phone's processor at one length."""

    length: int
    variant: Variant
    alike: tuple[Variant, ...]
    """Files that the estimates do not tell from it; bytes decided between them."""
    next: Variant | None
    """The file with the fewest instructions among the others; None: there is none."""


def least_instructions(variants: Sequence[Variant]) -> Least | None:
    """The file to ship for a phone's processor, by estimates at the longest common length; None: no common length."""
    lengths = [set(v.instructions) for v in variants]
    common = set.intersection(*lengths) if lengths else set()
    if not common:
        return None
    length = max(common)
    fewest = min(v.instructions[length] for v in variants)
    near = [v for v in variants if v.instructions[length] <= (1 + ALIKE) * fewest]
    best, *alike = sorted(near, key=lambda v: (v.bytes or 0, v.instructions[length], *distance(v)))
    others = [v for v in variants if v not in near]
    following = min(others, key=lambda v: v.instructions[length], default=None)
    return Least(length=length, variant=best, alike=tuple(alike), next=following)


def work(variant: Variant) -> float:
    """Number of vector instructions of the products of one inference on ARM; 0: missing from the report."""
    return vector_instructions(variant.multiply_adds, variant.half)


def _rounds(variant: Variant, length: int) -> list[list[float]]:
    rounds = variant.latency_ms.get(length, Latency()).rounds
    # A time of 0, from a clock that did not advance, gives no ratio.
    return [] if 0 in rounds else [[time] for time in rounds]


def distance(variant: Variant) -> tuple[float, float]:
    """Sort key for the distance from Keras: by decisions, then by logits."""
    return -variant.parity.get("decision_agreement", 0.0), error(variant)


def error(variant: Variant) -> float:
    """The largest relative error of a logit; infinite if the file gave NaN."""
    return variant.parity.get("max_relative_error", float("inf"))
