"""A batch computed in parts, one after another: gradients of the whole batch in the memory of one part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

WEIGHT = "weight"
"""Name of the scalar with which an objective weighs a part of a batch against the other parts, such as its number of
labelled words; without it all parts count equally. It is not logged."""

Part = tuple[dict[str, tf.Tensor], list[tf.Tensor]]
"""Scalars by name, and gradients, of a batch or a part of one."""


def in_slices(of_part: Callable[[Mapping[str, tf.Tensor]], Part], batch: Mapping[str, tf.Tensor], slices: int) -> Part:
    """Scalars and gradients of a batch as the weighted means of those of `slices` equal parts of its rows."""
    any_values = next(iter(batch.values()))
    static_rows = any_values.shape[0]
    size = (tf.shape(any_values)[0] if static_rows is None else static_rows) // slices

    def weighted(number: Any) -> tuple[tf.Tensor, dict[str, tf.Tensor], list[tf.Tensor]]:
        part = {}
        for name, values in batch.items():
            part[name] = values[number * size : (number + 1) * size]
            part[name].set_shape([None if static_rows is None else size, *values.shape[1:]])
        scalars, gradients = of_part(part)
        weight = tf.cast(scalars.pop(WEIGHT, 1.0), tf.float32)
        summed = {name: weight * tf.cast(value, tf.float32) for name, value in scalars.items()}
        # Gradients of tables come as rows; they become whole tables, since only equal shapes can be added up.
        return weight, summed, [weight * tf.convert_to_tensor(gradient) for gradient in gradients]

    def add(number: tf.Tensor, total: tf.Tensor, values: list[tf.Tensor], gradients: list[tf.Tensor]) -> Any:
        weight, more, steps = weighted(number)
        values = [value + more[name] for name, value in zip(names, values, strict=True)]
        return number + 1, total + weight, values, [a + b for a, b in zip(gradients, steps, strict=True)]

    # The first part shows which scalars and gradients there are to add up.
    total, first, gradients = weighted(0)
    names = sorted(first)
    _, total, values, gradients = tf.while_loop(
        lambda number, *_: number < slices,
        add,
        (tf.constant(1), total, [first[name] for name in names], gradients),
        parallel_iterations=1,
    )
    # If no part has weight, as with texts without a labelled word, the total is 0, and so are the means.
    share = tf.math.reciprocal_no_nan(total)
    means = {name: value * share for name, value in zip(names, values, strict=True)}
    return means, [gradient * share for gradient in gradients]
