"""Checkpoints of one stage: everything that the next step depends on."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from mobilebert_tf.data.tensorflow_parts import prefix_without_pattern
from mobilebert_tf.errors import UsageError, first_line


class Checkpoints:
    """Saves and restores groups of variables together with the step they belong to.

    A save is complete when TensorFlow has renamed its index into place and the
    directory's `checkpoint` file names it, so a kill at any moment leaves the
    previous checkpoint valid.
    """

    def __init__(
        self, directory: Path, groups: Mapping[str, Sequence[tf.Variable]], keep: int, added_later: Sequence[str] = ()
    ):
        """
        Args:
          groups: variables by name.
          keep: number of checkpoints that are kept.
          added_later: groups that a checkpoint may lack; they then keep their values.

        Raises:
          UsageError: the list of checkpoints in `directory` is damaged, or names files elsewhere.
        """
        self.directory = directory
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._groups = {name: list(group) for name, group in groups.items()}
        self._added_later = frozenset(added_later)
        state = tf.train.Checkpoint(step=self.step, **self._groups)
        try:
            self._check_names()
            self._manager = tf.train.CheckpointManager(state, str(directory), max_to_keep=keep)
        except (tf.errors.OpError, ValueError) as error:
            raise self._damaged(directory / "checkpoint", error) from error

    def save(self, step: int) -> None:
        self.step.assign(step)
        self._manager.save(checkpoint_number=step)

    def has(self, step: int) -> bool:
        """Whether the checkpoint of this step is kept."""
        return any(os.path.basename(path) == f"ckpt-{step}" for path in self._kept())

    def restore(self, step: int | None = None) -> int:
        """Restore the latest checkpoint that is intact; return its step, 0 if there is no checkpoint.

        A power cut can leave the newest one truncated; the one before it is kept for that case.

        Args:
          step: step of the only checkpoint that may be restored; None: any.

        Raises:
          UsageError: all of them are damaged, or belong to another model.
        """
        kept = [path for path in self._kept() if step is None or os.path.basename(path) == f"ckpt-{step}"]
        # TensorFlow ignores a list that it cannot read, and with it the saved work.
        if not kept and (self.directory / "checkpoint").exists():
            raise self._damaged(self.directory / "checkpoint", ValueError("it names no checkpoint"))
        first: Exception | None = None
        for path in kept:
            try:
                with prefix_without_pattern(path) as prefix:
                    self._of(prefix).restore(prefix).assert_existing_objects_matched()
            except (tf.errors.OpError, ValueError, AssertionError, IndexError) as error:
                # IndexError: how TensorFlow's reader reports a file that ends too early.
                first = first or error
                continue
            step = int(self.step.numpy())
            if first is not None:
                reason = first_line(first)[:200]
                print(f"{kept[0]}: is damaged ({reason}); using the one before it, {path}", file=sys.stderr)
            return step
        if first is not None:
            raise self._damaged(kept[0], first) from first
        return 0

    def _of(self, prefix: str) -> tf.train.Checkpoint:
        """The groups to restore from the checkpoint `prefix`: all but those `added_later` that it lacks."""
        has = {name.split("/")[0] for name, _ in tf.train.list_variables(prefix)}
        groups = {name: group for name, group in self._groups.items() if name in has or name not in self._added_later}
        return tf.train.Checkpoint(step=self.step, **groups)

    def _kept(self) -> list[str]:
        """The checkpoints, newest first: those in TensorFlow's list, or without a list those in the directory."""
        if listed := self._manager.checkpoints:
            return listed[::-1]
        prefixes = [path.with_suffix("") for path in self.directory.glob("ckpt-*.index")]
        numbered = {int(path.name[5:]): str(path) for path in prefixes if path.name[5:].isdecimal()}
        return [numbered[number] for number in sorted(numbered, reverse=True)]

    def _check_names(self) -> None:
        """Raise UsageError if the list names files of others: TensorFlow would read and delete them."""
        state = tf.train.get_checkpoint_state(str(self.directory))
        for path in [state.model_checkpoint_path, *state.all_model_checkpoint_paths] if state else []:
            place, name = os.path.split(path)
            if place != str(self.directory) or not re.fullmatch(r"ckpt-\d+", name):
                raise UsageError(
                    f"{self.directory / 'checkpoint'}: names {path}, which is not a checkpoint of this stage; "
                    f"delete {self.directory} to redo it"
                )

    def _damaged(self, place: Path | str, error: Exception) -> UsageError:
        return UsageError(
            f"{place}: the checkpoint is damaged or of another model ({first_line(error)[:200]}); "
            f"delete {self.directory} to redo this stage"
        )
