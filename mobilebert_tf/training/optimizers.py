"""AdamW and LAMB, written so that a model of a thousand variables starts in seconds.

A stock Keras optimizer adds forty-odd graph operations per variable; at MobileBERT's
1,113 variables that is most of the time to the first step. AdamW here is one fused
kernel per variable (two more operations where it decays), and LAMB is built on the same
kernel. Variables are written through their handles, which inside
`tf.distribute.Strategy.run` are the replica's own; gradients arrive summed over
replicas, so that all replicas compute the same update.
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
          factors: of the learning rate, one per variable; None: 1 for all.
          moments: initial moments of the variables that it contains; the others begin with zeros.
        """
        self.options = options
        self.factors = [1.0] * len(variables) if factors is None else list(factors)
        self.paths = [v.path for v in variables]
        self.variables = [v.value for v in variables]
        self.decayed = [v.path.rsplit("/", 1)[-1] not in NOT_DECAYED for v in variables]
        self.first = [tf.Variable(tf.zeros(v.shape), trainable=False) for v in self.variables]
        self.second = [tf.Variable(tf.zeros(v.shape), trainable=False) for v in self.variables]
        # LAMB scales a change by its norm before it applies it, so the kernel writes the change here.
        self.changes = {
            i: tf.Variable(tf.zeros(v.shape), trainable=False)
            for i, v in enumerate(self.variables)
            if options.name == "lamb" and self.decayed[i]
        }
        known = moments.values if moments else {}
        # The bias correction also counts the updates that the initial moments have seen.
        self.updates = [known[path].updates if path in known else 0 for path in self.paths]
        for path, first, second in zip(self.paths, self.first, self.second, strict=True):
            if path in known:
                first.assign(known[path].first)
                second.assign(known[path].second)

    def apply(self, gradients: Sequence[tf.Tensor], learning_rate: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Update every variable; `step` counts from 0. Returns the gradient's global norm before clipping."""
        # Gradients of tables come as rows, but Adam updates the moments of all rows.
        dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
        norms = _norms(dense)
        norm = tf.norm(norms)
        limit = self.options.clip_norm
        if limit and self.options.clips_each_variable:
            dense = [
                gradient * scale
                for gradient, scale in zip(dense, tf.unstack(limit / tf.maximum(norms, limit)), strict=True)
            ]
        elif limit:
            scale = limit / tf.maximum(norm, limit)
            dense = [gradient * scale for gradient in dense]
        kinds = list(zip(self.factors, self.updates, strict=True))
        scalars = {
            (factor, seen): self._scalars(learning_rate * factor, tf.cast(step + 1 + seen, tf.float32))
            for factor, seen in set(kinds)
        }
        per_variable = [scalars[kind] for kind in kinds]
        {"adamw": self._adamw, "lamb": self._lamb}[self.options.name](dense, per_variable)
        return norm

    def _scalars(self, learning_rate: tf.Tensor, count: tf.Tensor) -> _Scalars:
        options = self.options
        beta_1, beta_2, epsilon = (tf.constant(x) for x in (options.beta_1, options.beta_2, options.epsilon))
        corrected = options.bias_correction
        power_2 = tf.pow(beta_2, count) if corrected else tf.constant(0.0)
        return _Scalars(
            learning_rate=learning_rate,
            kept=1.0 - learning_rate * options.weight_decay,
            decay=tf.constant(-options.weight_decay),
            one=tf.constant(1.0),
            beta_1=beta_1,
            beta_2=beta_2,
            power_1=tf.pow(beta_1, count) if corrected else tf.constant(0.0),
            power_2=power_2,
            epsilon=epsilon,
            corrected_epsilon=epsilon * tf.sqrt(1.0 - power_2),
        )

    def _adamw(self, gradients: Sequence[Any], scalars: Sequence[_Scalars]) -> None:
        """Decoupled weight decay (Loshchilov and Hutter 2019), then Adam in one kernel."""
        for i, (variable, gradient, own) in enumerate(zip(self.variables, gradients, scalars, strict=True)):
            if self.options.weight_decay and self.decayed[i]:
                kept = variable.read_value() * own.kept
                tf.raw_ops.AssignVariableOp(resource=variable.handle, value=kept)
            self._adam(variable, i, gradient, own, own.learning_rate, own.epsilon)

    def _lamb(self, gradients: Sequence[Any], scalars: Sequence[_Scalars]) -> None:
        """LAMB (You et al. 2020, algorithm 2): Adam's direction plus decay, scaled to the variable's norm."""
        values, changes = [], []
        for i, (variable, gradient, own) in enumerate(zip(self.variables, gradients, scalars, strict=True)):
            if i in self.changes:
                change, value = self.changes[i], variable.read_value()
                tf.raw_ops.AssignVariableOp(resource=change.handle, value=value * own.decay)
                self._adam(change, i, gradient, own, own.one, own.corrected_epsilon)
                values.append(value)
                changes.append(change.read_value())
            else:
                self._adam(variable, i, gradient, own, own.learning_rate, own.corrected_epsilon)
        if not values:
            return
        weight_norms, change_norms = _norms(values), _norms(changes)
        usable = tf.logical_and(weight_norms > 0.0, change_norms > 0.0)
        ratios = tf.where(usable, tf.math.divide_no_nan(weight_norms, change_norms), 1.0)
        rates = tf.unstack(ratios * -tf.stack([scalars[i].learning_rate for i in self.changes]))
        for i, change, rate in zip(self.changes, changes, rates, strict=True):
            tf.raw_ops.ResourceApplyGradientDescent(var=self.variables[i].handle, alpha=rate, delta=change)

    def _adam(
        self, target: tf.Variable, i: int, gradient: Any, scalars: _Scalars, rate: tf.Tensor, epsilon: tf.Tensor
    ) -> None:
        """Update the moments of variable i, and subtract `rate` times Adam's direction from `target`."""
        tf.raw_ops.ResourceApplyAdam(
            var=target.handle,
            m=self.first[i].handle,
            v=self.second[i].handle,
            beta1_power=scalars.power_1,
            beta2_power=scalars.power_2,
            lr=rate,
            beta1=scalars.beta_1,
            beta2=scalars.beta_2,
            epsilon=epsilon,
            grad=gradient,
        )


@dataclasses.dataclass(frozen=True)
class Moment:
    """First and second moment of one variable, and the number of updates they have seen."""

    first: np.ndarray
    second: np.ndarray
    updates: int


@dataclasses.dataclass(frozen=True)
class Moments:
    """Moments of variables by path, to be carried from one stage to the next."""

    values: Mapping[str, Moment] = dataclasses.field(default_factory=dict)

    def after(self, optimizer: Optimizer, steps: int) -> Moments:
        """These moments, updated by those of an optimizer that has made `steps` updates."""
        states = zip(optimizer.paths, optimizer.first, optimizer.second, optimizer.updates, strict=True)
        new = {path: Moment(first.numpy(), second.numpy(), seen + steps) for path, first, second, seen in states}
        return Moments({**self.values, **new})


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Scalars:
    """The numbers of one step, each as a single node of the graph: as a Python number given
    to a thousand kernels it would become a thousand nodes."""

    learning_rate: tf.Tensor
    kept: tf.Tensor
    """Share of a variable that weight decay keeps."""
    decay: tf.Tensor
    one: tf.Tensor
    beta_1: tf.Tensor
    beta_2: tf.Tensor
    power_1: tf.Tensor
    power_2: tf.Tensor
    epsilon: tf.Tensor
    corrected_epsilon: tf.Tensor
    """Epsilon scaled for the kernel, which adds it to the root of the uncorrected second moment: the effect is that of
    epsilon added to the root of the corrected one."""


def _norms(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """The norm of each tensor, [len(tensors)]: each is read once, whereas tf.norm makes three passes."""
    return tf.sqrt(2.0 * tf.stack([tf.nn.l2_loss(tensor) for tensor in tensors]))
