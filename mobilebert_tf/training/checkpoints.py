"""Checkpoints of one stage: everything that the next step depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from mobilebert_tf.errors import UsageError


class Checkpoints:
    """Saves and restores groups of variables together with the step they belong to.

    A save is complete when TensorFlow has renamed its index into place and the
    directory's `checkpoint` file names it, so a kill at any moment leaves the
    previous one in force.
    """

    def __init__(self, directory: Path, groups: Mapping[str, Sequence[tf.Variable]], keep: int):
        self.directory = directory
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        state = tf.train.Checkpoint(step=self.step, **{name: list(group) for name, group in groups.items()})
        self._state = state
        self._manager = tf.train.CheckpointManager(state, str(directory), max_to_keep=keep)

    def save(self, step: int) -> None:
        self.step.assign(step)
        self._manager.save(checkpoint_number=step)

    def restore(self) -> int:
        """Bring back the latest checkpoint; return its step, 0 if there is none.

        Raises:
          UsageError: the checkpoint is damaged, or belongs to another model.
        """
        latest = self._manager.latest_checkpoint
        if latest is None:
            return 0
        try:
            self._state.restore(latest).assert_existing_objects_matched()
        except (tf.errors.OpError, ValueError, AssertionError) as error:
            reason = str(error).strip().splitlines()[0][:200]
            raise UsageError(
                f"{latest}: the checkpoint is damaged or of another model ({reason}); "
                f"delete {self.directory} to redo this stage"
            ) from error
        return int(self.step.numpy())
