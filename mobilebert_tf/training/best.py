"""The best weights of a stage, kept while it goes on, and the decision to stop waiting for better ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from mobilebert_tf.training.checkpoints import Checkpoints
from mobilebert_tf.training.stage import Stage

NONE = -1
"""Stands for the step when nothing was measured yet."""

MEASURING_SHARE = 0.2
"""Share of the training time that measurements may take."""

FORWARD_SHARE = 1 / 3
"""Share of a training step's time that the forward pass takes: the backward pass has two products for each one in the
forward pass."""


def affordable_rows(measure_every: int, batch_size: int, least: int) -> int:
    """Number of rows that a measurement may read to cost at most MEASURING_SHARE of the steps before it.

    It depends on settings alone, so that a resumed run measures on the same rows.

    Args:
      measure_every: steps between measurements.
      batch_size: rows of a step.
      least: rows that are read at any cost.
    """
    return max(least, int(MEASURING_SHARE / FORWARD_SHARE * measure_every * batch_size))


class Best:
    """Receives the measurements of a stage, and writes the weights of the best one below the run's checkpoints.

    A higher score is better; of equal scores the one with the lower loss, then the earlier one. The state of this
    object is part of the stage's checkpoints. The loop saves a checkpoint whenever better weights were written, and
    the last two written weights are kept; so whichever checkpoint a killed run resumes from, the weights that it names
    exist.
    """

    def __init__(self, directory: Path, stage: Stage, state: Sequence[Any], score: str, patience: int | None = None):
        """
        Args:
          directory: that of the run.
          state: Keras variables whose values are kept.
          score: name of the measured scalar; measurements without it are ignored.
          patience: number of measurements in a row without a better score that end the stage; None: no limit.
        """
        self.score_name, self.patience = score, patience
        self._step = tf.Variable(NONE, dtype=tf.int64, trainable=False)
        self._seen, self._count, self._since = (tf.Variable(0, dtype=tf.int64, trainable=False) for _ in range(3))
        self._score, self._loss, self._latest = (tf.Variable(0.0, dtype=tf.float64, trainable=False) for _ in range(3))
        place = directory / "checkpoints" / f"{stage.directory}-best"
        self._weights = Checkpoints(place, {"state": [v.value for v in state]}, keep=2)

    @property
    def variables(self) -> list[tf.Variable]:
        """The state of this object, for a checkpoint."""
        return [self._step, self._seen, self._count, self._since, self._score, self._loss, self._latest]

    @property
    def step(self) -> int:
        """Number of steps behind the best weights, 0 for the initial ones; NONE: nothing was measured."""
        return int(self._step.numpy())

    @property
    def is_known(self) -> bool:
        """Whether any weights were measured."""
        return self.step != NONE

    @property
    def score(self) -> float:
        return float(self._score.numpy())

    @property
    def latest_score(self) -> float:
        return float(self._latest.numpy())

    @property
    def seen(self) -> int:
        """Number of steps before the latest measurement."""
        return int(self._seen.numpy())

    @property
    def measurements(self) -> int:
        return int(self._count.numpy())

    @property
    def is_exhausted(self) -> bool:
        """Whether `patience` measurements in a row were no better."""
        return self.patience is not None and int(self._since.numpy()) >= self.patience

    def saw(self, step: int, values: Mapping[str, float]) -> bool:
        """Record a measurement after `step` steps; return whether it is the best, and the weights were written."""
        if self.score_name not in values:
            return False
        score, loss = values[self.score_name], values.get("loss", 0.0)
        # A comparison with NaN is false, so such a measurement is never better.
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
        """Forget the best step if its weights are gone: the last checkpoint was then damaged, and an older one is used.

        The weights that do exist were written after that checkpoint, and will be written again.
        """
        if self.is_known and not self._weights.has(self.step):
            self._step.assign(NONE)

    def restore(self) -> None:
        """Restore the best weights. Raises UsageError: their file is damaged."""
        if self.is_known:
            self._weights.restore(self.step)
