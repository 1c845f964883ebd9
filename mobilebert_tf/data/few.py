"""A few rows of a table, as a learning curve needs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

E = TypeVar("E")


def few_of_each(examples: Sequence[E], rows: int, seed: int) -> list[E]:
    """So many examples at random, of every label as many, one more of some where that does not come out even.

    Which labels these are, and which there are at all where there are more labels than rows, is random too. Labels
    that have too few leave their places to the others. All examples, where there are no more.

    Args:
      examples: with a `label`.
      rows: how many.
      seed: of the choice; a larger number of rows has those of a smaller one in it.
    """
    if rows >= len(examples):
        return list(examples)
    order = np.random.default_rng(seed).permutation(len(examples))
    by_label: dict[Any, list[int]] = {}
    for number in order:
        by_label.setdefault(examples[number].label, []).append(int(number))
    # In turns, those of each label in the order of the draw; so come the labels, the one drawn first before the others.
    turns = sorted(
        (turn, place, number) for place, numbers in enumerate(by_label.values()) for turn, number in enumerate(numbers)
    )
    return [examples[number] for number in sorted(number for _, _, number in turns[:rows])]
