"""Options of a command: declared once as fields of a dataclass, read from absl flags.

Commands are frozen dataclasses. The pipeline makes them directly, the shell through
the flags that this module derives; nothing else in the package knows about flags.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from mobilebert_tf.errors import UsageError


def option(
    help: str,
    default: Any = dataclasses.MISSING,
    choices: Sequence[str] = (),
    identity: bool = True,
    is_input: bool = False,
    least: float | None = None,
    most: float | None = None,
    several: bool = False,
    is_text: bool = False,
) -> Any:
    """A field of a command.

    Args:
      help: what the flag means, with its unit.
      default: value of a flag that is not given; without a default the flag is required.
      choices: the possible values, if they can be listed.
      identity: whether another value makes another result. Only such options are
        compared when a command meets the output of an earlier run.
      is_input: the value is a path (or comma-separated paths) that is read; its
        content is part of the run's identity.
      least: the smallest allowed number, inclusive.
      most: the largest allowed number, inclusive; every number has both ends.
      several: whether a list of numbers with commas between is accepted too; it stays text: `float | str`.
      is_text: whether the value is taken literally. Otherwise an empty one is refused, as that of a shell variable that
        was never set, and ~ at the beginning stands for the user's home directory.
    """
    metadata = {
        "help": help,
        "choices": tuple(choices),
        "identity": identity,
        "is_input": is_input,
        "least": least,
        "most": most,
        "several": several,
        "is_text": is_text,
    }
    return dataclasses.field(default=default, metadata=metadata)


def define_flags(command: type) -> flags.FlagValues:
    """absl flags for every option of `command`, in a set of their own."""
    values = flags.FlagValues()
    hints = typing.get_type_hints(command)
    for field in dataclasses.fields(command):
        kind, default, help = hints[field.name], field.default, field.metadata["help"]
        required = default is dataclasses.MISSING
        initial: Any = None if required else default
        base = next(t for t in typing.get_args(kind) if t is not type(None)) if _is_optional(kind) else kind
        if field.metadata["choices"]:
            flags.DEFINE_enum(field.name, initial, field.metadata["choices"], help, flag_values=values)
        elif field.metadata["several"]:
            flags.DEFINE_string(field.name, initial, help, flag_values=values)
        else:
            _DEFINERS[base](field.name, initial, help, flag_values=values)
    flags.DEFINE_boolean("debug", False, "show tracebacks and what TensorFlow logs", flag_values=values)
    flags.DEFINE_boolean("help", False, "show this help", short_name="h", flag_values=values)
    return values


def from_flags(command: type, values: flags.FlagValues) -> Any:
    """The command that these parsed flags describe.

    Raises:
      UsageError: a required flag is left out, or a number is out of its range.
    """
    by_name = {field.name: _value(field, values[field.name].value) for field in dataclasses.fields(command)}
    required = [field.name for field in dataclasses.fields(command) if field.default is dataclasses.MISSING]
    missing = [f"--{name}" for name in required if by_name[name] is None]
    if missing:
        raise UsageError(f"{', '.join(missing)} must be given; --help explains each")
    instance = command(**by_name)
    check(instance)
    return instance


def check(command: Any) -> None:
    """Raise UsageError if a number of a command is out of its range, or a word is not one of its choices."""
    for field in dataclasses.fields(command):
        value, choices = getattr(command, field.name), field.metadata["choices"]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            _check_range(field.name, value, field.metadata["least"], field.metadata["most"])
        elif field.metadata["several"] and isinstance(value, str):
            for number in numbers(value, field.name):
                _check_range(field.name, number, field.metadata["least"], field.metadata["most"])
        elif value == "" and field.default != "" and not field.metadata["is_text"]:
            raise UsageError(f"--{field.name}=: is empty; give a value, or leave the flag out")
        elif choices and value is not None and value not in choices:
            raise UsageError(f"--{field.name}={value}: choose from {', '.join(choices)}")


def refuse_inputs(command: Any, flag: str) -> None:
    """Raise UsageError if the file that a command is to write is one that it reads."""
    path = Path(getattr(command, flag))
    if not path.exists():
        return
    for field in dataclasses.fields(command):
        value = getattr(command, field.name)
        if not field.metadata["is_input"] or not isinstance(value, str):
            continue
        existing = [Path(part) for part in {value, *value.split(",")} if os.path.exists(part)]
        if any(
            path.samefile(place) or place.is_dir() and path.resolve().is_relative_to(place.resolve())
            for place in existing
        ):
            raise UsageError(f"--{flag}={path}: is the input --{field.name}, or lies in it; give another name")


def whole_numbers(text: str, flag: str, least: int, most: int) -> list[int]:
    """Read whole numbers with commas between. Raises UsageError: a word is not a number, or one is out of the range."""
    words = text.split(",")
    # Short enough for Python to convert, and ASCII digits only.
    if not all(re.fullmatch(r"[0-9]{1,18}", word) and least <= int(word) <= most for word in words):
        shown = text if len(text) <= 60 else f"{text[:57]}..."
        raise UsageError(f"--{flag}={shown}: must be comma-separated numbers from {least:,} to {most:,}")
    return [int(word) for word in words]


def numbers(text: str, flag: str) -> list[float]:
    """Read different numbers with commas between. Raises UsageError: a word is not a number, or one appears twice."""
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        raise UsageError(f"--{flag}={text}: must be a number, or several separated by commas") from None
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise UsageError(f"--{flag}={text}: names {twice:g} twice")
    return values


def _check_range(name: str, value: int | float, least: float | None, most: float | None) -> None:
    text = f"{value}"
    shown = f"--{name}={text if len(text) <= 40 else f'{text[:37]}...'}"
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{shown}: must be a finite number")
    if most is not None and value > most:
        raise UsageError(f"{shown}: must be at most {_shown(most)}{_and('least', least)}")
    if least is not None and value < least:
        raise UsageError(f"{shown}: must be at least {_shown(least)}{_and('most', most)}")


def _and(side: str, end: float | None) -> str:
    return "" if end is None else f", and at {side} {_shown(end)}"


def _shown(end: float) -> str:
    return f"{int(end) if end == int(end) else end:,}"


def _value(field: dataclasses.Field[Any], value: Any) -> Any:
    """The value that a command receives for a parsed flag."""
    if field.metadata["several"] and isinstance(value, str):
        parsed = numbers(value, field.name)
        return parsed[0] if len(parsed) == 1 else ",".join(f"{number:.17g}" for number in parsed)
    return _at_home(field, value)


def _at_home(field: dataclasses.Field[Any], value: Any) -> Any:
    """Expand ~ at the beginning of each path to the home directory: shells leave it alone in --name=~/path."""
    if field.metadata["is_text"] or not isinstance(value, str) or "~" not in value or os.path.exists(value):
        return value
    return _HOME.sub(lambda match: match[1] + os.path.expanduser(match[2]), value)


_HOME = re.compile(r"(^|[,=])(~[^/,]*)")
"""~ or ~name where a path may begin: at the start, after a comma, and after the = of NAME=PATH."""


def _is_optional(kind: Any) -> bool:
    return isinstance(kind, types.UnionType) and type(None) in typing.get_args(kind)


_DEFINERS: dict[Any, Any] = {
    str: flags.DEFINE_string,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    bool: flags.DEFINE_boolean,
}
