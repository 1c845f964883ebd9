"""Running a plan: each stage through the training loop, on the data where the last one stopped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf.models import PretrainingModel
from mobilebert_tf.training import loop
from mobilebert_tf.training.optimizers import Moments
from mobilebert_tf.transfer import objectives
from mobilebert_tf.transfer.strategies import StagePlan


def run(
    plan: Sequence[StagePlan],
    teacher: PretrainingModel,
    student: PretrainingModel,
    batches: Callable[[StagePlan], loop.Batches],
    loop_options: loop.LoopOptions,
    directory: Path,
    measure: loop.Measurement | None = None,
    snapshots: loop.Snapshots | None = None,
) -> None:
    """Train `student` through the stages of `plan`; finished ones are taken from their last checkpoint.

    Steps of `snapshots` count over all stages.

    Raises:
      FailedError, UsageError: as `loop.train` does.
    """
    moments, before = Moments(), 0
    for stage, next_stage in zip(plan, [*plan[1:], None], strict=True):
        first, before = before, before + stage.steps
        # What a finished stage left is in the checkpoints of those that began after it, but for its moments.
        if next_stage and next_stage.moments == "new" and next_stage.has_begun(directory):
            continue
        trained = trainable_variables(student, stage)
        optimizer = loop.train(
            stage,
            objectives.transfer(teacher, student, stage),
            [variable for variable, _ in trained],
            student.variables,
            batches(stage),
            directory,
            loop_options,
            [factor for _, factor in trained],
            measure,
            moments if stage.moments == "kept" else None,
            _within(snapshots, first, stage.steps),
            is_followed=next_stage is not None,
        )
        if next_stage and next_stage.moments == "kept":
            moments = moments.after(optimizer, stage.steps)


def _within(snapshots: loop.Snapshots | None, first: int, steps: int) -> loop.Snapshots | None:
    """Those of a stage of so many `steps` that begins after `first` others, by its own count."""
    if snapshots is None:
        return None
    own = frozenset(step - first for step in snapshots.steps if first < step <= first + steps)
    return loop.Snapshots(own, lambda step: snapshots.write(first + step))


def trainable_variables(student: PretrainingModel, stage: StagePlan) -> list[tuple[Any, float]]:
    """What a stage changes, each variable with its factor of the learning rate."""
    factors = dict(stage.trains)
    found = []
    for variable in student.trainable_weights:
        factor = factors.get(variable.path.split("/")[0], factors.get("all", 0.0))
        if factor:
            found.append((variable, factor))
    return found
