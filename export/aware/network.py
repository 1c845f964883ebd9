"""A Keras classifier as the network of its file, on the file's grid: for fine-tuning, and to compare the file with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mobilebert_tf.data.progress import track
from mobilebert_tf.errors import UsageError
from mobilebert_tf.export.aware.products import QuantizedProducts
from mobilebert_tf.export.aware.stored import Trained
from mobilebert_tf.export.aware.training_graph import Plan, TrainingGraph, grids_of, stacked
from mobilebert_tf.export.recipes import Recipe, check_layers
from mobilebert_tf.export.rewrite import graph
from mobilebert_tf.export.rewrite.batch import Batch
from mobilebert_tf.export.rewrite.network import Network, map_arrays
from mobilebert_tf.export.rewrite.norms import find_breaks
from mobilebert_tf.export.rewrite.read import read_network, variables
from mobilebert_tf.export.rewrite.rules import rewrite
from mobilebert_tf.models import ClassificationModel, TaskModel
from mobilebert_tf.tasks.task import INPUTS, concatenated, real_only

_INPUTS = [tf.TensorSpec([None, None], tf.int32)] * len(INPUTS)
_BATCH = 32


@dataclasses.dataclass(frozen=True, kw_only=True)
class Averaging:
    """Update rule of the ranges: they grow at once if a batch exceeds them, and shrink as moving averages.

    Averages in both directions would clip rare values, and with them the logits of rare texts.
    """

    decay: float = 0.99
    """Weight of the old range at each step; the rest is the batch's."""
    steps: int
    """Number of steps after which ranges stay fixed, so that the weights can adapt to them."""

    def after(self, ranges: Any, seen: Any) -> Any:
        """The ranges [2, S], least and largest values, after a batch with the ranges `seen`."""
        lows, highs = tf.unstack(ranges + (1.0 - self.decay) * (seen - ranges))
        return tf.stack([tf.minimum(lows, seen[0]), tf.maximum(highs, seen[1])])


class QuantizedNetwork:
    """`model` after all rewrites, with weights and activations rounded by the rules of `recipe`.

    The weights are the Keras model's own variables: the rewrites are part of every step, and gradients pass through
    them to gammas, betas, kernels and tables. There is no dropout. The one decision of a rewrite that depends on values
    of weights, where streams start again, is made once, from the initial weights.

    Args:
      model: fine-tuned classifier without LayerNorm.
      recipe: recipe from `recipe.find_recipe`.
      length: longest T in word pieces.

    Attributes:
      state: Keras variables that `answer` changes in training.

    Raises:
      UsageError: the model has LayerNorm, or layers and rules do not fit.
    """

    def __init__(self, model: ClassificationModel, recipe: Recipe, length: int):
        if model.config.normalization_type != "no_norm":
            raise UsageError(
                f"the model has {model.config.normalization_type}, whose gammas the converter may move from one "
                "product to another; quantisation-aware fine-tuning needs no_norm"
            )
        self.length = length
        self.breaks = find_breaks(read_network(model))
        self._variables = variables(model)
        self._plan = Plan(recipe, (), {})
        # Traced here because sites are only known after a pass through the network.
        self._look = tf.function(self._looked_at, autograph=False).get_concrete_function(*_INPUTS)
        ranges = np.zeros((2, len(self._plan.sites)), np.float32)
        self._ranges = keras.Variable(ranges, trainable=False, name="ranges")
        self._steps = keras.Variable(0, trainable=False, dtype="int32", name="steps")
        self.state = [self._ranges, self._steps]

    @property
    def trained(self) -> Trained:
        """The recipe, current ranges and breaks of the network."""
        pairs = zip(*np.asarray(self._ranges).tolist(), strict=True)
        ranges = dict(zip(self._plan.sites, pairs, strict=True))
        return Trained(recipe=self._plan.recipe, ranges=ranges, breaks=self.breaks)

    def calibrate(self, batches: Iterable[Mapping[str, Any]], count: int) -> None:
        """Set the ranges to those of float32 arithmetic on these `count` batches."""
        ranges = []
        for batch in track(batches, "calibrating", "batches", count):
            ranges.append(self._look(*(tf.cast(batch[name], tf.int32) for name in INPUTS)).numpy())
        lows, highs = zip(*ranges, strict=True)
        self._ranges.assign(np.stack([np.min(lows, axis=0), np.max(highs, axis=0)]))

    def answer(self, batch: Mapping[str, Any], averaging: Averaging) -> Any:
        """The Keras model's answer in training, for `input_ids`, `input_mask`, `segment_ids` [B, T]; updates the
        ranges."""
        ranges, steps = tf.convert_to_tensor(self._ranges.value), tf.convert_to_tensor(self._steps.value)
        network = self._tensors()
        layout = Batch(batch["input_mask"], network.mask)
        training = TrainingGraph(network, self.length, self.breaks, layout, self._plan, ranges)
        answer = training.answer(*(batch[name] for name in INPUTS))
        self._ranges.assign(tf.where(steps < averaging.steps, averaging.after(ranges, training.seen), ranges))
        self._steps.assign(steps + 1)
        return answer if len(answer) > 1 else next(iter(answer.values()))

    def _looked_at(self, *inputs: Any) -> Any:
        products = QuantizedProducts(self._plan.recipe, None, looks=True)
        batch_answer(rewrite(self._tensors(), self.length, breaks=self.breaks), inputs, products)
        check_layers(self._plan.recipe, products.results)
        if not products.seen:
            raise UsageError(f"recipe {self._plan.recipe.name}: leaves no layer with static activations")
        self._plan = Plan(self._plan.recipe, tuple(products.seen), products.rules)
        return stacked(products.seen, self._plan.sites)

    def _tensors(self) -> Network:
        return map_arrays(self._variables, lambda variable: tf.convert_to_tensor(variable.value))


