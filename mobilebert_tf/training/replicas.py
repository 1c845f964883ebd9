"""What the copies of a model that train together, and the processes they are in, have to agree on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mobilebert_tf.errors import UsageError
from mobilebert_tf.training import cluster


def mean_over_replicas(x: Any) -> Any:
    """The mean of every replica's scalar `x`; `x` itself where there is one replica or none is running.

    A masked mean of a batch is not the mean of its halves' masked means: they count differently many
    tokens. With the count averaged over replicas first, the mean of the parts is that of the whole.
    """
    replica = tf.distribute.get_replica_context()
    if replica is None or replica.num_replicas_in_sync == 1:
        return x
    return replica.all_reduce(tf.distribute.ReduceOp.MEAN, x)


def count_workers(strategy: tf.distribute.Strategy, answer: bool) -> int:
    """How many worker processes answer yes. All of them have to ask: whoever comes first waits."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return int(answer)

    def ask() -> tf.Tensor:
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tf.constant(float(answer)))

    # A worker with several devices answers once for each of them.
    answers = strategy.experimental_local_results(strategy.run(ask))
    return round(float(answers[0])) // len(answers)


def require_same(strategy: tf.distribute.Strategy, facts: Mapping[str, Any], fix: str) -> None:
    """Compare what the worker processes have. All of them have to call this: whoever comes first waits.

    Args:
      facts: values that JSON can hold, by name.
      fix: what is wrong where they differ, and how to mend it.

    Raises:
      UsageError: in every worker, if one of them has other facts than the chief.
    """
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
        return
    names = [name for name, _ in cluster.from_environment().places]
    chiefs, *others = (json.loads(text) for text in gather(strategy, json.dumps(facts)))
    for name, found in zip(names[1:], others, strict=True):
        if different := [fact for fact in {**chiefs, **found} if chiefs.get(fact) != found.get(fact)]:
            theirs, expected = (
                ", ".join(f"{fact} {_show(values.get(fact))}" for fact in different) for values in (found, chiefs)
            )
            raise UsageError(f"{name} has {theirs}, but {names[0]} has {expected}: {fix}")


def gather(strategy: tf.distribute.MultiWorkerMirroredStrategy, line: str) -> list[str]:
    """The line of each worker process, the chief's first."""
    numbers = np.frombuffer(f"{line}\n".encode(), np.uint8).astype(np.float32)

    def of_all() -> tf.Tensor:
        return tf.distribute.get_replica_context().all_gather(tf.constant(numbers), axis=0)

    gathered = strategy.experimental_local_results(strategy.run(of_all))
    # As in `count_workers`: a line for each device.
    return np.asarray(gathered[0]).astype(np.uint8).tobytes().decode().splitlines()[:: len(gathered)]


def _show(value: Any) -> str:
    return "left out" if value is None else f"{value}"
