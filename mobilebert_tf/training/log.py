"""The log of a training run: a JSONL file for any program, and TensorBoard events to look at."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from mobilebert_tf import atomic
from mobilebert_tf.training.stage import Stage


class TrainingLog:
    """Appends rows to `log.jsonl` and scalars to `tensorboard/` below a run directory, if this process writes."""

    def __init__(self, directory: Path, writes: bool = True):
        self.writes = writes
        self.path = directory / "log.jsonl"
        self._directory = directory
        self._writers: dict[str, Any] = {}

    def rewind(self, stage_index: int, step: int) -> None:
        """Remove rows after `step` of this stage: a resumed run writes them again."""
        if not self.writes or not self.path.exists():
            return
        kept = []
        last = (stage_index, step or -1)  # a stage that begins anew measures again at step 0
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
                place = (row["stage_index"], row["step"])
            except (ValueError, KeyError, TypeError):
                continue  # the run was killed while it wrote this line
            if place <= last:
                kept.append(line)
        atomic.write_text(self.path, "".join(line + "\n" for line in kept))

    def write(self, stage: Stage, step: int, values: Mapping[str, float]) -> None:
        """Append the row of `step`; nothing if there are no values."""
        if not self.writes or not values:
            return
        row = {"stage": stage.name, "stage_index": stage.index, "step": step}
        row |= {name: float(f"{value:.6g}") for name, value in values.items() if math.isfinite(value)}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if stage.name not in self._writers:
            self._writers[stage.name] = tf.summary.create_file_writer(str(self._directory / "tensorboard" / stage.name))
        with self._writers[stage.name].as_default():
            for name, value in values.items():
                tf.summary.scalar(name, value, step=step)

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()
