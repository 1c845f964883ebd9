"""The journal of a run: a line for every save, stop and end of a stage."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

from mobilebert_tf.training.stage import Stage

JOURNAL = "journal.jsonl"


class Journal:
    """Appends to `journal.jsonl` in a run directory; the last line says where the run can resume."""

    def __init__(self, directory: Path, writes: bool = True):
        self.path = directory / JOURNAL
        self.writes = writes

    def note(self, event: str, stage: Stage, step: int) -> None:
        """Record that `event` (begun, resumed, saved, stopped, done) happened at `step` of `stage`.

        The line's `example` is the number of examples that the whole run has read: its place in the order of the
        records.
        """
        if not self.writes:
            return
        line = {
            "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "event": event,
            "stage": stage.name,
            "stage_index": stage.index,
            "step": step,
            "steps": stage.steps,
            "example": stage.first_example + step * stage.batch_size,
        }
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
