"""The weights with the best score of a stage, kept while it goes on, and when to stop waiting for better ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from mobilebert_tf.training.checkpoints import Checkpoints
from mobilebert_tf.training.stage import Stage

NONE = -1
"""In place of a step."""

MEASURING_SHARE = 0.2
"""Of the time of training that measurements may take."""

FORWARD_SHARE = 1 / 3
"""Of a training step's time that its forward pass takes: the backward pass is two products for each of its one."""


def affordable_rows(measure_every: int, batch_size: int, least: int) -> int:
    """How many rows a measurement may read to cost no more than MEASURING_SHARE of the steps before it.

    It depends on settings alone, so that a run that goes on measures on the same rows.

    Args:
      measure_every: steps between measurements.
      batch_size: rows of a step.
      least: rows that are read whatever they cost.
    """
    return max(least, int(MEASURING_SHARE / FORWARD_SHARE * measure_every * batch_size))


class Best:
    """Sees the measurements of a stage; writes the weights of the best one below the run's checkpoints.

    The higher score is better, of equal ones that with the lower loss, then the earlier. What it knows is part of the
    stage's checkpoints. The loop saves one whenever better weights were written, and the two last written weights
    are kept; so whichever checkpoint a killed run goes on from, the weights that it names are there.
    """

    def __init__(self, directory: Path, stage: Stage, state: Sequence[Any], score: str, patience: int | None = None):
        """
        Args:
          directory: the run's.
          state: Keras variables that are kept.
          score: name of the measured scalar; measurements that lack it are passed over.
          patience: measurements without a better score that end the stage; None: it goes to its end.
        """
        self.score_name, self.patience = score, patience
        self._step = tf.Variable(NONE, dtype=tf.int64, trainable=False)
        self._seen, self._count, self._since = (tf.Variable(0, dtype=tf.int64, trainable=False) for _ in range(3))
        self._score, self._loss, self._latest = (tf.Variable(0.0, dtype=tf.float64, trainable=False) for _ in range(3))
        place = directory / "checkpoints" / f"{stage.directory}-best"
        self._weights = Checkpoints(place, {"state": [v.value for v in state]}, keep=2)

    @property
    def variables(self) -> list[tf.Variable]:
        """What it knows, for a checkpoint."""
        return [self._step, self._seen, self._count, self._since, self._score, self._loss, self._latest]

    @property
    def step(self) -> int:
        """Steps that the best weights have seen, 0 for those that training began with; NONE: none were measured."""
        return int(self._step.numpy())

    @property
    def is_known(self) -> bool:
        """Whether any were measured."""
        return self.step != NONE

    @property
    def score(self) -> float:
        return float(self._score.numpy())

    @property
    def latest_score(self) -> float:
        return float(self._latest.numpy())

    @property
    def seen(self) -> int:
        """Steps before the latest measurement."""
        return int(self._seen.numpy())

    @property
    def measurements(self) -> int:
        return int(self._count.numpy())

    @property
    def is_exhausted(self) -> bool:
        """Whether `patience` measurements in a row were no better."""
        return self.patience is not None and int(self._since.numpy()) >= self.patience

    def saw(self, step: int, values: Mapping[str, float]) -> bool:
        """Take note of a measurement after `step` steps; return whether it is the best, and its weights written."""
        if self.score_name not in values:
            return False
        score, loss = values[self.score_name], values.get("loss", 0.0)
        # A comparison with NaN is false: such a measurement is no better.
        is_better = (score, -loss) > (self.score, -float(self._loss.numpy())) if self.is_known else math.isfinite(score)
        if is_better:
            self._weights.save(step)
            self._step.assign(step)
            self._score.assign(score)
            self._loss.assign(loss)
        self._since.assign(0 if is_better else self._since + 1)
        self._seen.assign(step)
        self._count.assign_add(1)
        self._latest.assign(score)
        return is_better

    def resume(self) -> None:
        """Forget the best of a checkpoint whose weights are gone: an older one than the last, which was damaged.

        The weights that are there were then found after it, and are found again.
        """
        if self.is_known and not self._weights.has(self.step):
            self._step.assign(NONE)

    def restore(self) -> None:
        """Bring back the best weights. Raises UsageError: their file is damaged."""
        if self.is_known:
            self._weights.restore(self.step)
