"""Blocks called as one traced function against blocks called separately."""

import numpy as np
import pytest
import tensorflow as tf

from mobilebert_tf.config import MobileBertConfig
from mobilebert_tf.encoder import MobileBertEncoder

INPUTS = {
    "input_ids": np.arange(1, 25, dtype=np.int32).reshape(2, 12),
    "input_mask": np.ones((2, 12), np.int32),
    "segment_ids": np.zeros((2, 12), np.int32),
}


def step(encoder):
    """Output, gradients, the generator's state and the number of products after one training call in a graph."""
    weights = [weight.value for weight in encoder.trainable_weights if "pooler" not in weight.path]
    direction = tf.constant(np.random.default_rng(0).standard_normal((2, 12, 32)), tf.float32)

    @tf.function(autograph=False)
    def function():
        with tf.GradientTape() as tape:
            output = encoder(INPUTS, training=True)["sequence_output"]
            loss = tf.reduce_sum(output * direction)
        return output, tape.gradient(loss, weights)

    concrete = function.get_concrete_function()
    products = sum(op.type == "MatMul" for op in concrete.graph.get_operations())
    return *concrete(), encoder.generator.state.numpy(), products


@pytest.mark.parametrize("preset", ["debug_teacher", "debug_student"])
def test_one_function_computes_what_the_blocks_compute(preset):
    """With dropout, both ways draw the same random numbers and leave the generator in the same state."""
    config = MobileBertConfig.preset(preset, vocab_size=50, hidden_dropout_prob=0.2, attention_probs_dropout_prob=0.2)
    encoder = MobileBertEncoder(config, seed=3)
    for weight in encoder.trainable_weights:
        weight.assign(weight + 0.1 * np.random.default_rng(1).standard_normal(weight.shape))
    begin = encoder.generator.state.numpy()
    output, gradients, state, products = step(encoder)
    encoder.generator.state.assign(begin)
    encoder.run_block = lambda block, *inputs, training: block(*inputs, training=training)
    expected, expected_gradients, expected_state, all_products = step(encoder)
    assert products < all_products / 3  # the blocks' products are in the function, once
    np.testing.assert_array_equal(state, expected_state)
    assert not np.array_equal(state, begin)
    # The same operations, fused differently by oneDNN: a few float32 roundings.
    np.testing.assert_allclose(output, expected, rtol=1e-5, atol=1e-5)
    shared, separate = ([tf.convert_to_tensor(g).numpy() for g in x] for x in (gradients, expected_gradients))
    # A key bias's gradient is zero up to rounding, hence a common scale for all gradients.
    scale = max(np.abs(gradient).max() for gradient in separate)
    for computed, exact in zip(shared, separate, strict=True):
        np.testing.assert_allclose(computed, exact, rtol=1e-4, atol=1e-6 * scale)


def test_a_later_assignment_is_seen():
    """Weights are arguments of the traced function, not constants in it."""
    encoder = MobileBertEncoder(MobileBertConfig.preset("debug_student", vocab_size=50))
    function = tf.function(lambda: encoder(INPUTS)["sequence_output"], autograph=False)
    before = function().numpy()
    encoder.blocks[1].output_bottleneck.norm.beta.assign_add(np.ones(32))
    # One rounding of the last sum.
    np.testing.assert_allclose(function().numpy(), before + 1, atol=1e-6)
