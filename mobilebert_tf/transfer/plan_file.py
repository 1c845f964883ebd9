"""A plan as a JSON file: every run of `distill` writes its own, and an edited one can be given to the next."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any

from mobilebert_tf.errors import UsageError
from mobilebert_tf.names import distinct_names, plain_name
from mobilebert_tf.transfer.strategies import StagePlan, placed
from mobilebert_tf.transfer.terms import TERMS


def text_of(stages: tuple[StagePlan, ...]) -> list[dict[str, Any]]:
    """The stages as JSON has them."""
    return json.loads(json.dumps([dataclasses.asdict(stage) for stage in stages]))


def read(path: str | Path) -> tuple[StagePlan, ...]:
    """The stages in a JSON file: a list of objects with the fields of `StagePlan`.

    Fields with a default can be left out; so can `index`, `first_example` and the schedule's `steps`, which
    follow from the order.

    Raises:
      UsageError: the file is missing or no JSON, or a stage has an unknown field, a value of another
        type, or a name that is no plain one or another stage's.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"--plan={path}: no such file") from None
    except (ValueError, OSError):
        raise UsageError(f"--plan={path}: is not readable as JSON") from None
    if not isinstance(content, list) or not content:
        raise UsageError(f"{path}: must be a list of stages; every run of `distill` writes one as stages.json")
    stages = []
    for number, value in enumerate(content):
        where = f"{path}: stage {number + 1}"
        if not isinstance(value, dict):
            raise UsageError(f"{where} is not an object")
        schedule = value.get("schedule")
        if isinstance(schedule, dict):
            value = {**value, "schedule": {**schedule, "steps": value.get("steps")}}
        stage = _read(StagePlan, {**value, "index": number}, where)
        plain_name(stage.name, f"{where}: name")
        unknown = [name for name, _ in stage.losses if name not in TERMS]
        if unknown:
            raise UsageError(f"{where}: no loss is called {unknown[0]!r}; there are {', '.join(TERMS)}")
        stages.append(stage)
    distinct_names([stage.name for stage in stages], f"{path}: stages")
    return placed(stages, stages[0].initialization)


def _read(kind: Any, value: Any, where: str) -> Any:
    """`value` as `kind`: a dataclass, a tuple, an optional, or a plain type."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise UsageError(f"{where}: must be an object, not {value!r}")
        hints = typing.get_type_hints(kind)
        fields = {field.name: field for field in dataclasses.fields(kind)}
        for name in value:
            if name not in fields:
                raise UsageError(f"{where}: unknown field {name!r}; there are {', '.join(fields)}")
        for name, field in fields.items():
            if field.default is dataclasses.MISSING and name not in value:
                raise UsageError(f"{where}: has no {name!r}")
        return kind(**{name: _read(hints[name], given, f"{where}: {name}") for name, given in value.items()})
    if isinstance(kind, types.UnionType):
        return None if value is None else _read(typing.get_args(kind)[0], value, where)
    if typing.get_origin(kind) is tuple:
        inner = typing.get_args(kind)
        if not isinstance(value, list):
            raise UsageError(f"{where}: must be a list, not {value!r}")
        if inner[-1] is Ellipsis:
            return tuple(_read(inner[0], item, where) for item in value)
        if len(value) != len(inner):
            raise UsageError(f"{where}: must have {len(inner)} values, not {value!r}")
        return tuple(_read(one, item, where) for one, item in zip(inner, value, strict=True))
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise UsageError(f"{where}: is {value!r}, must be {kind.__name__}")
    return value
