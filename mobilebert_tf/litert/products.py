"""Cost of an inference's products on a phone's processor, computed from their number."""

from __future__ import annotations

from collections.abc import Mapping

FLOAT, INTEGER = "float", "integer"
"""The number types in which products are computed."""

SINGLE, HALF, BYTE = 4, 8, 16
"""Multiply-adds per vector instruction of ARM's NEON: in float32, in float16, and in int8 by dot products."""


def vector_instructions(multiply_adds: Mapping[str, float], half: bool) -> float:
    """Number of vector instructions that the products take.

    Args:
      multiply_adds: number of multiply-adds by number type, FLOAT and INTEGER.
      half: whether the processor computes float products in float16.
    """
    floats = multiply_adds.get(FLOAT, 0) / (HALF if half else SINGLE)
    return floats + multiply_adds.get(INTEGER, 0) / BYTE
