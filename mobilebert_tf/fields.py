"""JSON files as dataclasses: msgspec checks types and ranges, and its errors become one line.

Ranges and choices are in a field's type: `Annotated[int, within(1, 10**9)]`, `Annotated[str, one_of("new", "kept")]`.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import math
import re
import typing
from pathlib import Path
from typing import Annotated, Any

import msgspec

from mobilebert_tf.errors import UsageError
from mobilebert_tf.text_table import cut


def within(least: float | None = None, most: float | None = None) -> msgspec.Meta:
    """The range of a number, ends included; NaN lies in no range."""
    return msgspec.Meta(ge=least, le=most)


def one_of(*names: str) -> msgspec.Meta:
    """The words that a text can be, of letters, digits, blanks, dashes and underscores."""
    return msgspec.Meta(pattern=rf"^(?:{'|'.join(names)})\Z")


_HALF = "holds half of a character, as \\ud800"
_LINE = r"^[^\r\n]*\Z"
Count = Annotated[int, within(0, 10**12)]
Share = Annotated[float, within(0, 1)]
Correlation = Annotated[float, within(-1, 1)]
Finite = Annotated[float, within(-1e300, 1e300)]
Line = Annotated[str, msgspec.Meta(min_length=1, pattern=_LINE)]
"""A text that can be a line of a file."""


def read(path: Path, kind: Any, fix: str = "", refuses_unknown: bool = False) -> Any:
    """Read the JSON in a file as `kind`, with `build`.

    Args:
      fix: the remedy for a wrong file, for messages.

    Raises:
      UsageError: the file is not JSON, or as `build`; one line that names the file.
      FileNotFoundError: there is no such file.
    """
    try:
        text = path.read_bytes()
        content = json.loads(text, object_pairs_hook=_named_once)
    except _NamedTwice as error:
        raise UsageError(
            f"{path}: has {cut(str(error), 40)!r} twice in one object, with different values; keep one{_and(fix)}"
        ) from None
    except (ValueError, RecursionError):
        raise UsageError(f"{path}: is not readable as JSON{_and(fix)}") from None
    if b"\\ud" in text.lower() and has_half_characters(content):
        raise UsageError(f"{path}: {_HALF}{_and(fix)}")
    return build(kind, content, f"{path}", fix, refuses_unknown)


class _NamedTwice(Exception):
    """Error for a name with two values in one JSON object; its text is the name."""


def _named_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        for name, value in pairs:
            if content[name] != value:
                raise _NamedTwice(name)
    return content


def has_half_characters(value: Any) -> bool:
    """Whether a text in a value of JSON cannot be written as UTF-8."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return True
    if isinstance(value, dict):
        return any(map(has_half_characters, (*value, *value.values())))
    return isinstance(value, list) and any(map(has_half_characters, value))


def read_object(path: Path, fix: str = "") -> dict[str, Any]:
    """Read the object in a JSON file, with any fields. Raises as `read`."""
    content: dict[str, Any] = read(path, dict[str, Any], fix)
    return content


def build(kind: Any, value: Any, where: str, fix: str = "", refuses_unknown: bool = False) -> Any:
    """Convert `value` from `json.loads` to `kind`: a dataclass, a dict, a tuple, an optional, or a plain type.

    Args:
      where: file and place in it, for messages.
      fix: as in `read`.
      refuses_unknown: whether names that a dataclass has no field for are refused, instead of ignored.

    Raises:
      UsageError: a field is missing, unknown, of another type, or out of its range.
    """
    try:
        built = msgspec.convert(value, kind, str_keys=True)
    except msgspec.ValidationError as error:
        raise UsageError(f"{where}: {_explain(kind, value, error)}{_and(fix)}") from None
    except UnicodeEncodeError:
        raise UsageError(f"{where}: {_HALF}{_and(fix)}") from None
    if refuses_unknown and (unknown := _unknown(value, built)):
        raise UsageError(f"{where}: {unknown}{_and(fix)}")
    return built


def _and(fix: str) -> str:
    return f"; {fix}" if fix else ""


