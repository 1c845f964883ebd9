"""Progress of a pass over items: a bar on a terminal, elsewhere a line every few seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import tqdm

T = TypeVar("T")

SECONDS_BETWEEN_LINES = 15.0


def track(items: Iterable[T], name: str, unit: str, total: int | None = None) -> Iterator[T]:
    """Yield `items` while printing count, rate and, where `total` is known, the time left."""
    if sys.stderr.isatty():
        yield from tqdm.tqdm(items, desc=name, unit=unit, total=total, dynamic_ncols=True)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES:
            last = now
            rate = done / (now - start)
            left = f" of {total}, {(total - done) / rate:.0f} s left" if total else ""
            print(f"{name}: {done}{left} ({rate:.1f} {unit}/s)", file=sys.stderr, flush=True)
