"""The files and directories that a flag names."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from mobilebert_tf.errors import UsageError


def expand(paths: str) -> list[Path]:
    """The files and directories that a comma-separated list of paths and patterns names.

    Raises:
      UsageError: there is none, or one of them matches nothing.
    """
    expanded = []
    for name in names(paths):
        if os.path.exists(name):
            matches = [name]
        elif os.path.exists(f"{name}.index"):
            matches = sorted(glob.glob(f"{glob.escape(name)}.*"))  # a TensorFlow checkpoint's prefix
        else:
            matches = sorted(glob.glob(name))
        if not matches:
            raise UsageError(f"{name}: no such file or directory")
        expanded += [Path(match) for match in matches]
    undecodable = next((path for path in expanded if not is_text(str(path))), None)
    if undecodable is not None:
        raise UsageError(f"{os.fsencode(undecodable)!r}: the name is not UTF-8 text; rename it")
    if not expanded:
        raise UsageError(f"{paths!r} names no file or directory")
    return expanded


def names(paths: str) -> list[str]:
    """The paths and patterns in a comma-separated list; if the whole text names an existing path, just that one."""
    return [paths] if os.path.exists(paths) else [name for name in paths.split(",") if name]


def is_text(name: str) -> bool:
    """Whether a name or argument is valid text: Python turns bytes that are not UTF-8 into surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in name)
