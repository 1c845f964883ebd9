"""The one training loop: pre-training, transfer, distillation and fine-tuning all run here.

A stage is described by its objective, the variables that it trains, its optimizer and
schedule, and its batches. The loop adds what all stages need: several steps per call,
clipping, checkpoints, logs, a progress bar, and an exact restart. Batch i depends only on
the seed and i, and a checkpoint holds weights, moments and the dropout generators; so a
run that is killed and started again makes the same updates as one that was not.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mobilebert_tf.errors import DivergedError, FailedError, UsageError
from mobilebert_tf.training.best import Best
from mobilebert_tf.training.checkpoints import Checkpoints
from mobilebert_tf.training.journal import Journal
from mobilebert_tf.training.log import TrainingLog
from mobilebert_tf.training.optimizers import Moments, Optimizer
from mobilebert_tf.training.progress import Progress
from mobilebert_tf.training.replicas import count_workers, require_same
from mobilebert_tf.training.slices import WEIGHT, in_slices
from mobilebert_tf.training.stage import Stage
from mobilebert_tf.training.stopping import StopRequest

Objective = Callable[[Mapping[str, tf.Tensor]], dict[str, tf.Tensor]]
"""Batch -> scalars by name; "loss" is minimised, the others are logged."""

Batches = Callable[[int], tf.data.Dataset]
"""First step -> the batches from that step on."""

Measurement = Callable[[], dict[str, float]]
"""Function that measures the current model on text it does not train on, and returns scalars by name."""


HELD_OUT = "held_out/"
"""Prefix of the names of measurements in the rows of a log."""


@dataclasses.dataclass(frozen=True)
class Snapshots:
    """Steps of a stage after which the current model is written, to be scored or used on its own."""

    steps: frozenset[int]
    """Steps of the stage, each rounded up to whole calls."""
    write: Callable[[int], None]
    """Function that writes the model; it is called with the step."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """Devices and processes of the loop, and how often it saves and measures, which does not change its updates."""

    steps_per_call: int = 10
    """Steps that run inside one call of the compiled function."""
    checkpoint_every: int = 200
    """Steps between checkpoints, rounded up to whole calls."""
    keep_checkpoints: int = 2
    measure_every: int = 1000
    """Steps between measurements on held-out text, rounded up to whole calls."""
    strategy: tf.distribute.Strategy = dataclasses.field(default_factory=tf.distribute.get_strategy)
    """Strategy of the replicas. `train` is called outside its scope: code that only the writing process runs must
    not create variables in the scope, because all workers would have to create them."""
    slices: int = 1
    """Number of parts in which a batch is computed, one after another, to need only the memory of one part."""
    writes: bool = True
    """Whether this process writes checkpoints and logs; of several that train one model only one does."""

    def whole_calls(self, steps: int) -> int:
        """`steps` rounded up to whole calls: nothing can be done in the middle of a call."""
        return math.ceil(steps / self.steps_per_call) * self.steps_per_call


def set_up(seed: int) -> None:
    """Seed all random generators of this process with `seed`, and make every op deterministic."""
    import keras

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    if not tf.config.list_physical_devices("GPU"):
        # On a CPU, TensorFlow's graph rewriter takes more than half of the time to the first
        # step (24-layer student: 10.6 s of CPU time with it, 5.0 s without) and makes no step
        # faster: oneDNN's own pass, which fuses operations, runs after it.
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
    measure: Measurement | None = None,
    moments: Moments | None = None,
    snapshots: Snapshots | None = None,
    best: Best | None = None,
    is_followed: bool = False,
    measures_first: bool | None = None,
) -> Optimizer:
    """Run `stage` to its end, from its last checkpoint if there is one.

    Args:
      stage: its steps, batch size, schedule and optimizer.
      objective: called in `strategy.run` with one replica's batch.
      trainable: Keras variables that the optimizer changes.
      state: all Keras variables that the stage may change, including dropout generators.
      batches: function that returns the batches from a step on.
      directory: that of the run; checkpoints, log, journal and TensorBoard events go below it.
      options: devices, and steps between saves and measurements.
      factors: of the learning rate, one for each of `trainable`; None: 1 for all.
      measure: its scalars are logged as `held_out/...` every `measure_every` steps and at the end of the stage.
      moments: those of earlier stages, to begin with; None: zeros.
      snapshots: written by the one process that writes.
      best: receives every measurement of the stage and may end it early. Its weights are not restored here.
      is_followed: whether another stage comes after this one; a signal then stops the run before that stage.
      measures_first: whether to measure before the first step too; None: in the first stage alone, since a later one
        begins where the measurement at the end of the stage before was made.

    Returns:
      The optimizer in its state after the stage.

    Raises:
      DivergedError: the loss is not finite; nothing after the last checkpoint is kept.
      FailedError: a signal stopped the run; all steps are saved.
      UsageError: a checkpoint is damaged, has more steps than the stage, or is not the one that other workers found.
    """
    strategy = options.strategy
    with strategy.scope():
        optimizer = Optimizer(stage.optimizer, trainable, factors, moments)
    checkpoints = Checkpoints(
        directory / "checkpoints" / stage.directory,
        {
            "state": [v.value for v in state],
            "first": optimizer.first,
            "second": optimizer.second,
            **({"best": best.variables} if best else {}),
        },
        options.keep_checkpoints,
        # A resumed run may start to keep the best weights, although its checkpoint knows of none.
        added_later=["best"],
    )
    done = checkpoints.restore()
    with _all_workers(stage, strategy):
        fix = f"--output={directory} is not the same directory for both; give one that all workers share"
        require_same(strategy, {"stage": stage.name, "step": done}, fix)
    if best:
        best.resume()
    if done > stage.steps:
        raise UsageError(
            f"{directory}: {stage.name} has done {done:,} steps, more than the {stage.steps:,} asked for; ask for "
            "at least as many, or give another --output"
        )
    if done < stage.steps and not (best and best.is_exhausted):
        run_steps = compile_stage(stage, objective, trainable, optimizer, strategy, options.slices)
        first = stage.index == 0 if measures_first is None else measures_first
        run = _Run(stage, directory, options, checkpoints, measure, snapshots, best, is_followed, first)
        run.from_step(done, lambda: iter(_shares(strategy, batches(done))), run_steps)
    return optimizer


@dataclasses.dataclass(frozen=True)
class _Run:
    """The part of a stage that is not done yet."""

    stage: Stage
    directory: Path
    options: LoopOptions
    checkpoints: Checkpoints
    measure: Measurement | None
    snapshots: Snapshots | None
    best: Best | None
    is_followed: bool
    measures_first: bool

    def from_step(self, done: int, iterator: Callable[[], Any], run_steps: Callable[..., Any]) -> None:
        stage, options = self.stage, self.options
        log, journal = TrainingLog(self.directory, options.writes), Journal(self.directory, options.writes)
        log.rewind(stage.index, done)
        journal.note("resumed" if done else "begun", stage, done)
        if done and options.writes:
            print(f"  {stage.name}: continues at step {done} of {stage.steps}", file=sys.stderr)
        progress, batches = Progress(stage.name, stage.steps, done, options.writes), iterator()
        if done == 0 and self.measures_first:
            measured = self._held_out(progress)
            if self.best:
                self.best.saw(0, measured)
            log.write(stage, 0, _prefixed(measured))
        save_every, measure_every = (options.whole_calls(n) for n in (options.checkpoint_every, options.measure_every))
        is_last = is_better = False
        with StopRequest() as stop:
            while not is_last:
                # Calls end at multiples of steps_per_call even after a stop in between, so
                # that a resumed run logs at the same steps as an undisturbed one.
                count = min(options.steps_per_call - done % options.steps_per_call, stage.steps - done)
                began = time.monotonic()
                with _all_workers(stage, options.strategy):
                    history = {name: values.numpy() for name, values in run_steps(batches, done, count).items()}
                    asked_to_stop = count_workers(options.strategy, stop.signal is not None)
                _stop_if_not_finite(stage, done, history["loss"], self.directory)
                done += count
                row = {name: float(values.mean()) for name, values in history.items()}
                row["steps_per_second"] = count / (time.monotonic() - began)
                is_last, is_better = done == stage.steps, False
                if done % measure_every == 0 or is_last:
                    measured = self._held_out(progress, done)
                    row |= _prefixed(measured)
                    is_better = self.best.saw(done, measured) if self.best and measured else False
                    is_last = is_last or self._ends_early()
                log.write(stage, done, row)
                progress.update(done, row["loss"], row.get("word_pieces"))
                self._write_snapshot(done)
                # All workers stop at the same step; a signal since the count above waits for the next call.
                stopped_by = (stop.signal or "another worker") if asked_to_stop else None
                # Also when the best weights were written, so that a resumed run finds none newer than its checkpoint.
                if done % save_every == 0 or is_last or is_better or stopped_by:
                    if options.writes:
                        self.checkpoints.save(done)
                    journal.note("done" if is_last else "stopped" if stopped_by else "saved", stage, done)
                if is_last and self.is_followed and not stopped_by:  # signals during the measurement and the save
                    asked_to_stop = count_workers(options.strategy, stop.signal is not None)
                    stopped_by = (stop.signal or "another worker") if asked_to_stop else None
                if stopped_by and (self.is_followed or not is_last):
                    progress.close()
                    raise FailedError(
                        f"stopped by {stopped_by} at step {done} of {stage.steps} ({stage.name}); saved, "
                        "the same command goes on from there"
                    )
        progress.close()
        log.close()

    def _write_snapshot(self, done: int) -> None:
        """Write the snapshot of step `done`, if there is to be one.

        It comes before the checkpoint of the step: a run that is killed between the two writes the snapshot again.
        """
        if self.snapshots and self.options.writes:
            if done in {min(self.options.whole_calls(step), self.stage.steps) for step in self.snapshots.steps}:
                self.snapshots.write(done)

    def _ends_early(self) -> bool:
        """Whether the measurements, which only one process makes, end the stage for all workers."""
        if not self.best or self.best.patience is None:
            return False
        with _all_workers(self.stage, self.options.strategy):
            return count_workers(self.options.strategy, self.best.is_exhausted) > 0

    def _held_out(self, progress: Progress, done: int = 0) -> dict[str, float]:
        """The measurements on held-out text; none in a process that does not write."""
        if not self.measure or not self.options.writes:
            return {}
        values = self.measure()
        progress.measured(done, values)
        return values


def _prefixed(measured: Mapping[str, float]) -> dict[str, float]:
    return {f"{HELD_OUT}{name}": value for name, value in measured.items()}


@contextlib.contextmanager
def _all_workers(stage: Stage, strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Report a worker that is lost, while the block needs an answer from all of them, in one clear line."""
    try:
        yield
    except tf.errors.OpError as error:
        if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            raise
        if isinstance(error, tf.errors.DataLossError):  # this worker's own error: a damaged record
            raise
        raise FailedError(
            f"{stage.name}: another worker no longer answers; its own last lines say why; run the same command "
            "on all workers again, and they continue from the last checkpoint"
        ) from None


