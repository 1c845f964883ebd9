"""What of a run's stages stays when it goes on with another plan."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mobilebert_tf.errors import UsageError
from mobilebert_tf.transfer.plan_file import text_of
from mobilebert_tf.transfer.strategies import StagePlan

PLAN = "stages.json"
"""The plan of a run, in its directory."""


def check_goes_on(directory: Path, plan: Sequence[StagePlan], redo: str | None = None) -> None:
    """Look whether the stages that the run in `directory` has finished are those of `plan`.

    Args:
      redo: the stage that is to begin again; those before it must be the same.

    Raises:
      UsageError: one that stays was made with other settings; it is named, and what they were.
    """
    was, now = _plan_of(directory), text_of(tuple(plan))
    names = [stage.name for stage in plan]
    if redo is not None and redo not in names:
        raise UsageError(f"--redo_stage={redo}: the plan has {', '.join(names)}")
    begun = [
        i for i, stage in enumerate(was) if (directory / "checkpoints" / _folder(i, stage) / "checkpoint").exists()
    ]
    last = max(begun, default=-1)
    kept = names.index(redo) if redo else last
    if redo and kept > last + 1:
        raise UsageError(
            f"--redo_stage={redo}: the run has not come so far; it is at {was[last]['name'] if was else 'its start'}"
        )
    for before, after in zip(was[:kept], [*now, *[{}] * len(was)], strict=False):
        different = [key for key in before if before[key] != after.get(key)]
        if different:
            key = different[0]
            raise UsageError(
                f"stage {before['name']} ended with {key} {before[key]}, the plan says {after.get(key, 'nothing')}; "
                f"--redo_stage={before['name']} begins again there"
            )
    if not redo and last >= 0 and (last >= len(now) or now[last]["name"] != was[last]["name"]):
        raise UsageError(
            f"the run is in stage {was[last]['name']}, which the plan no longer has there; give another --output"
        )


def forget_from(directory: Path, name: str) -> None:
    """Delete what the run in `directory` has saved of the stage `name` and of those after it, the last one first:
    at every moment the stages that are left make a run that can go on."""
    was = _plan_of(directory)
    first = [stage["name"] for stage in was].index(name) if was else 0
    for index in reversed(range(first, len(was))):
        shutil.rmtree(directory / "checkpoints" / _folder(index, was[index]), ignore_errors=True)
        shutil.rmtree(directory / "tensorboard" / was[index]["name"], ignore_errors=True)


def _plan_of(directory: Path) -> list[dict[str, Any]]:
    """The stages as the run wrote them down; none if it was stopped before."""
    if not (directory / PLAN).exists():
        return []
    stages = json.loads((directory / PLAN).read_text(encoding="utf-8"))
    return list(stages)


def _folder(index: int, stage: dict[str, Any]) -> str:
    return f"{index:02}-{stage['name']}"
