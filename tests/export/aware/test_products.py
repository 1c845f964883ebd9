"""One product on its grid, against gradients written out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from mobilebert_tf.export.aware.products import QuantizedProducts
from mobilebert_tf.export.aware.training_graph import Plan, grids_of
from mobilebert_tf.export.recipes import RECIPES, Recipe, Rule
from mobilebert_tf.export.rewrite.network import Dense

RECIPE = RECIPES["static_int8"]
RANGES = {"block_1/query/input": (-1.0, 1.5), "block_1/query/output": (-2.0, 1.0)}


def products(recipe=RECIPE, ranges=RANGES):
    plan = Plan(recipe, tuple(ranges), {})
    return QuantizedProducts(recipe, grids_of(plan, tf.constant(list(zip(*ranges.values(), strict=True)))), looks=True)


def rounded(x, low, high):
    step = (high - low) / 255
    zero = np.round(-128 - low / step)
    return (np.clip(np.round(x / step), -128 - zero, 127 - zero)) * step


@pytest.fixture
def numbers():
    random = np.random.default_rng(0)
    return [random.normal(0, 1, shape).astype(np.float32) for shape in ((6, 5), (5, 4), (4,), (6, 4))]


@pytest.mark.parametrize("activation", [None, "relu", "relu6"])
def test_product_and_its_gradients_by_hand(numbers, activation):
    x, kernel, bias, weight = numbers
    ranges = RANGES if activation is None else {**RANGES, "block_1/query/output": (0.0, 1.0)}
    tensors = [tf.constant(array) for array in (x, kernel, bias)]
    hook = products(ranges=ranges)
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        y = hook.dense("block_1/query", Dense(*tensors[1:]), tensors[0], activation)
        loss = tf.reduce_sum(y * weight)
    gradients = tape.gradient(loss, tensors)

    steps = np.abs(kernel).max(axis=0) / 127
    grid_kernel, grid_x = np.round(kernel / steps) * steps, rounded(x, -1.0, 1.5)
    grid_bias = np.round(bias / (steps * 2.5 / 255)) * steps * 2.5 / 255
    product = grid_x @ grid_kernel + grid_bias
    low, high = ranges["block_1/query/output"]
    # float32 against float64: 1e-6 of a step; no number here is near the middle between two values of the grid.
    np.testing.assert_allclose(y, rounded(product, low, high), atol=1e-5)
    inside = (product >= low) & (product <= high)
    dy = weight * inside
    assert 0 < inside.mean() < 1
    # float32 sums of six products at most.
    np.testing.assert_allclose(gradients[0], dy @ grid_kernel.T * ((x >= -1.0) & (x <= 1.5)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gradients[1], grid_x.T @ dy, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gradients[2], dy.sum(axis=0), rtol=1e-4, atol=1e-5)
    # The range is that of the product after relu.
    seen = np.array(hook.seen["block_1/query/output"])
    cut = product if activation is None else np.clip(product, 0, None)
    np.testing.assert_allclose(seen, (cut.min(), cut.max()), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(hook.seen["block_1/query/input"], (x.min(), x.max()))


def test_what_one_product_makes_is_read_as_it_is(numbers):
    x, kernel, bias, _ = (tf.constant(array) for array in numbers)
    ranges = {**RANGES, "block_1/key/output": (-9.0, 9.0), "block_1/value/input": (-9.0, 9.0)}
    hook = products(ranges={**ranges, "block_1/value/output": (-9.0, 9.0)})
    result = hook.dense("block_1/query", Dense(kernel, bias), x, "relu")
    hook.dense("block_1/key", Dense(tf.ones((4, 2)), tf.zeros(2)), result)
    hook.dense("block_1/value", Dense(tf.ones((4, 2)), tf.zeros(2)), result[:3])
    assert list(hook.seen) == [
        "block_1/query/input", "block_1/query/output", "block_1/key/output", "block_1/value/input",
        "block_1/value/output",
    ]  # fmt: skip


def test_rules_say_what_is_rounded(numbers):
    x, kernel, bias, _ = numbers
    recipe = Recipe(
        name="mine",
        description="",
        rules=(
            Rule(activations="int8"),
            Rule(layers="key", weights="float32"),
            Rule(layers="value"),
            Rule(layers="pooler", activations="float", weights="int4"),
        ),
    )
    hook = products(recipe)
    dense, rows = Dense(tf.constant(kernel), tf.constant(bias)), tf.constant(x)
    # All three: float32 sums of five products, and no number near the middle between two values of a grid.
    np.testing.assert_allclose(hook.dense("block_1/key", dense, rows), x @ kernel + bias, rtol=1e-4, atol=1e-6)
    steps = np.abs(kernel).max(axis=0) / 127
    low, high = (end(x, axis=1, keepdims=True) for end in (np.min, np.max))
    result = hook.dense("block_1/value", dense, rows)
    expected = rounded(x, np.minimum(low, 0), np.maximum(high, 0)) @ (np.round(kernel / steps) * steps) + bias
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
    steps = np.abs(kernel).max(axis=0) / 7
    result = hook.dense("pooler", dense, rows)
    np.testing.assert_allclose(result, x @ (np.round(kernel / steps) * steps) + bias, rtol=1e-4, atol=1e-5)
    assert not hook.seen
