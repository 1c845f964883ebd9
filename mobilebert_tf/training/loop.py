"""The one training loop: pre-training, transfer, distillation and fine-tuning all run here.

A stage is described by what it minimises (an objective), what it may change
(variables), how (optimizer, schedule) and on what (batches). The loop adds what all of
them need: several steps per call, clipping, checkpoints, logs, a progress bar, and an
exact restart. Batch i depends on the seed and i alone, and a checkpoint holds weights,
moments and the dropout generators; so a run that is killed and started again makes the
same updates as one that was not.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mobilebert_tf.errors import FailedError
from mobilebert_tf.training.checkpoints import Checkpoints
from mobilebert_tf.training.log import TrainingLog
from mobilebert_tf.training.optimizers import Optimizer, OptimizerOptions
from mobilebert_tf.training.progress import Progress
from mobilebert_tf.training.schedules import Schedule
from mobilebert_tf.training.stopping import StopRequest

Objective = Callable[[Mapping[str, tf.Tensor]], dict[str, tf.Tensor]]
"""Batch -> scalars by name; "loss" is minimised, the others are logged."""

Batches = Callable[[int], tf.data.Dataset]
"""Start step -> the batches from that step on."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """How often the loop does what does not change its result."""

    steps_per_call: int = 10
    """Steps that run inside one call of the compiled function."""
    checkpoint_every: int = 200
    """Steps between checkpoints, rounded up to whole calls."""
    keep_checkpoints: int = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """One stretch of training with one objective."""

    name: str
    index: int
    steps: int
    batch_size: int
    """Examples per step, over all replicas."""
    schedule: Schedule
    optimizer: OptimizerOptions = OptimizerOptions()


def set_up(seed: int) -> None:
    """Make everything random in this process follow `seed`, and every op deterministic."""
    import keras

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    if not tf.config.list_physical_devices("GPU"):
        # On a processor TensorFlow's graph rewriter costs more than half of the time to the
        # first step (the 24-layer student: 10.6 s of CPU time with it, 5.0 s without) and
        # makes no step faster: oneDNN's own pass, which fuses, comes after it.
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def train(
    stage: Stage,
    objective: Objective,
    trainable: Sequence[Any],
    state: Sequence[Any],
    batches: Batches,
    directory: Path,
    options: LoopOptions,
    factors: Sequence[float] | None = None,
) -> None:
    """Run `stage` to its end, from its last checkpoint if there is one.

    Args:
      stage: what to do.
      objective: called in `strategy.run` with one replica's batch.
      trainable: Keras variables that the optimizer changes.
      state: all Keras variables that the stage may change, dropout generators too.
      batches: gives the data from a step on.
      directory: the run's; checkpoints, log and TensorBoard events go below it.
      options: see there.
      factors: of the learning rate, one for each of `trainable`; 1 if left out.

    Raises:
      FailedError: the loss is not finite (nothing after the last checkpoint is kept),
        or a signal asked to stop (everything is kept).
      UsageError: a checkpoint is damaged.
    """
    strategy = tf.distribute.get_strategy()
    with strategy.scope():
        optimizer = Optimizer(stage.optimizer, trainable, factors)
    checkpoints = Checkpoints(
        directory / "checkpoints" / f"{stage.index:02}-{stage.name}",
        {"state": [v.value for v in state], "first": optimizer.first, "second": optimizer.second},
        options.keep_checkpoints,
    )
    done = checkpoints.restore()
    if done >= stage.steps:
        return
    log = TrainingLog(directory)
    log.rewind(stage.index, done)
    run_steps = compile_stage(stage, objective, trainable, optimizer, strategy)
    iterator = iter(strategy.experimental_distribute_dataset(batches(done)))
    # The last save must not fall into a call, so saves happen at whole calls.
    save_every = math.ceil(options.checkpoint_every / options.steps_per_call) * options.steps_per_call
    progress = Progress(stage.name, stage.steps, done)
    with StopRequest() as stop:
        while done < stage.steps:
            # Calls end at multiples of steps_per_call even after a stop in between, so
            # that a resumed run logs at the same steps as an undisturbed one.
            count = min(options.steps_per_call - done % options.steps_per_call, stage.steps - done)
            began = time.monotonic()
            history = {name: values.numpy() for name, values in run_steps(iterator, done, count).items()}
            _stop_if_not_finite(stage, done, history["loss"], directory)
            done += count
            means = {name: float(values.mean()) for name, values in history.items()}
            rate = count / (time.monotonic() - began)
            log.write(stage.name, stage.index, done, {**means, "steps_per_second": rate})
            progress.update(done, means["loss"])
            if done % save_every == 0 or done == stage.steps or stop.signal:
                checkpoints.save(done)
            if stop.signal and done < stage.steps:
                progress.close()
                raise FailedError(
                    f"stopped by {stop.signal} at step {done} of {stage.steps} ({stage.name}); saved, "
                    "the same command goes on from there"
                )
    progress.close()
    log.close()


def compile_stage(
    stage: Stage, objective: Objective, trainable: Sequence[Any], optimizer: Optimizer, strategy: tf.distribute.Strategy
) -> Callable[..., dict[str, tf.Tensor]]:
    """The compiled function (iterator, first step, count) -> every step's scalars."""
    variables = [v.value for v in trainable]

    def one_step(batch: Mapping[str, tf.Tensor], step: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            scalars = objective(batch)
            loss = scalars["loss"] / strategy.num_replicas_in_sync
        gradients = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        replica = tf.distribute.get_replica_context()
        if strategy.num_replicas_in_sync > 1:
            gradients = replica.all_reduce(tf.distribute.ReduceOp.SUM, [tf.convert_to_tensor(g) for g in gradients])
        learning_rate = stage.schedule.at(step)
        norm = optimizer.apply(gradients, learning_rate, step)
        return {**scalars, "learning_rate": learning_rate, "gradient_norm": norm}

    def one_step_everywhere(iterator: Any, step: tf.Tensor) -> dict[str, tf.Tensor]:
        scalars = strategy.run(one_step, args=(next(iterator), step))
        return {name: strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None) for name, value in scalars.items()}

    @tf.function(autograph=False, reduce_retracing=True)
    def run_steps(iterator: Any, first: tf.Tensor, count: tf.Tensor) -> dict[str, tf.Tensor]:
        names: list[str] = []

        def body(i: tf.Tensor, history: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
            scalars = one_step_everywhere(iterator, first + tf.cast(i, tf.int64))
            names[:] = sorted(scalars)
            row = tf.stack([tf.cast(scalars[name], tf.float32) for name in names])
            return i + 1, history.write(i, row)

        history = tf.TensorArray(tf.float32, size=count, element_shape=[None])
        _, history = tf.while_loop(lambda i, _: i < count, body, (0, history), parallel_iterations=1)
        return dict(zip(names, tf.unstack(tf.transpose(history.stack()), num=len(names)), strict=True))

    def call(iterator: Any, first: int, count: int) -> dict[str, tf.Tensor]:
        return run_steps(iterator, tf.constant(first, tf.int64), tf.constant(count, tf.int32))

    return call


def _stop_if_not_finite(stage: Stage, first: int, losses: np.ndarray, directory: Path) -> None:
    bad = np.flatnonzero(~np.isfinite(losses))
    if not len(bad):
        return
    step = first + int(bad[0])
    begin = step * stage.batch_size
    raise FailedError(
        f"{stage.name}: the loss is {losses[bad[0]]} at step {step + 1} of {stage.steps} (batch of examples {begin} to "
        f"{begin + stage.batch_size - 1} in this run's order); {directory} keeps what was saved before. "
        "Try a smaller learning rate in a new --output"
    )
