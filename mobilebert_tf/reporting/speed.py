"""Which of several files is the fastest, by times taken in the same rounds; where these cannot tell, by operations."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from mobilebert_tf.benchmarks import stats
from mobilebert_tf.exported import Latency, Variant
from mobilebert_tf.litert.products import vector_instructions


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fastest:
    """A file to ship for speed at one length, and what speaks for it."""

    length: int
    """T in word pieces."""
    variant: Variant
    alike: tuple[Variant, ...]
    """Those that its times cannot be told from; operations and bytes chose among them."""
    next: Variant | None
    """The next fastest, where nothing is alike."""
    few_rounds: bool
    """Whether files were timed in too few rounds to compare any two."""


def compare(variant: Variant, other: Variant, length: int) -> stats.Ratio | None:
    """Latency of a file over that of another one, round by round; None: they were not timed in the same rounds."""
    ours, theirs = _rounds(variant, length), _rounds(other, length)
    return stats.ratio(ours, theirs) if ours and len(ours) == len(theirs) else None


def fastest(variants: Sequence[Variant], length: int) -> Fastest | None:
    """The fastest of the files at a length; None: none was timed there.

    Of the files that no other one is faster than, that with the least work is chosen: the medians of a busy machine
    are no reason to take four times the bytes.
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
"""Least ratio of two estimates of instructions that tells files apart: so near most of them are to a count."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Least:
    """The file with the fewest instructions on a phone's processor at one length."""

    length: int
    variant: Variant
    alike: tuple[Variant, ...]
    """Those that the estimates do not tell it from; bytes chose among them."""
    next: Variant | None
    """The one with the fewest of the others; None: there is none."""


def least_instructions(variants: Sequence[Variant]) -> Least | None:
    """The file to ship for a phone's processor, by estimates at the longest length; None: some file has none."""
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
    """Vector instructions that the products of one inference take on ARM; 0: the report does not say."""
    return vector_instructions(variant.multiply_adds, variant.half)


def _rounds(variant: Variant, length: int) -> list[list[float]]:
    rounds = variant.latency_ms.get(length, Latency()).rounds
    # A clock that stood still tells no ratio.
    return [] if 0 in rounds else [[time] for time in rounds]


def distance(variant: Variant) -> tuple[float, float]:
    """From Keras: by decisions, then by logits."""
    return -variant.parity.get("decision_agreement", 0.0), error(variant)


def error(variant: Variant) -> float:
    """The largest of a logit; infinite where the file gave no numbers."""
    return variant.parity.get("max_relative_error", float("inf"))
