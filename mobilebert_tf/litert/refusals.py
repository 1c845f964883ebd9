"""Exceptions by which LiteRT and its Python side refuse a file, where they do not crash."""

from __future__ import annotations

REFUSALS = (ValueError, RuntimeError, IndexError, KeyError, TypeError, MemoryError)
