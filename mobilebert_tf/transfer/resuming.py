"""The stages of a run that are kept when it resumes with another plan."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

from mobilebert_tf.errors import UsageError
from mobilebert_tf.transfer import plan_file
from mobilebert_tf.transfer.strategies import StagePlan, placed

PLAN = "stages.json"
"""File name of the plan in the directory of a run."""

_OF_THE_END = ("metrics.json", "layers.json", "attention.json")
"""Files that describe the student after the last stage."""

Plan = tuple[StagePlan, ...]


def check_goes_on(directory: Path, plan: Plan) -> None:
    """Check that the stages that the run in `directory` has finished are those of `plan`.

    Raises:
      UsageError: a finished stage had other settings; the message names the stage and the settings.
    """
    earlier_plan, last = _plan_of(directory), _last_begun(directory)
    for before, after in zip(earlier_plan[: last + 1], plan, strict=False):
        done = before.steps if before.index < last else _steps_done(directory, before)
        if done < before.steps:
            if done > after.steps:
                raise UsageError(
                    f"{directory}: stage {before.name} has done {done:,} steps, but the plan now has {after.steps:,}"
                )
            continue
        # The last stage may be made longer; finished stages before it must be as they were.
        is_longer = before.index == last and after.steps > before.steps
        wanted = _as_long(after, before) if is_longer else after
        for field in dataclasses.fields(StagePlan):
            values = getattr(before, field.name), getattr(wanted, field.name)
            if values[0] != values[1]:
                raise UsageError(
                    f"{directory}: stage {before.name} ended with {_said(field.name, values[0], values[1])}; "
                    f"--redo_stage={before.name} starts again from that stage; "
                    "given a later stage, it keeps the earlier ones as they are"
                )
    if (
        earlier_plan
        and last >= 0
        and [stage.name for stage in earlier_plan[: last + 1]] != [stage.name for stage in plan[: last + 1]]
    ):
        raise UsageError(
            f"{directory}: is in stage {earlier_plan[last].name}, which this plan does not have in that place"
        )


def with_earlier_stages(directory: Path, plan: Plan, redo: str) -> Plan:
    """`plan` from the stage `redo` on, preceded by the stages before it as the run in `directory` has finished them.

    Raises:
      UsageError: the plan has no such stage, the run has not reached it, or got there by other stages.
    """
    names = [stage.name for stage in plan]
    if redo not in names:
        raise UsageError(f"--redo_stage={redo}: choose from {', '.join(names)}")
    earlier_plan, first = _plan_of(directory), names.index(redo)
    if first > _last_begun(directory) + 1:
        raise UsageError(f"--redo_stage={redo}: the run in {directory} has not reached that stage; leave the flag out")
    if [stage.name for stage in earlier_plan[:first]] != names[:first]:
        came_by, comes_by = ", ".join(stage.name for stage in earlier_plan[:first]), ", ".join(names[:first])
        raise UsageError(
            f"--redo_stage={redo}: the run in {directory} came there through {came_by}, this plan does "
            f"through {comes_by}"
        )
    return placed([*earlier_plan[:first], *plan[first:]], plan[0].initialization)


def forget_from(directory: Path, name: str) -> None:
    """Delete what the run in `directory` has saved of the stage `name` and of the stages after it.

    The last stage goes first, so that at every moment the remaining stages make a run that can resume.
    """
    earlier_plan = _plan_of(directory)
    first = next((stage.index for stage in earlier_plan if stage.name == name), len(earlier_plan))
    for stage in reversed(earlier_plan[first:]):
        shutil.rmtree(directory / "checkpoints" / stage.directory, ignore_errors=True)
        shutil.rmtree(directory / "tensorboard" / stage.name, ignore_errors=True)
    kept = sum(stage.steps for stage in earlier_plan[:first])
    for snapshot in (directory / "snapshots").glob("*"):
        if snapshot.name.isdigit() and int(snapshot.name) > kept:
            shutil.rmtree(snapshot)
    for name in _OF_THE_END:
        (directory / name).unlink(missing_ok=True)


def _plan_of(directory: Path) -> Plan:
    """The stages that the run wrote to its plan file; none if it was stopped before that."""
    return plan_file.read(directory / PLAN) if (directory / PLAN).exists() else ()


def _last_begun(directory: Path) -> int:
    return max((stage.index for stage in _plan_of(directory) if stage.has_begun(directory)), default=-1)


def _steps_done(directory: Path, stage: StagePlan) -> int:
    """Number of steps in a stage's newest checkpoint; 0 if it has none."""
    names = (directory / "checkpoints" / stage.directory).glob("ckpt-*.index")
    numbers = (re.fullmatch(r"ckpt-(\d+)\.index", name.name) for name in names)
    return max((int(number[1]) for number in numbers if number), default=0)


def _as_long(stage: StagePlan, other: StagePlan) -> StagePlan:
    # A warm-up that is not set in the plan is a share of the steps, so a longer stage has a longer one.
    length = {name: getattr(other.schedule, name) for name in ("steps", "warmup_steps")}
    schedule = dataclasses.replace(stage.schedule, **length)
    return dataclasses.replace(stage, steps=other.steps, schedule=schedule)


def _said(name: str, was: object, now: object) -> str:
    """The difference between two values, in words; of a schedule or an optimizer, the first field that differs."""
    if dataclasses.is_dataclass(was):
        for field in dataclasses.fields(was):
            if getattr(was, field.name) != getattr(now, field.name):
                return f"{name}.{field.name} {getattr(was, field.name)}, now {getattr(now, field.name)}"
    return f"{name} {was}, now {now}"
