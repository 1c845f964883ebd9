"""One traced function for all blocks of a network."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class SharedTrace:
    """Calls layers that differ only in their weights as one function of these weights.

    In a graph, 24 blocks are then traced, differentiated and optimised as one block
    that is called 24 times. Outside a graph the layer itself is called.
    """

    def __init__(self, layer: keras.layers.Layer, generator: keras.random.SeedGenerator):
        """`layer`: any one of the layers; `generator`: the one that their dropouts draw from."""
        self._layer = layer
        self._generator = generator
        # If the function were inlined, TensorFlow would optimise every call separately after all.
        self._traced = tf.function(self._stateless, autograph=False, experimental_attributes={"_noinline": True})

    def __call__(self, layer: keras.layers.Layer, *inputs: Any, training: bool) -> Any:
        """Return the outputs of `layer(*inputs, training=training)`."""
        if not tf.inside_function():
            return layer(*inputs, training=training)
        weights = [tf.convert_to_tensor(weight.value) for weight in layer.weights]
        state = tf.convert_to_tensor(self._generator.state.value)
        outputs, state = self._traced(weights, state, *inputs, training=training)
        if training:
            self._generator.state.assign(state)
        return outputs

    def _stateless(self, weights: list[tf.Tensor], state: tf.Tensor, *inputs: Any, training: bool) -> Any:
        values = [*zip(self._layer.weights, weights, strict=True), (self._generator.state, state)]
        with keras.StatelessScope(state_mapping=values) as scope:
            outputs = self._layer(*inputs, training=training)
        return outputs, scope.get_current_value(self._generator.state)
