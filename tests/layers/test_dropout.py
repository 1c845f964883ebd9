"""Dropout: the share of dropped elements, their scale, and repeatability."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from mobilebert_tf.layers.dropout import Dropout


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_share_and_scale(rate):
    x = np.ones((500, 999), np.float32)  # odd: two elements share a random number
    y = Dropout(rate, keras.random.SeedGenerator(3))(x, training=True).numpy()
    # Five deviations of a binomial share over half a million elements.
    assert abs((y == 0).mean() - rate) < 5 * np.sqrt(rate * (1 - rate) / x.size)
    np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-4)


def test_neighbours_are_dropped_independently():
    y = Dropout(0.5, keras.random.SeedGenerator(4))(np.ones((1000, 1000), np.float32), training=True).numpy()
    kept = (y != 0).ravel().astype(np.float64)
    for distance in (1, 2, 1000):
        # Five deviations of the correlation of a million independent pairs.
        assert abs(np.corrcoef(kept[:-distance], kept[distance:])[0, 1]) < 5e-3


def test_the_generators_state_decides():
    x = tf.ones((8, 64))
    generator = keras.random.SeedGenerator(5)
    dropout = Dropout(0.3, generator)
    state = generator.state.numpy()
    first, second = dropout(x, training=True), dropout(x, training=True)
    assert not np.array_equal(first, second)
    generator.state.assign(state)
    np.testing.assert_array_equal(dropout(x, training=True), first)


def test_the_gradient_has_the_same_mask():
    x = tf.Variable(tf.ones((8, 64)))
    with tf.GradientTape() as tape:
        y = Dropout(0.3, keras.random.SeedGenerator(6))(x, training=True)
    np.testing.assert_array_equal(tape.gradient(y, x), y)


def test_nothing_is_dropped_outside_training():
    x = tf.ones((8, 64))
    np.testing.assert_array_equal(Dropout(0.3, keras.random.SeedGenerator(7))(x), x)
