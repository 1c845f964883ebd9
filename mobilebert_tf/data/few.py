"""Small samples of a table's rows, as for a learning curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

E = TypeVar("E")


def few_of_each(examples: Sequence[E], rows: int, seed: int) -> list[E]:
    """A random sample of `rows` examples, equally many of every label; one more of some if they do not divide evenly.

    The labels with one more, or those present at all where there are more labels than rows, are random too. Labels
    with too few examples leave their places to the others. Returns all examples if there are no more than `rows`.

    Args:
      examples: objects with a `label`.
      rows: number of examples to return.
      seed: seed of the choice; a larger sample with the same seed contains a smaller one.
    """
    if rows >= len(examples):
        return list(examples)
    order = np.random.default_rng(seed).permutation(len(examples))
    by_label: dict[Any, list[int]] = {}
    for number in order:
        by_label.setdefault(examples[number].label, []).append(int(number))
    # One example of each label per turn; both the labels and the examples of a label are in the order of the draw.
    turns = sorted(
        (turn, place, number) for place, numbers in enumerate(by_label.values()) for turn, number in enumerate(numbers)
    )
    return [examples[number] for number in sorted(number for _, _, number in turns[:rows])]
