"""The floating-point type that networks compute in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TypeVar

import keras

from mobilebert_tf.models import Model, build_model

AnyModel = TypeVar("AnyModel", bound=Model)


@contextlib.contextmanager
def activations(dtype: str) -> Iterator[None]:
    """Make networks built in the block compute in `dtype` (float32 or bfloat16); their weights are always float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if dtype == "bfloat16" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def frozen_copy(model: AnyModel, dtype: str) -> AnyModel:
    """A copy of `model` for inference only, with its weights in `dtype` too, so that no step rounds them again.

    For float32 it is the model itself.
    """
    if dtype == "float32":
        return model
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        copy = build_model(model.config, model.heads)
    finally:
        keras.config.set_dtype_policy(before)
    for weight, copied in zip(model.trainable_weights, copy.trainable_weights, strict=True):
        copied.assign(keras.ops.cast(weight, dtype))
    return copy
