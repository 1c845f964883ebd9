"""AdamW and LAMB, written so that a model of a thousand variables starts in seconds.

A stock Keras optimizer adds forty-odd graph operations per variable; at MobileBERT's
1,113 variables that is most of the time to the first step. AdamW here is one fused
kernel per variable (two more operations where it decays). Variables are written
through their handles, which inside `tf.distribute.Strategy.run` are the replica's own;
gradients arrive summed over replicas, so that all replicas compute the same update.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mobilebert_tf.training.stage import OptimizerOptions

NOT_DECAYED = ("bias", "gamma", "beta")
"""Variables with these names are neither decayed nor layer-adapted: biases and norms."""


class Optimizer:
    """First and second moments of a list of variables, and the update of one step."""

    def __init__(
        self,
        options: OptimizerOptions,
        variables: Sequence[Any],
        factors: Sequence[float] | None = None,
        moments: Moments | None = None,
    ):
        """
        Args:
          variables: Keras variables; their order is the order of the gradients.
          factors: of the learning rate, one a variable; 1 for all if left out.
          moments: to begin with, for the variables that it knows; zeros for the others.
        """
        self.options = options
        self.factors = [1.0] * len(variables) if factors is None else list(factors)
        self.paths = [v.path for v in variables]
        self.variables = [v.value for v in variables]
        self.decayed = [v.path.rsplit("/", 1)[-1] not in NOT_DECAYED for v in variables]
        self.first = [tf.Variable(tf.zeros(v.shape), trainable=False) for v in self.variables]
        self.second = [tf.Variable(tf.zeros(v.shape), trainable=False) for v in self.variables]
        known = moments.values if moments else {}
        # The bias correction goes on where the moments stand.
        self.updates = [known[path].updates if path in known else 0 for path in self.paths]
        for path, first, second in zip(self.paths, self.first, self.second, strict=True):
            if path in known:
                first.assign(known[path].first)
                second.assign(known[path].second)

    def apply(self, gradients: Sequence[tf.Tensor], learning_rate: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Update every variable; `step` counts from 0. Returns the gradient's global norm before clipping."""
        # Gradients of tables come as rows; Adam moves the moments of all rows.
        dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
        norm = tf.linalg.global_norm(dense)
        most = self.options.clip_norm
        if most and self.options.clips_each_variable:
            dense = [gradient * (most / tf.maximum(tf.norm(gradient), most)) for gradient in dense]
        elif most:
            scale = most / tf.maximum(norm, most)
            dense = [gradient * scale for gradient in dense]
        kinds = list(zip(self.factors, self.updates, strict=True))
        scalars = {
            (factor, seen): self._scalars(learning_rate * factor, tf.cast(step + 1 + seen, tf.float32))
            for factor, seen in set(kinds)
        }
        update = {"adamw": self._adamw, "lamb": self._lamb}[self.options.name]
        for i, gradient in enumerate(dense):
            update(i, gradient, scalars[kinds[i]])
        return norm

    def _scalars(self, learning_rate: tf.Tensor, count: tf.Tensor) -> _Scalars:
        options = self.options
        beta_1, beta_2 = tf.constant(options.beta_1), tf.constant(options.beta_2)
        corrected = options.bias_correction
        return _Scalars(
            learning_rate=learning_rate,
            kept=1.0 - learning_rate * options.weight_decay,
            beta_1=beta_1,
            beta_2=beta_2,
            power_1=tf.pow(beta_1, count) if corrected else tf.constant(0.0),
            power_2=tf.pow(beta_2, count) if corrected else tf.constant(0.0),
            epsilon=tf.constant(options.epsilon),
        )

    def _adamw(self, i: int, gradient: Any, scalars: _Scalars) -> None:
        """Decoupled weight decay (Loshchilov and Hutter 2019), then Adam in one kernel."""
        variable = self.variables[i]
        if self.options.weight_decay and self.decayed[i]:
            kept = variable.read_value() * scalars.kept
            tf.raw_ops.AssignVariableOp(resource=variable.handle, value=kept)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self.first[i].handle,
            v=self.second[i].handle,
            beta1_power=scalars.power_1,
            beta2_power=scalars.power_2,
            lr=scalars.learning_rate,
            beta1=scalars.beta_1,
            beta2=scalars.beta_2,
            epsilon=scalars.epsilon,
            grad=gradient,
        )

    def _lamb(self, i: int, gradient: Any, scalars: _Scalars) -> None:
        """You et al. 2020, algorithm 2: Adam's direction plus decay, scaled to the variable's norm."""
        variable, rate = self.variables[i], scalars.learning_rate
        first = self.first[i].read_value() * scalars.beta_1 + gradient * (1.0 - scalars.beta_1)
        second = self.second[i].read_value() * scalars.beta_2 + tf.square(gradient) * (1.0 - scalars.beta_2)
        tf.raw_ops.AssignVariableOp(resource=self.first[i].handle, value=first)
        tf.raw_ops.AssignVariableOp(resource=self.second[i].handle, value=second)
        update = first / (1.0 - scalars.power_1) / (tf.sqrt(second / (1.0 - scalars.power_2)) + scalars.epsilon)
        if self.decayed[i]:
            value = variable.read_value()
            update += self.options.weight_decay * value
            weight_norm, update_norm = tf.norm(value), tf.norm(update)
            usable = tf.logical_and(weight_norm > 0.0, update_norm > 0.0)
            rate = rate * tf.where(usable, tf.math.divide_no_nan(weight_norm, update_norm), 1.0)
        _subtract(variable, rate * update)


@dataclasses.dataclass(frozen=True)
class Moment:
    """First and second moment of one variable, and how many updates they have seen."""

    first: np.ndarray
    second: np.ndarray
    updates: int


@dataclasses.dataclass(frozen=True)
class Moments:
    """Moments of variables by path, to take from one stage to the next."""

    values: Mapping[str, Moment] = dataclasses.field(default_factory=dict)

    def after(self, optimizer: Optimizer, steps: int) -> Moments:
        """These with those of an optimizer that has made `steps` updates."""
        found = zip(optimizer.paths, optimizer.first, optimizer.second, optimizer.updates, strict=True)
        new = {path: Moment(first.numpy(), second.numpy(), seen + steps) for path, first, second, seen in found}
        return Moments({**self.values, **new})


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Scalars:
    """The numbers of one step. Each is one node of the graph: given as a Python number to
    a thousand kernels it would be a thousand."""

    learning_rate: tf.Tensor
    kept: tf.Tensor
    """What weight decay leaves of a variable."""
    beta_1: tf.Tensor
    beta_2: tf.Tensor
    power_1: tf.Tensor
    power_2: tf.Tensor
    epsilon: tf.Tensor


def _subtract(variable: tf.Variable, value: tf.Tensor) -> None:
    tf.raw_ops.AssignSubVariableOp(resource=variable.handle, value=value)
