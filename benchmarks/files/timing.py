"""The timed loop, without imports of this package: it also runs in other projects' environments."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def warm(run: Callable[[int], Any], count: int, runs: int) -> None:
    """Run untimed inferences on `count` inputs in turn; the first of `runs` has already been done."""
    for number in range(1, runs):
        run(number % count)


def samples(
    run: Callable[[int], Any], count: int, runs: int, seconds: float, look: Callable[[Any], None] = lambda _: None
) -> list[float]:
    """Milliseconds of each inference, on `count` inputs in turn, until both `runs` and `seconds` are reached.

    `look` is called with the outputs of each inference, outside the timed part.
    """
    milliseconds: list[float] = []
    timed = 0.0  # milliseconds of the inferences alone: time between them does not count towards `seconds`
    while len(milliseconds) < runs or timed < seconds * 1e3:
        number = len(milliseconds) % count
        before = time.perf_counter()
        outputs = run(number)
        milliseconds.append(round((time.perf_counter() - before) * 1e3, 4))
        timed += milliseconds[-1]
        look(outputs)
    return milliseconds
