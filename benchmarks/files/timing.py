"""The timed loop: the same for a file of ours and for one that runs where this package is not installed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def warm(run: Callable[[int], Any], count: int, runs: int) -> None:
    """Inferences before those that count, on `count` inputs in turn; the first of `runs` has been done."""
    for number in range(1, runs):
        run(number % count)


def samples(
    run: Callable[[int], Any], count: int, runs: int, seconds: float, look: Callable[[Any], None] = lambda _: None
) -> list[float]:
    """Milliseconds of each inference, on `count` inputs in turn; `runs` and `seconds` are both the least.

    `look` is given what each inference gives, while no clock runs.
    """
    found: list[float] = []
    timed = 0.0  # of the inferences alone: what lies between them is no part of the least that is asked for
    while len(found) < runs or timed < seconds * 1e3:
        number = len(found) % count
        before = time.perf_counter()
        given = run(number)
        found.append(round((time.perf_counter() - before) * 1e3, 4))
        timed += found[-1]
        look(given)
    return found