def _shares(strategy: tf.distribute.Strategy, batches: tf.data.Dataset) -> Any:
    """Each replica's part of every batch.

    All workers read the same batches and take their own rows, so that the data do not depend on their number.
    """
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return strategy.experimental_distribute_dataset(batches.with_options(options))


def compile_stage(
    stage: Stage,
    objective: Objective,
    trainable: Sequence[Any],
    optimizer: Optimizer,
    strategy: tf.distribute.Strategy,
    slices: int = 1,
) -> Callable[..., dict[str, tf.Tensor]]:
    """The compiled function (iterator, first step, count) -> scalars of every step.

    Raises:
      UsageError: a batch cannot be divided equally among the slices of all replicas.
    """
    variables = [v.value for v in trainable]
    if stage.batch_size % (slices * strategy.num_replicas_in_sync):
        raise UsageError(
            f"{stage.name}: a batch of {stage.batch_size} cannot be divided into {slices} equal parts on "
            f"{strategy.num_replicas_in_sync} devices"
        )

    def of_part(batch: Mapping[str, tf.Tensor]) -> tuple[dict[str, tf.Tensor], list[tf.Tensor]]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            scalars = objective(batch)
            loss = scalars["loss"] / strategy.num_replicas_in_sync
        gradients = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return scalars, gradients

    def one_step(batch: Mapping[str, tf.Tensor], step: tf.Tensor) -> dict[str, tf.Tensor]:
        scalars, gradients = of_part(batch) if slices == 1 else in_slices(of_part, batch, slices)
        replica = tf.distribute.get_replica_context()
        if strategy.num_replicas_in_sync > 1:
            gradients = replica.all_reduce(tf.distribute.ReduceOp.SUM, [tf.convert_to_tensor(g) for g in gradients])
        learning_rate = stage.schedule.at(step)
        norm = optimizer.apply(gradients, learning_rate, step)
        figures = {"learning_rate": learning_rate, "gradient_norm": norm}
        if "input_mask" in batch:  # times the replicas, so that their mean is the number of the whole batch
            figures["word_pieces"] = tf.reduce_sum(batch["input_mask"]) * strategy.num_replicas_in_sync
        return {name: value for name, value in {**scalars, **figures}.items() if name != WEIGHT}

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
    raise DivergedError(
        f"{stage.name}: the loss is {losses[bad[0]]} at step {step + 1} of {stage.steps} (batch of examples {begin} to "
        f"{begin + stage.batch_size - 1} in this run's order); {directory} keeps what was saved before. "
        "Try a smaller learning rate in a new --output"
    )
