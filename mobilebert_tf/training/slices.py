"""A batch in parts, one after another: the gradients of the whole in the memory of one part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

WEIGHT = "weight"
"""Scalar by which an objective says how much a part of a batch counts beside its other parts, such as a number of
labelled words; without it all parts count alike. It is not logged."""

Part = tuple[dict[str, tf.Tensor], list[tf.Tensor]]
"""Scalars by name, and gradients, of a batch or a part of one."""


def in_slices(of_part: Callable[[Mapping[str, tf.Tensor]], Part], batch: Mapping[str, tf.Tensor], slices: int) -> Part:
    """Scalars and gradients of a batch as the weighted means of those of `slices` equal parts of its rows."""
    some = next(iter(batch.values()))
    known = some.shape[0]
    size = (tf.shape(some)[0] if known is None else known) // slices

    def weighted(number: Any) -> tuple[tf.Tensor, dict[str, tf.Tensor], list[tf.Tensor]]:
        part = {}
        for name, values in batch.items():
            part[name] = values[number * size : (number + 1) * size]
            part[name].set_shape([None if known is None else size, *values.shape[1:]])
        scalars, gradients = of_part(part)
        weight = tf.cast(scalars.pop(WEIGHT, 1.0), tf.float32)
        summed = {name: weight * tf.cast(value, tf.float32) for name, value in scalars.items()}
        # Rows of a table as a whole table: what is added up must have one shape.
        return weight, summed, [weight * tf.convert_to_tensor(gradient) for gradient in gradients]

    def add(number: tf.Tensor, total: tf.Tensor, values: list[tf.Tensor], gradients: list[tf.Tensor]) -> Any:
        weight, more, steps = weighted(number)
        values = [value + more[name] for name, value in zip(names, values, strict=True)]
        return number + 1, total + weight, values, [a + b for a, b in zip(gradients, steps, strict=True)]

    # The first part tells what there is to add up.
    total, first, gradients = weighted(0)
    names = sorted(first)
    _, total, values, gradients = tf.while_loop(
        lambda number, *_: number < slices,
        add,
        (tf.constant(1), total, [first[name] for name in names], gradients),
        parallel_iterations=1,
    )
    # Parts without weight, such as texts without a labelled word, leave nothing to divide.
    share = tf.math.reciprocal_no_nan(total)
    means = {name: value * share for name, value in zip(names, values, strict=True)}
    return means, [gradient * share for gradient in gradients]
