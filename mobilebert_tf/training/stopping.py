"""Ctrl-C and SIGTERM as a polite request: finish the step, save, then exit."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any


def hold_back() -> None:
    """Block SIGTERM, here and in threads that libraries start from now on, so that it stays pending.

    A thread that does not block it would receive it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def let_through() -> None:
    """Undo `hold_back` in this thread."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


@contextlib.contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Turn SIGTERM in the block into a KeyboardInterrupt: what has been measured is then written, as after Ctrl-C."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class StopRequest:
    """Notes the first SIGINT or SIGTERM in the block, and does no more; a second one acts at once."""

    def __init__(self) -> None:
        self.signal: str | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.signal = signal.Signals(number).name
        signal.signal(number, self._before[number])
