"""Values from JSON files as the fields of dataclasses: types, ranges and choices are looked at where a value enters."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from mobilebert_tf.errors import UsageError


def bounded(
    default: Any = dataclasses.MISSING,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: Sequence[str] = (),
) -> Any:
    """A field whose value, or each of whose values, lies in this range or is one of these."""
    return dataclasses.field(default=default, metadata={"least": least, "most": most, "choices": tuple(choices)})


def build(kind: Any, value: Any, where: str, skips_unknown: bool = False) -> Any:
    """`value`, as `json.loads` gives it, as `kind`: a dataclass, a dict, a tuple, an optional, or a plain type.

    Args:
      where: file and place, for messages.
      skips_unknown: leave out what a dataclass has no field for.

    Raises:
      UsageError: a field is missing, unknown, of another type, or out of its range.
    """
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, where, skips_unknown)
    if isinstance(kind, types.UnionType):
        return None if value is None else build(typing.get_args(kind)[0], value, where, skips_unknown)
    if typing.get_origin(kind) is dict:
        if not isinstance(value, dict):
            raise UsageError(f"{where}: must be an object, not {_short(value)}")
        inner = typing.get_args(kind)[1]
        return {name: build(inner, item, f"{where}: {name}", skips_unknown) for name, item in value.items()}
    if typing.get_origin(kind) is tuple:
        return _tuple(typing.get_args(kind), value, where, skips_unknown)
    if kind is float and type(value) is int and abs(value) < 2**53:
        return float(value)
    if type(value) is not kind:
        raise UsageError(f"{where}: is {_short(value)}, must be {kind.__name__}")
    return value


def _dataclass(kind: type, value: Any, where: str, skips_unknown: bool) -> Any:
    if not isinstance(value, Mapping):
        raise UsageError(f"{where}: must be an object, not {_short(value)}")
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = [name for name in value if name not in fields]
    if unknown and not skips_unknown:
        raise UsageError(f"{where}: unknown field {_short(unknown[0])}; there are {', '.join(fields)}")
    found = {}
    for name, field in fields.items():
        if name in value:
            found[name] = build(hints[name], value[name], f"{where}: {name}", skips_unknown)
            _check(found[name], field.metadata, f"{where}: {name}")
        elif field.default is dataclasses.MISSING:
            raise UsageError(f"{where}: has no {name!r}")
    return kind(**found)


def _tuple(inner: tuple[Any, ...], value: Any, where: str, skips_unknown: bool) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise UsageError(f"{where}: must be a list, not {_short(value)}")
    kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
    if len(kinds) != len(value):
        raise UsageError(f"{where}: must have {len(kinds)} values, not {_short(value)}")
    return tuple(build(kind, item, where, skips_unknown) for kind, item in zip(kinds, value, strict=True))


def _check(value: Any, bounds: Mapping[str, Any], where: str) -> None:
    """Raise UsageError if a number or a word, or one inside of a list of them, is not within its bounds."""
    if not bounds or value is None:
        return
    if isinstance(value, tuple):
        for item in value:
            _check(item, bounds, where)
    elif isinstance(value, str):
        if bounds["choices"] and value not in bounds["choices"]:
            raise UsageError(f"{where}: is {_short(value)}; there are {', '.join(bounds['choices'])}")
    elif isinstance(value, (int, float)):
        least, most = bounds["least"], bounds["most"]
        # Written so that a value which is no number at all, nan, is refused too.
        if not ((least is None or value >= least) and (most is None or value <= most)):
            ends = (("at least", least), ("at most", most))
            limits = [f"{side} {end:,}" for side, end in ends if end is not None]
            raise UsageError(f"{where}: is {value}; it must be {' and '.join(limits)}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:76]} ..."
