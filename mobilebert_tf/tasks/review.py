"""The examples that a model gets most wrong, for a person to read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np

from mobilebert_tf import atomic
from mobilebert_tf.fields import Count, Finite, one_of, read
from mobilebert_tf.tasks.examples import Example

MISTAKES = "mistakes.json"
"""File beside metrics.json."""

MOST = 50
"""Examples that are kept."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mistake:
    """One example, what it was to be answered and what it was."""

    text: str
    text_pair: str | None = None
    wanted: str
    given: str
    size: Finite | None
    """How wrong it is, in the measure of its `Review`; None: the answer was no number."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Review:
    """The worst of some labelled examples first."""

    measure: Annotated[str, one_of("probability", "cosine", "error")] = "probability"
    """What `size` is. probability: that of the wrong answer. cosine: of the text with the wrong class. error: value
    less the one that was wanted."""
    examples: Count = 0
    wrong: Count | None = None
    """Of them; None: answers are values, which are more or less right."""
    mistakes: tuple[Mistake, ...] = ()
    """At most MOST."""


def review(
    examples: Sequence[Example],
    wanted: Sequence[str],
    given: Sequence[str],
    size: np.ndarray,
    wrong: np.ndarray,
    measure: str = "probability",
) -> Review:
    """The largest of the wrong answers.

    Args:
      examples: n of them.
      wanted: what they are labelled with, in words.
      given: what they were answered, in words.
      size: float [n]; the largest magnitude comes first, no numbers before all.
      wrong: bool [n].
      measure: what `size` is.
    """
    order = np.argsort(-np.where(np.isfinite(size), np.abs(size), np.inf), kind="stable")
    worst = [int(number) for number in order if wrong[number]][:MOST]
    mistakes = tuple(
        Mistake(
            text=examples[i].text,
            text_pair=examples[i].text_pair,
            wanted=wanted[i],
            given=given[i],
            size=float(size[i]) if np.isfinite(size[i]) else None,
        )
        for i in worst
    )
    count = None if measure == "error" else int(wrong.sum())
    return Review(measure=measure, examples=len(examples), wrong=count, mistakes=mistakes)


def write_review(directory: Path, found: Review) -> None:
    """Write `mistakes.json`."""
    atomic.write_json(directory / MISTAKES, dataclasses.asdict(found))


def read_review(directory: Path, fix: str = "") -> Review | None:
    """What `mistakes.json` holds, None without it. Raises UsageError: it is damaged."""
    path = directory / MISTAKES
    found: Review | None = read(path, Review, fix) if path.exists() else None
    return found
