"""Numbers and lists in cells of tables, as written by programs and spreadsheets."""

from __future__ import annotations

import ast
import json
import math
import re

LARGEST = 1e18
"""Largest magnitude of a number in tables: losses are computed in float32, which has no square of 2e19."""

_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")
_RISING = re.compile(r"([1-9]\d*),([1-9]\d*)")


def has_decimal_comma(cell: str) -> bool:
    """Whether a cell may hold a number such as 0,5."""
    return bool(_DECIMAL_COMMA.fullmatch(cell.strip()))


def is_ambiguous(cell: str) -> bool:
    """Whether the comma in a number may stand between thousands as well as before decimals."""
    return bool(_THOUSANDS.fullmatch(cell.strip()))


def value_of(cell: str) -> float | None:
    """The finite number in a cell, with a decimal point or comma; None if the cell holds none."""
    word = cell.strip()
    if has_decimal_comma(word):
        word = word.replace(",", ".")
    try:
        value = math.nan if "_" in word else float(word)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def are_numbers_of_labels(cells: list[str]) -> bool:
    """Whether all cells with a comma, such as 1,4, are two labels and not a number: the second is always larger."""
    pairs = [_RISING.fullmatch(cell.strip()) for cell in cells if "," in cell]
    return all(pair is not None and int(pair[1]) < int(pair[2]) for pair in pairs)


_ITEM = r"""(?:'[^']*'|"[^"]*"|-?\d+\.?\d*)"""
_ARRAY = re.compile(rf"\[\s*{_ITEM}(?:\s+{_ITEM})+\s*\]")
"""An array as NumPy prints it, with only blanks between its items."""

_NAMED_ARRAY = re.compile(r"array\((\[.*\])(?:, dtype=[^()]+)?\)", re.DOTALL)
"""The Python representation of a NumPy array."""


def list_in(cell: str) -> list[str] | None:
    """The texts and numbers of a list in a cell, as written by JSON, Python or NumPy; None if the cell holds none.

    An object with a single list, such as `{"choices": [...]}` of annotation tools, counts as that list.
    """
    word = cell.strip()
    if word.startswith("{"):
        try:
            value = json.loads(word)
        except (ValueError, RecursionError):
            return None
        lists = list(value.values())
        return list_in(json.dumps(lists[0], ensure_ascii=False)) if len(lists) == 1 else None
    # This comes before parsing as Python, which would join adjacent texts into one.
    if _ARRAY.fullmatch(word):
        return [item.strip("'\"") for item in re.findall(_ITEM, word)]
    if named := _NAMED_ARRAY.fullmatch(word):
        word = named[1]
    if not (word.startswith("[") and word.endswith("]")):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            values = read(word)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(values, list) and all(isinstance(value, (str, int, float)) for value in values):
            return [value if isinstance(value, str) else json.dumps(value) for value in values]
    return None
