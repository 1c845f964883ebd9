"""The type of activations of the networks that are built in a block."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TypeVar

import keras

from mobilebert_tf.models import Model, build_model

AnyModel = TypeVar("AnyModel", bound=Model)


@contextlib.contextmanager
def activations(dtype: str) -> Iterator[None]:
    """Networks built inside compute in `dtype` (float32 or bfloat16); their weights are float32 always."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if dtype == "bfloat16" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def frozen_copy(model: AnyModel, dtype: str) -> AnyModel:
    """`model` for inference alone, its weights too in `dtype`: a step then does not round them again.

    The model itself where it is in that type already.
    """
    if dtype == "float32":
        return model
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        copy = build_model(model.config, model.heads)
    finally:
        keras.config.set_dtype_policy(before)
    for theirs, ours in zip(model.trainable_weights, copy.trainable_weights, strict=True):
        ours.assign(keras.ops.cast(theirs, dtype))
    return copy
