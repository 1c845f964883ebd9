"""The type of activations of the networks that are built in a block."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def activations(dtype: str) -> Iterator[None]:
    """Networks built inside compute in `dtype` (float32 or bfloat16); their weights are float32 always."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if dtype == "bfloat16" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