def batch_answer(network: Network, inputs: Sequence[Any], products: graph.Products) -> dict[str, Any]:
    """The answer, float32 [B, ...] by output, for int32 [B, T] in the order of INPUTS."""
    ids, mask, segments = inputs
    return graph.answer(network, ids, mask, segments, Batch(mask, network.mask), products)


def quantized_outputs(
    model: TaskModel,
    trained: Trained,
    length: int,
    features: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """The outputs, float32 [R, ...] by name, that a file of `model` for at most `length` word pieces computes from
    features [R, T].

    The weights are constants, which TensorFlow can fold. With 24 layers of random weights, a file's logits equal these
    for 63 of 64 texts, those of `QuantizedAnswers` for 56: near the middle of two steps numbers may round either way.
    """
    network = map_arrays(_rewritten(model, trained, length), lambda array: tf.constant(array, tf.float32))
    return _in_batches(_answer(trained, lambda: (network, tf.constant(_ranges(trained), tf.float32))), features)


class QuantizedAnswers:
    """`quantized_outputs` for repeated calls while weights and ranges change: its graph is traced only once."""

    def __init__(self, model: TaskModel, trained: Trained, length: int):
        self._model, self._length = model, length
        # Variables, because a traced graph reads them anew at each call.
        network = map_arrays(
            _rewritten(model, trained, length), lambda array: tf.Variable(array, False, dtype=tf.float32)
        )
        ranges = tf.Variable(_ranges(trained), False, dtype=tf.float32)
        self._variables = [*_arrays(network), ranges]
        self._answer = _answer(
            trained, lambda: (map_arrays(network, lambda weight: weight.read_value()), ranges.read_value())
        )

    def __call__(self, trained: Trained, features: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The outputs, float32 [R, ...] by name, with the model's current weights and the ranges of `trained`."""
        arrays = [*_arrays(_rewritten(self._model, trained, self._length)), _ranges(trained)]
        for variable, array in zip(self._variables, arrays, strict=True):
            variable.assign(array)
        return _in_batches(self._answer, features)


def _rewritten(model: TaskModel, trained: Trained, length: int) -> Network:
    # In float64, as for a file: after folding in float32, one weight in 100,000 rounds to the neighbouring step.
    return rewrite(read_network(model), length, breaks=trained.breaks)


def _answer(trained: Trained, given: Callable[[], tuple[Network, Any]]) -> Callable[..., Mapping[str, Any]]:
    """A traced function from int32 [B, T] in the order of INPUTS to outputs.

    `given` returns network and ranges [2, S], and is called while the graph is traced.
    """
    plan = Plan(trained.recipe, tuple(trained.ranges), {})

    @tf.function(input_signature=_INPUTS, autograph=False)
    def answer(*inputs: Any) -> dict[str, Any]:
        network, ranges = given()
        return batch_answer(network, inputs, QuantizedProducts(trained.recipe, grids_of(plan, ranges)))

    return answer


def _in_batches(answer: Callable[..., Mapping[str, Any]], features: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    starts = range(0, len(features["input_ids"]), _BATCH)
    batches = ([features[name][start : start + _BATCH].astype(np.int32) for name in INPUTS] for start in starts)
    parts = [{name: values.numpy() for name, values in answer(*batch).items()} for batch in batches]
    return real_only(concatenated(parts), features["input_mask"])


def _arrays(network: Network) -> list[Any]:
    arrays: list[Any] = []
    map_arrays(network, arrays.append)
    return arrays


def _ranges(trained: Trained) -> np.ndarray:
    """The ranges [2, S]: least and largest values."""
    return np.array(list(zip(*trained.ranges.values(), strict=True)))
