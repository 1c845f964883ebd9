"""A plan as a JSON file: every run of `distill` writes its plan, and an edited one can be given to another run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from mobilebert_tf.errors import UsageError
from mobilebert_tf.fields import build
from mobilebert_tf.fields import read as read_fields
from mobilebert_tf.names import distinct_names, plain_name
from mobilebert_tf.transfer.strategies import StagePlan, placed
from mobilebert_tf.transfer.terms import TERMS


def text_of(stages: tuple[StagePlan, ...]) -> list[dict[str, Any]]:
    """The stages as lists and objects of JSON."""
    return json.loads(json.dumps([dataclasses.asdict(stage) for stage in stages]))


def read(path: str | Path) -> tuple[StagePlan, ...]:
    """The stages in a JSON file: a list of objects with the fields of `StagePlan`.

    Fields with a default can be left out (the first stage then begins with the teacher's embeddings); so can `index`,
    `first_example` and the schedule's `steps`, which follow from the order and length of the stages.

    Raises:
      UsageError: the file is missing or not JSON, or a stage has an unknown field, a value of another
        type or out of range, or a name that is not a plain name or that another stage has too.
    """
    if not Path(path).exists():
        raise UsageError(f"--plan={path}: no such file")
    content: list[dict[str, Any]] = read_fields(
        Path(path), list[dict[str, Any]], "a plan is a list of stages; every run of `distill` writes one as stages.json"
    )
    if not content:
        raise UsageError(f"{path}: has no stages; every run of `distill` writes a plan as stages.json")
    stages = []
    for number, value in enumerate(content):
        where = f"{path}: stage {number + 1}"
        schedule = value.get("schedule")
        if isinstance(schedule, dict):
            value = {**value, "schedule": {**schedule, "steps": value.get("steps")}}
        stage = build(StagePlan, {**value, "index": number}, where, refuses_unknown=True)
        plain_name(stage.name, f"{where}: name")
        unknown = [name for name, _ in stage.losses if name not in TERMS]
        if unknown:
            raise UsageError(f"{where}: no loss is called {unknown[0]!r}; choose from {', '.join(TERMS)}")
        if stage.schedule.warmup_steps > stage.steps:
            raise UsageError(
                f"{where}: schedule: warmup_steps is {stage.schedule.warmup_steps:,} and the stage has {stage.steps:,} "
                "steps, so its rate would never reach the peak"
            )
        stages.append(stage)
    distinct_names([stage.name for stage in stages], f"{path}: stages")
    initialization = stages[0].initialization
    return placed(stages, "teacher" if initialization == "stage before" else initialization)
