"""Exceptions by which LiteRT and its Python side refuse a file, where they do not crash."""

from __future__ import annotations

REFUSALS = (ValueError, RuntimeError, IndexError, KeyError, TypeError, MemoryError)


def reason(error: Exception) -> str:
    """The first line of a refusal."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
