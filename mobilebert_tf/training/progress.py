"""The progress of a stage: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

import tqdm


class Progress:
    """Shows the steps of a stage that are done, with the loss, the speed and the time left."""

    SECONDS_BETWEEN_LINES = 15.0

    def __init__(self, name: str, steps: int, done: int = 0, shown: bool = True):
        self.shown = shown
        self.name, self.steps, self.first, self.done = name, steps, done, done
        self.began = self.last_line = time.monotonic()
        self.bar = None
        if shown and sys.stderr.isatty():
            self.bar = tqdm.tqdm(total=steps, initial=done, desc=name, unit="step", dynamic_ncols=True, leave=True)

    def update(self, done: int, loss: float, word_pieces: float | None = None) -> None:
        """Show that `done` steps of the stage are finished; `word_pieces`: number read per step, if known."""
        if not self.shown:
            return
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            self.bar.update(done - self.done)
        self.done = done
        now = time.monotonic()
        if self.bar is None and (done == self.steps or now - self.last_line >= self.SECONDS_BETWEEN_LINES):
            self.last_line = now
            rate = (done - self.first) / max(now - self.began, 1e-9)
            left = (self.steps - done) / rate if rate else 0.0
            tail = f"ETA {_clock(left)}" if done < self.steps else f"took {_clock(now - self.began)}"
            pieces = f", {rate * word_pieces:,.0f} word pieces/s" if word_pieces else ""
            print(
                f"  {self.name}: step {done}/{self.steps}, loss {loss:.4f}, {rate:.2f} steps/s{pieces}, {tail}",
                file=sys.stderr,
                flush=True,
            )

    def measured(self, done: int, values: Mapping[str, float]) -> None:
        """Show what was measured on held-out text after `done` steps; figures of single layers are only in the log."""
        words = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items() if "/" not in name)
        if self.shown and words:
            tqdm.tqdm.write(f"  {self.name}: step {done}/{self.steps}, held out: {words}", file=sys.stderr)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
