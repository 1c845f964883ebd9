"""Running a plan: each stage through the training loop, on the data where the last one stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf.models import PretrainingModel
from mobilebert_tf.training import loop
from mobilebert_tf.training.optimizers import OptimizerOptions
from mobilebert_tf.training.schedules import Schedule
from mobilebert_tf.transfer import objectives
from mobilebert_tf.transfer.strategies import StagePlan, TransferOptions


def run(
    plan: Sequence[StagePlan],
    options: TransferOptions,
    teacher: PretrainingModel,
    student: PretrainingModel,
    batches: loop.Batches,
    batch_size: int,
    optimizer: OptimizerOptions,
    loop_options: loop.LoopOptions,
    directory: Path,
    stop_after: str | None = None,
) -> bool:
    """Train `student` through all stages, or to the end of the stage `stop_after`; finished ones are
    taken from their last checkpoint. Returns whether all are done.

    Raises:
      FailedError, UsageError: as `loop.train` does.
    """

    def batches_after(seen: int) -> loop.Batches:
        return lambda start: batches(seen + start)

    seen = 0
    for index, stage in enumerate(plan):
        schedule = Schedule(
            peak=stage.learning_rate,
            steps=stage.steps,
            warmup_steps=min(stage.warmup_steps, stage.steps),
            end_factor=stage.end_factor,
            shape=stage.shape,
        )
        trained = trainable_variables(student, stage)
        loop.train(
            loop.Stage(
                name=stage.name,
                index=index,
                steps=stage.steps,
                batch_size=batch_size,
                schedule=schedule,
                optimizer=optimizer,
            ),
            objectives.transfer(teacher, student, stage, options),
            [variable for variable, _ in trained],
            student.variables,
            batches_after(seen),
            directory,
            loop_options,
            [factor for _, factor in trained],
        )
        seen += stage.steps
        if stage.name == stop_after:
            return stage is plan[-1]
    return True


def trainable_variables(student: PretrainingModel, stage: StagePlan) -> list[tuple[Any, float]]:
    """What a stage changes, each variable with its factor of the learning rate."""
    factors = dict(stage.trains)
    found = []
    for variable in student.trainable_weights:
        factor = factors.get(variable.path.split("/")[0], factors.get("all", 0.0))
        if factor:
            found.append((variable, factor))
    return found
