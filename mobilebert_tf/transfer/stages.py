"""Run a plan: each stage goes through the training loop, on the data that follow those of the stage before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf.models import PretrainingModel
from mobilebert_tf.training import loop
from mobilebert_tf.training.optimizers import Moments
from mobilebert_tf.training.parts import part_of
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
    """Train `student` through the stages of `plan`; a finished stage is restored from its last checkpoint.

    The steps of `snapshots` are counted over all stages.

    Raises:
      FailedError, UsageError: as `loop.train` does.
    """
    moments, before = Moments(), 0
    for stage, next_stage in zip(plan, [*plan[1:], None], strict=True):
        first, before = before, before + stage.steps
        # The checkpoints of a later stage hold all that a finished stage left, except its optimizer's moments.
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
    """The snapshots within a stage of `steps` steps that begins after `first` steps, counted from its beginning."""
    if snapshots is None:
        return None
    own = frozenset(step - first for step in snapshots.steps if first < step <= first + steps)
    return loop.Snapshots(own, lambda step: snapshots.write(first + step))


def trainable_variables(student: PretrainingModel, stage: StagePlan) -> list[tuple[Any, float]]:
    """The variables that a stage trains, each with its factor of the learning rate."""
    factors = dict(stage.trains)
    trained = []
    for variable in student.trainable_weights:
        factor = factors.get(part_of(variable), factors.get("all", 0.0))
        if factor:
            trained.append((variable, factor))
    return trained
