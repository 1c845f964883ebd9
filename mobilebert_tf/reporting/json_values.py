"""Reading of the JSON files behind a page. A null in them was a number that is not finite; it counts as missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mobilebert_tf.fields import build, read_object

AGAIN = "run the command that wrote it again"


def read_fields(path: Path, kind: Any) -> Any:
    """The JSON object in a file as `kind`, a dataclass; a missing file counts as an empty object.

    Raises:
      UsageError: the file is not JSON, or a field is missing, of another type, or out of its range.
    """
    return build_fields(kind, read_object(path, AGAIN) if path.exists() else {}, path)


def build_fields(kind: Any, content: Any, path: Path) -> Any:
    """`content`, returned by `json.loads`, as `kind`. Raises UsageError, which names the file and the field."""
    return build(kind, _without_nulls(content), f"{path}", AGAIN)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value
