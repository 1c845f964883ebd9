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
"""Name of the file beside metrics.json."""

MOST = 50
"""Maximum number of examples that are kept."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mistake:
    """One example with its wanted and its given answer."""

    text: str
    text_pair: str | None = None
    wanted: str
    given: str
    size: Finite | None
    """Size of the error in the measure of the `Review`; None: the output was not finite."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Review:
    """The worst answers to some labelled examples, worst first."""

    measure: Annotated[str, one_of("probability", "cosine", "error")] = "probability"
    """Meaning of `size`: probability of the wrong answer, cosine of the text with the wrong class, or error, the given
    value minus the wanted one."""
    examples: Count = 0
    wrong: Count | None = None
    """Number of wrong answers; None: answers are values, which are more or less right."""
    mistakes: tuple[Mistake, ...] = ()
    """At most MOST mistakes."""


def review(
    examples: Sequence[Example],
    wanted: Sequence[str],
    given: Sequence[str],
    size: np.ndarray,
    wrong: np.ndarray,
    measure: str = "probability",
) -> Review:
    """The wrong answers of the largest size.

    Args:
      examples: n labelled examples.
      wanted: their labels, in words.
      given: the answers, in words.
      size: float [n]; sizes that are not finite come first, then the largest magnitudes.
      wrong: bool [n].
      measure: meaning of `size`.
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
    """The content of `mistakes.json`; None without the file. Raises UsageError: the file is damaged."""
    path = directory / MISTAKES
    content: Review | None = read(path, Review, fix) if path.exists() else None
    return content
