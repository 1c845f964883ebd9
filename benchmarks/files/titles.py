"""Names of files in results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def titles(paths: Sequence[Path]) -> dict[Path, str]:
    """The name of each file, preceded by as many of its directories as tell it from the other files."""
    parts = {path: Path(os.path.abspath(path)).parts for path in paths}
    return {path: _shortest(own, [other for at, other in parts.items() if at != path]) for path, own in parts.items()}


def _shortest(own: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> str:
    count = next((n for n in range(1, len(own)) if all(other[-n:] != own[-n:] for other in others)), len(own))
    return "/".join(own[-count:])
