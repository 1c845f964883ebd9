"""Checkpoints of one stage: everything that the next step depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from mobilebert_tf.checkpoints.tensorflow_parts import prefix_without_pattern
from mobilebert_tf.errors import UsageError


class Checkpoints:
    """Saves and restores groups of variables together with the step they belong to.

    A save is complete when TensorFlow has renamed its index into place and the
    directory's `checkpoint` file names it, so a kill at any moment leaves the
    previous one in force.

    Raises:
      UsageError: the list of checkpoints in `directory` is damaged.
    """

    def __init__(self, directory: Path, groups: Mapping[str, Sequence[tf.Variable]], keep: int):
        self.directory = directory
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        state = tf.train.Checkpoint(step=self.step, **{name: list(group) for name, group in groups.items()})
        self._state = state
        try:
            self._manager = tf.train.CheckpointManager(state, str(directory), max_to_keep=keep)
        except (tf.errors.OpError, ValueError) as error:
            raise self._damaged(directory / "checkpoint", error) from error

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
            # TensorFlow passes over a list that it cannot read, and the saved work with it.
            if (self.directory / "checkpoint").exists():
                raise self._damaged(self.directory / "checkpoint", ValueError("it names no checkpoint"))
            return 0
        try:
            with prefix_without_pattern(latest) as prefix:
                self._state.restore(prefix).assert_existing_objects_matched()
        except (tf.errors.OpError, ValueError, AssertionError, IndexError) as error:
            # IndexError: how TensorFlow's reader reports a file that ends too early.
            raise self._damaged(latest, error) from error
        return int(self.step.numpy())

    def _damaged(self, place: Path | str, error: Exception) -> UsageError:
        reason = str(error).strip().splitlines()[0][:200]
        return UsageError(
            f"{place}: the checkpoint is damaged or of another model ({reason}); "
            f"delete {self.directory} to redo this stage"
        )
