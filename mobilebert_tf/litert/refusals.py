"""Exceptions that LiteRT and its Python code raise for a bad file, where they do not crash."""

from __future__ import annotations

REFUSALS = (ValueError, RuntimeError, IndexError, KeyError, TypeError, MemoryError)
