"""Agreement between the replicas of a model that train together, and between their processes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mobilebert_tf.errors import UsageError
from mobilebert_tf.training import cluster


def mean_over_replicas(x: Any) -> Any:
    """The mean of the scalar `x` over all replicas; `x` itself with one replica, or outside of a replica.

    A masked mean of a batch is not the mean of its halves' masked means, because the halves have different numbers of
    tokens. If every part divides by the number averaged over replicas, the mean of the parts is that of the whole.
    """
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return x
    return replica.all_reduce(tf.distribute.ReduceOp.MEAN, x)


def count_workers(strategy: tf.distribute.Strategy, answer: bool) -> int:
    """Number of worker processes whose `answer` is true. All of them must call this; early ones wait for the others."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return int(answer)

    def ask() -> tf.Tensor:
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tf.constant(float(answer)))

    # A worker with several devices answers once for each of them.
    answers = strategy.experimental_local_results(strategy.run(ask))
    return round(float(answers[0])) // len(answers)


def require_same(strategy: tf.distribute.Strategy, facts: Mapping[str, Any], fix: str) -> None:
    """Check that all worker processes have the same facts. All of them must call this; early ones wait for the others.

    Args:
      facts: values that JSON can hold, by name.
      fix: end of the message if they differ: the cause, and the remedy.

    Raises:
      UsageError: in every worker, if one of them has other facts than the chief.
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return
    names = [name for name, _ in cluster.from_environment().places]
    chiefs, *others = (json.loads(text) for text in gather(strategy, json.dumps(facts)))
    for name, reported in zip(names[1:], others, strict=True):
        if different := [fact for fact in {**chiefs, **reported} if chiefs.get(fact) != reported.get(fact)]:
            actual, expected = (
                ", ".join(f"{fact} {_show(values.get(fact))}" for fact in different) for values in (reported, chiefs)
            )
            raise UsageError(f"{name} has {actual}, but {names[0]} has {expected}: {fix}")


def gather(strategy: tf.distribute.MultiWorkerMirroredStrategy, line: str) -> list[str]:
    """The line of each worker process, the chief's first."""
    numbers = np.frombuffer(f"{line}\n".encode(), np.uint8).astype(np.float32)

    def of_all() -> tf.Tensor:
        return tf.distribute.get_replica_context().all_gather(tf.constant(numbers), axis=0)

    gathered = strategy.experimental_local_results(strategy.run(of_all))
    # As in `count_workers`, a worker sends its line once for each of its devices.
    return np.asarray(gathered[0]).astype(np.uint8).tobytes().decode().splitlines()[:: len(gathered)]


def _show(value: Any) -> str:
    return "left out" if value is None else f"{value}"
