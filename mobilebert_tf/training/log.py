"""What training measured: a JSONL file to read with anything, TensorBoard events to look at."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from mobilebert_tf import atomic


class TrainingLog:
    """Appends rows to `log.jsonl` and scalars to `tensorboard/` below a run directory."""

    def __init__(self, directory: Path):
        self.path = directory / "log.jsonl"
        self._directory = directory
        self._writers: dict[str, Any] = {}

    def rewind(self, stage_index: int, step: int) -> None:
        """Forget rows after `step` of this stage: a restarted run writes them again."""
        if not self.path.exists():
            return
        kept = []
        for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
                place = (row["stage_index"], row["step"])
            except (ValueError, KeyError, TypeError):
                continue  # the run was killed while it wrote this line
            if place <= (stage_index, step):
                kept.append(line)
        atomic.write_text(self.path, "".join(line + "\n" for line in kept))

    def write(self, stage: str, stage_index: int, step: int, values: Mapping[str, float]) -> None:
        row = {"stage": stage, "stage_index": stage_index, "step": step}
        row |= {name: float(f"{value:.6g}") for name, value in values.items() if math.isfinite(value)}
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        if stage not in self._writers:
            self._writers[stage] = tf.summary.create_file_writer(str(self._directory / "tensorboard" / stage))
        with self._writers[stage].as_default():
            for name, value in values.items():
                tf.summary.scalar(name, value, step=step)

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()
