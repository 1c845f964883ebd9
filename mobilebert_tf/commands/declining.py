"""`finetune --min_precision`: a classifier that says "none of these" to what it is not sure enough of."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from mobilebert_tf.errors import UsageError
from mobilebert_tf.options import option
from mobilebert_tf.tasks.task import NONE

if TYPE_CHECKING:
    from mobilebert_tf.tasks.task import Features, Outputs, Task

FEWEST = 100
"""Fewest labelled rows that a threshold is fitted on."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeclineOptions:
    """Flag of `finetune` about texts that no class is sure enough for."""

    min_precision: float | None = option(
        "share of the answers that are to be right on the scored rows; answers below the probability that this takes "
        'become "none of these"; default: every text gets a class',
        default=None,
        least=0.01,
        most=1,
    )


def check_declining(command: DeclineOptions, task: Task, rows: int) -> None:
    """Raise UsageError if a threshold is asked for that cannot be fitted."""
    if command.min_precision is None:
        return
    flag = f"--min_precision={command.min_precision:g}"
    if not task.can_decline:
        raise UsageError(f"{flag}: is for --task=classification, not for {task.name}")
    if rows < FEWEST:
        raise UsageError(f"{flag}: needs at least {FEWEST} labelled rows; give --eval a table with as many")
    if NONE in task.labels:
        raise UsageError(f"{flag}: there is already a class {NONE!r}; rename it")


def declining(command: DeclineOptions, task: Task, outputs: Outputs, held_out: Features) -> Task:
    """The task with a threshold for the precision that was asked for; prints its effect."""
    if command.min_precision is None:
        return task
    from scipy.stats import binomtest

    declining_task = task.declining(outputs, held_out, command.min_precision)
    figures = declining_task.score(outputs, held_out).all
    if "answered" not in figures and figures["accuracy"] >= command.min_precision:
        print(
            f"finetune: every text gets a class: {figures['accuracy']:.1%} of the scored rows are right without a "
            "minimum probability"
        )
        return declining_task
    if "answered" not in figures:
        print(f"finetune: no class is sure enough for {command.min_precision:.1%} right answers; every text gets one")
        return declining_task
    count = round(figures["answered"] * figures["examples"])
    right = round(figures["answered_accuracy"] * count)
    interval = binomtest(right, count).proportion_ci(0.95, "wilson")
    print(
        f"finetune: {NONE!r} where no class is sure enough; {figures['answered']:.1%} of the scored rows get a class, "
        f"and {right / count:.1%} of these are right (95 % interval {interval.low:.1%} to {interval.high:.1%})"
    )
    return declining_task
