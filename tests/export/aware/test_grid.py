"""Values of fake quantisation against the quantizer's own arithmetic; gradients by hand."""

import numpy as np
import pytest
import tensorflow as tf

from mobilebert_tf.export.aware import grid


def of_range(low, high, bits=8):
    return grid.Grid(*tf.unstack(grid.columns(tf.constant([[low], [high]], tf.float32), bits)[:, 0]))


def quantizer(x, low, high, bits, symmetric, channel=None):
    """The rounded values and the step by litert-quantizer."""
    from litert_quantizer import qtyping
    from litert_quantizer.algorithms.uniform_quantize import uniform_quantize_tensor as theirs

    zero, step = theirs.tensor_zp_scale_from_min_max(
        np.float32(low) if channel is None else low,
        np.float32(high) if channel is None else high,
        bits,
        symmetric,
        qtyping.QuantGranularity.TENSORWISE,
    )
    zero, step = np.reshape(zero, np.shape(low) or (1, 1)), np.reshape(step, np.shape(low) or (1, 1))
    parameters = qtyping.UniformQuantParams(
        scale=step, zero_point=zero, num_bits=bits, symmetric=symmetric, quantized_dimension=channel
    )
    return (theirs.uniform_quantize(x, parameters).astype(np.float32) - zero) * step, step


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("low, high", [(-1.0, 2.0), (0.0, 3.7), (-5.1, 0.0), (-0.3, 0.3), (-7.93, 0.004), (0.0, 0.0)])
def test_activations_lie_where_the_quantizer_puts_them(low, high, bits):
    x = np.random.default_rng(0).normal(0, 3, (50, 40)).astype(np.float32)
    expected, step = quantizer(x, low, high, bits, symmetric=bits == 16)
    levels = of_range(low, high, bits)
    assert levels.step.numpy() == np.float32(step.item())
    rounded = grid.activations(tf.constant(x), levels).numpy()
    # Multiplying by 1 / step differs from dividing in the last bit, which moves about one value in 100,000 by a step.
    assert (np.abs(rounded - expected) > 1e-6 * abs(expected).max()).mean() < 1e-3
    assert np.abs(rounded - expected).max() <= 1.001 * step.item()
    assert grid.activations(tf.constant([0.0]), levels).numpy() == 0.0
    assert len(np.unique(rounded)) <= 2**bits


def test_activations_by_hand():
    # 255 steps of 1; the range becomes -100 to 155, because zero must be a value of the grid.
    levels = of_range(-100.2, 154.8)
    assert (levels.step.numpy(), levels.least.numpy(), levels.most.numpy()) == (pytest.approx(1.0), -100.0, 155.0)
    x = tf.constant([-300.0, -100.4, -1.4, -0.6, 0.4, 0.6, 154.7, 155.4, 900.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = grid.activations(x, levels)
    np.testing.assert_allclose(y, [-100, -100, -1, -1, 0, 1, 155, 155, 155], rtol=1e-6)
    np.testing.assert_array_equal(tape.gradient(y, x), [0, 0, 1, 1, 1, 1, 1, 0, 0])


@pytest.mark.parametrize("bits", [8, 16])
def test_gradient_ends_where_the_grid_does(bits):
    levels = of_range(-0.7, 2.2, bits)
    low, high = (float(end * levels.step) for end in (levels.least, levels.most))
    # TensorFlow's gradient moves the ends by less than 1 / 65,535 of the range.
    off = 2e-5 * (high - low)
    x = tf.constant([low - off, low + off, 0.0, high - off, high + off])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = grid.activations(x, levels) * 3.0
    np.testing.assert_array_equal(tape.gradient(y, x), [0, 3, 3, 3, 0])


@pytest.mark.parametrize("bits", [4, 8])
def test_weights_lie_where_the_quantizer_puts_them(bits):
    weights = np.random.default_rng(1).normal(0, 1, (30, 20)).astype(np.float32)
    weights[:, 3] = 0.0
    size = np.abs(weights).max(axis=0, keepdims=True)
    expected, step = quantizer(weights, -size, size, bits, symmetric=True, channel=1)
    rounded, steps = grid.matrix(tf.constant(weights), bits, per_channel=True, axis=0)
    np.testing.assert_array_equal(rounded, expected)
    np.testing.assert_array_equal(steps, step)
    rows, _ = grid.matrix(tf.constant(weights.T), bits, per_channel=True, axis=1)
    np.testing.assert_array_equal(rows, expected.T)
    expected, step = quantizer(weights, -size.max(), size.max(), bits, symmetric=True)
    rounded, steps = grid.matrix(tf.constant(weights), bits, per_channel=False, axis=0)
    np.testing.assert_array_equal(rounded, expected)
    assert steps.shape == (1, 1) and steps.numpy() == step


def test_rows_have_their_own_range():
    x = np.random.default_rng(2).normal(0, 2, (40, 30)).astype(np.float32) * np.logspace(-2, 2, 40)[:, None]
    x[3] = np.abs(x[3])
    x[4, :15] = -x[4, 15:]  # symmetric around zero: kernels may give zero either of two values
    x = x.astype(np.float32)
    rounded = grid.rows(tf.constant(x)).numpy()
    for row, own in zip(x, rounded, strict=True):
        expected, step = quantizer(row[None], min(row.min(), 0), max(row.max(), 0), 8, symmetric=False)
        away = np.abs(own - expected[0]) / step.item()
        assert away.max() < 1.01 and (away > 1e-3).mean() < 0.1, row
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = grid.rows(x) * 3.0
    assert (tape.gradient(y, x).numpy() == 3.0).all()


def test_bias_of_a_product():
    """The bias is a 32-bit integer in steps of the input's step times the weights'."""
    from litert_quantizer import qtyping
    from litert_quantizer.algorithms.uniform_quantize import uniform_quantize_tensor as theirs

    random = np.random.default_rng(3)
    bias, steps = random.normal(0, 1, 20).astype(np.float32), random.uniform(1e-3, 1e-2, 20).astype(np.float32)

    def parameters(step):
        zero = np.zeros_like(step, np.int32)
        return qtyping.UniformQuantParams(scale=step, zero_point=zero, num_bits=8, quantized_dimension=0)

    input_step = np.array([0.02], np.float32)
    stored = theirs.symmetric_quantize_bias_tensor(bias, parameters(input_step), parameters(steps))
    rounded = grid.on_steps(tf.constant(bias), tf.constant(steps * input_step)).numpy()
    # Integers of about 10,000, multiplied by the step in float64 there: the last bit of float32 may differ.
    np.testing.assert_allclose(rounded, stored.quantized_data * stored.scale.astype(np.float64), rtol=2e-7)
