"""AdamW and LAMB against other implementations, the schedule against its definition."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mobilebert_tf.training.optimizers import Moments, Optimizer
from mobilebert_tf.training.schedules import Schedule
from mobilebert_tf.training.stage import OptimizerOptions

SHAPES = {"kernel": (4, 3), "bias": (3,), "word_table": (6, 2), "gamma": (3,)}


def variables():
    random = np.random.default_rng(0)
    return [keras.Variable(random.normal(size=shape).astype(np.float32), name=name) for name, shape in SHAPES.items()]


def gradients(step):
    random = np.random.default_rng((1, step))
    return [random.normal(size=shape).astype(np.float32) for shape in SHAPES.values()]


def run(options, steps=5, rate=0.1):
    trained = variables()
    optimizer = Optimizer(options, trained)

    @tf.function
    def update(step, *given):
        return optimizer.apply(given, tf.constant(rate), step)

    norms = [float(update(tf.constant(step, tf.int64), *gradients(step))) for step in range(steps)]
    return [np.asarray(v) for v in trained], norms


def test_adamw_equals_keras():
    trained, _ = run(OptimizerOptions(clip_norm=0.5))
    expected = variables()
    reference = keras.optimizers.AdamW(0.1, weight_decay=0.01, epsilon=1e-6, global_clipnorm=0.5)
    reference.exclude_from_weight_decay(var_names=["bias", "gamma"])
    for step in range(5):
        reference.apply([tf.constant(g) for g in gradients(step)], expected)
    for a, b in zip(trained, expected, strict=True):
        # Keras adds epsilon to the corrected root, the fused kernel to the uncorrected one:
        # 1e-6 against roots of about 0.1.
        np.testing.assert_allclose(a, np.asarray(b), rtol=1e-4, atol=1e-5)


def test_lamb_equals_the_paper():
    """You et al. 2020, algorithm 2, written out in float64."""
    trained, norms = run(OptimizerOptions(name="lamb", clip_norm=0.0))
    values = [np.asarray(v, np.float64) for v in variables()]
    first, second = [np.zeros_like(v) for v in values], [np.zeros_like(v) for v in values]
    for step in range(5):
        norm = np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradients(step)))
        assert norms[step] == pytest.approx(norm, rel=1e-6)
        for i, (name, gradient) in enumerate(zip(SHAPES, gradients(step), strict=True)):
            first[i] = 0.9 * first[i] + 0.1 * gradient
            second[i] = 0.999 * second[i] + 0.001 * gradient.astype(np.float64) ** 2
            update = first[i] / (1 - 0.9 ** (step + 1)) / (np.sqrt(second[i] / (1 - 0.999 ** (step + 1))) + 1e-6)
            ratio = 1.0
            if name in ("kernel", "word_table"):
                update = update + 0.01 * values[i]
                ratio = np.linalg.norm(values[i]) / np.linalg.norm(update)
            values[i] = values[i] - 0.1 * ratio * update
    for a, b in zip(trained, values, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)  # five float32 steps; 1 - 0.999 has four digits


def test_each_variable_can_be_clipped_by_itself():
    """Compare with one step of Adam by hand; with a tiny epsilon it would be rate times sign, however clipped."""
    options = OptimizerOptions(clip_norm=0.5, clips_each_variable=True, weight_decay=0.0, epsilon=1.0)
    trained, norms = run(options, steps=1)
    for before, after, gradient in zip(variables(), trained, gradients(0), strict=True):
        gradient = gradient.astype(np.float64)
        clipped = gradient * min(1.0, 0.5 / np.linalg.norm(gradient))
        # The fused kernel adds epsilon to the uncorrected root, as TensorFlow's Adam does.
        rate = 0.1 * np.sqrt(1 - 0.999) / (1 - 0.9)
        expected = np.asarray(before) - rate * 0.1 * clipped / (np.sqrt(0.001) * np.abs(clipped) + 1.0)
        np.testing.assert_allclose(after, expected, atol=1e-6)  # float32 near 1
    assert norms[0] == pytest.approx(np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in gradients(0))), rel=1e-6)


@pytest.mark.parametrize("name", ["adamw", "lamb"])
def test_kept_moments_make_two_stages_one(name):
    """Two times three steps equal six steps if the moments are kept; with new moments they do not."""
    options = OptimizerOptions(name=name)
    whole, _ = run(options, steps=6)

    def in_two(kept):
        trained = variables()
        first = Optimizer(options, trained)
        for step in range(3):
            first.apply(gradients(step), tf.constant(0.1), tf.constant(step, tf.int64))
        second = Optimizer(options, trained, moments=Moments().after(first, 3) if kept else None)
        for step in range(3):
            second.apply(gradients(3 + step), tf.constant(0.1), tf.constant(step, tf.int64))
        return [np.asarray(v) for v in trained]

    for one, two in zip(whole, in_two(kept=True), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)  # the same operations, compiled and not
    assert max(np.abs(one - two).max() for one, two in zip(whole, in_two(kept=False), strict=True)) > 1e-2


def test_rows_of_a_table_are_as_good_as_a_full_gradient():
    table = keras.Variable(np.ones((6, 2), np.float32), name="word_table")
    other = keras.Variable(np.ones((6, 2), np.float32), name="word_table")
    rows = tf.IndexedSlices(tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([2, 2]), tf.constant([6, 2]))
    step, rate = tf.constant(0, tf.int64), tf.constant(0.1)
    Optimizer(OptimizerOptions(), [table]).apply([rows], rate, step)
    Optimizer(OptimizerOptions(), [other]).apply([tf.convert_to_tensor(rows)], rate, step)
    np.testing.assert_array_equal(table, other)


def test_schedule():
    schedule = Schedule(peak=2.0, steps=110, warmup_steps=10, end_factor=0.1)
    rates = [float(schedule.at(step)) for step in (0, 4, 9, 10, 60, 110, 500)]
    # Up to the peak by a tenth of it a step, then linearly down to a tenth of it.
    np.testing.assert_allclose(rates, [0.2, 1.0, 2.0, 2.0, 1.1, 0.2, 0.2], rtol=1e-5)
    assert float(Schedule(peak=3.0, steps=5, end_factor=1.0).at(4)) == 3.0
