"""What of a run's stages stays when it goes on with another plan."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path

from mobilebert_tf.errors import UsageError
from mobilebert_tf.transfer import plan_file
from mobilebert_tf.transfer.strategies import StagePlan, placed

PLAN = "stages.json"
"""The plan of a run, in its directory."""

_OF_THE_END = ("metrics.json", "layers.json", "attention.json")
"""Files that speak of the student as the last stage left it."""

Plan = tuple[StagePlan, ...]


def check_goes_on(directory: Path, plan: Plan) -> None:
    """Look whether the stages that the run in `directory` has ended are those of `plan`.

    Raises:
      UsageError: one was made with other settings; it is named, and what they were.
    """
    was, last = _plan_of(directory), _last_begun(directory)
    for before, after in zip(was[: last + 1], plan, strict=False):
        done = before.steps if before.index < last else _steps_done(directory, before)
        if done < before.steps:
            if done > after.steps:
                raise UsageError(
                    f"{directory}: stage {before.name} has done {done:,} steps, now it has {after.steps:,}"
                )
            continue
        # The last stage may be made longer; what has ended stays what it was.
        is_longer = before.index == last and after.steps > before.steps
        wanted = _as_long(after, before) if is_longer else after
        for field in dataclasses.fields(StagePlan):
            values = getattr(before, field.name), getattr(wanted, field.name)
            if values[0] != values[1]:
                raise UsageError(
                    f"{directory}: stage {before.name} ended with {_said(field.name, values[0], values[1])}; "
                    f"--redo_stage={before.name} begins again there, "
                    "with the name of a later stage what ended before it stays as it is"
                )
    if was and last >= 0 and [stage.name for stage in was[: last + 1]] != [stage.name for stage in plan[: last + 1]]:
        raise UsageError(f"{directory}: is in stage {was[last].name}, which this plan does not have there")


def with_earlier_stages(directory: Path, plan: Plan, redo: str) -> Plan:
    """`plan` from the stage `redo` on, after the stages that the run in `directory` has ended before it, as they were.

    Raises:
      UsageError: there is no such stage, the run has not come so far, or its earlier stages are others.
    """
    names = [stage.name for stage in plan]
    if redo not in names:
        raise UsageError(f"--redo_stage={redo}: the plan has {', '.join(names)}")
    was, first = _plan_of(directory), names.index(redo)
    if first > _last_begun(directory) + 1:
        raise UsageError(f"--redo_stage={redo}: the run in {directory} has not come so far; leave the flag out")
    if [stage.name for stage in was[:first]] != names[:first]:
        came_by, comes_by = ", ".join(stage.name for stage in was[:first]), ", ".join(names[:first])
        raise UsageError(
            f"--redo_stage={redo}: the run in {directory} came there by {came_by}, this plan by {comes_by}"
        )
    return placed([*was[:first], *plan[first:]], plan[0].initialization)


def forget_from(directory: Path, name: str) -> None:
    """Delete what the run in `directory` has saved of the stage `name` and of those after it, the last one first:
    at every moment the stages that are left make a run that can go on."""
    was = _plan_of(directory)
    first = next((stage.index for stage in was if stage.name == name), len(was))
    for stage in reversed(was[first:]):
        shutil.rmtree(directory / "checkpoints" / stage.directory, ignore_errors=True)
        shutil.rmtree(directory / "tensorboard" / stage.name, ignore_errors=True)
    kept = sum(stage.steps for stage in was[:first])
    for snapshot in (directory / "snapshots").glob("*"):
        if snapshot.name.isdigit() and int(snapshot.name) > kept:
            shutil.rmtree(snapshot)
    for name in _OF_THE_END:
        (directory / name).unlink(missing_ok=True)


def _plan_of(directory: Path) -> Plan:
    """The stages as the run wrote them down; none if it was stopped before."""
    return plan_file.read(directory / PLAN) if (directory / PLAN).exists() else ()


def _last_begun(directory: Path) -> int:
    return max((stage.index for stage in _plan_of(directory) if stage.has_begun(directory)), default=-1)


def _steps_done(directory: Path, stage: StagePlan) -> int:
    """The steps in its newest checkpoint; 0: it has none."""
    names = (directory / "checkpoints" / stage.directory).glob("ckpt-*.index")
    numbers = (re.fullmatch(r"ckpt-(\d+)\.index", name.name) for name in names)
    return max((int(number[1]) for number in numbers if number), default=0)


def _as_long(stage: StagePlan, other: StagePlan) -> StagePlan:
    # A warm-up nobody named is a share of the steps.
    length = {name: getattr(other.schedule, name) for name in ("steps", "warmup_steps")}
    schedule = dataclasses.replace(stage.schedule, **length)
    return dataclasses.replace(stage, steps=other.steps, schedule=schedule)


def _said(name: str, was: object, now: object) -> str:
    """What differs; of a schedule or an optimizer its field."""
    if dataclasses.is_dataclass(was):
        for field in dataclasses.fields(was):
            if getattr(was, field.name) != getattr(now, field.name):
                return f"{name}.{field.name} {getattr(was, field.name)}, now {getattr(now, field.name)}"
    return f"{name} {was}, now {now}"
