"""Names that files give to other files and directories: the one rule that keeps them in their directory."""

from __future__ import annotations

import re
from typing import Any

from mobilebert_tf.errors import UsageError

# No separator, no leading dot (hidden files, `..`) or dash (flags), no character with a meaning in file patterns.
_PLAIN = re.compile(r"\w[\w.+-]{0,99}")


def plain_name(name: Any, where: str) -> str:
    """Return `name` if it can be joined to the path of a directory without leaving that directory.

    Args:
      where: file and field that the name comes from, for the message.

    Raises:
      UsageError: the name is something else, such as a path.
    """
    if isinstance(name, str) and _PLAIN.fullmatch(name):
        return name
    shown = repr(name) if len(repr(name)) <= 120 else f"{repr(name)[:100]}..."
    raise UsageError(
        f"{where}: {shown} is not a plain name; use letters, digits, _ - . and +, at most 100 characters, "
        "beginning with a letter, a digit or _"
    )


def distinct_names(names: list[str], where: str) -> None:
    """Raise UsageError if two of `names` would be the same directory, even on a file system that ignores case."""
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            raise UsageError(f"{where}: two are called {name!r}; give each a name of its own")
        seen.add(name.casefold())