def check(instance: Any, where: str) -> None:
    """Raise UsageError if a field of a dataclass that was made in Python is not of its type, or out of its range."""
    for name, kind in _types(instance.__class__).items():
        build(kind, getattr(instance, name), f"{where}: {name}")


@functools.cache
def _types(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def _unknown(value: Any, built: Any) -> str:
    """A message about the first name in `value` for which the dataclass built from it has no field; empty if none."""
    inner: list[tuple[Any, Any, Any]] = []
    if isinstance(value, dict) and dataclasses.is_dataclass(built):
        fields = [field.name for field in dataclasses.fields(built)]
        for name in value:
            if name not in fields:
                return f"unknown field {_short(name)}; known fields: {', '.join(fields)}"
        inner = [(name, item, getattr(built, name)) for name, item in value.items()]
    elif isinstance(value, dict) and isinstance(built, dict):
        inner = [(name, item, built.get(name)) for name, item in value.items()]
    elif isinstance(value, list) and isinstance(built, tuple):
        inner = [(f"[{i}]", item, of_it) for i, (item, of_it) in enumerate(zip(value, built, strict=True))]
    return next((f"{name}: {unknown}" for name, item, of_it in inner if (unknown := _unknown(item, of_it))), "")


def _explain(kind: Any, value: Any, error: Exception) -> str:
    """The place, the value there and the expected type, from msgspec's line, which has the place and the type."""
    wanted, _, path = str(error).partition(" - at `")
    in_key = path.startswith("key` in `")
    words, here, top = [], value, copy.deepcopy(value)
    inner = top
    for name, number in re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", path):
        if number == "...":
            # msgspec does not say which of the values it means: it is the first that alone leads to the same line.
            items = dict(inner)
            for key, item in items.items():
                inner.clear()
                inner[key] = item
                if _said(kind, top) == str(error):
                    break
            name = str(key)
        key = int(number) if number.isdecimal() else name
        words.append(f"[{key}]" if number.isdecimal() else name)
        here, inner = here[key], inner[key]
    place = "".join(f"{word}: " for word in words)
    if missing := re.fullmatch(r"Object missing required field `(\w+)`", wanted):
        return f"{place}has no {missing[1]!r}"
    if in_key:
        return f"{place}has a name that is not a {'number' if 'int' in wanted else 'name'}: {_short(list(here))}"
    if wanted == "Number out of range" or (isinstance(here, float) and not math.isfinite(here)):
        return f"{place}is {_short(here)}; it must be a finite number below 1.8e308"
    if not wanted.startswith("Expected "):
        return f"{place}{wanted}"  # a dataclass's own check
    return f"{place}is {_short(here)}; it must be {_in_words(wanted)}"


def _said(kind: Any, value: Any) -> str:
    try:
        msgspec.convert(value, kind, str_keys=True)
    except msgspec.ValidationError as error:
        return str(error)
    return ""


_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}


def _in_words(wanted: str) -> str:
    """What msgspec expects, in words: "`int` >= 1" is "a whole number of at least 1"."""
    if wanted == f"Expected `str` matching regex {_LINE!r}":
        return "a line of text"
    if choices := re.search(r"regex '\^\(\?:(.*)\)", wanted):
        return f"one of {choices[1].replace('|', ', ')}"
    wanted = re.sub(r", got .*", "", wanted.removeprefix("Expected "))
    wanted = re.sub(r"`([^`]+)`", lambda m: " or ".join(_WORDS.get(word, word) for word in m[1].split(" | ")), wanted)
    for sign, words in ((">=", "of at least"), ("<=", "of at most"), (">", "above"), ("<", "below")):
        wanted = re.sub(rf" {sign} (\S+)", lambda m, words=words: f" {words} {_number(m[1])}", wanted)  # type: ignore[misc]
    return wanted.replace("of length of at least 1", "of at least one character")


def _number(text: str) -> str:
    return f"{int(text):,}" if text.lstrip("-").isdecimal() else f"{float(text):,g}"


def _short(value: Any) -> str:
    return cut(repr(value), 80, " ...")
