"""Cost of an inference's products on a phone's processor, from their number."""

from __future__ import annotations

from collections.abc import Mapping

FLOAT, INTEGER = "float", "integer"
"""The numbers that products are done in."""

SINGLE, HALF, BYTE = 4, 8, 16
"""Multiply-adds in one vector instruction of ARM's NEON: of float32, of float16, of int8 by dot products."""


def vector_instructions(multiply_adds: Mapping[str, float], half: bool) -> float:
    """How many vector instructions the products take.

    Args:
      multiply_adds: by the numbers that they are done in, FLOAT and INTEGER.
      half: whether the processor computes in float16 what is float.
    """
    floats = multiply_adds.get(FLOAT, 0) / (HALF if half else SINGLE)
    return floats + multiply_adds.get(INTEGER, 0) / BYTE
