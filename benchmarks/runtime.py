"""Description of the runtime that files were run on, for results."""

from __future__ import annotations

import importlib.metadata
from typing import Any


def describe(kind: str, **tool: Any) -> dict[str, Any]:
    """LiteRT with its installed version, and the tool that ran it."""
    try:
        version: str | None = importlib.metadata.version("ai-edge-litert")
    except importlib.metadata.PackageNotFoundError:
        version = None
    return {"name": "LiteRT", "version": version, "tools": [{"kind": kind, **tool}]}
