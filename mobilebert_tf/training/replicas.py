"""What the copies of a model that train together, and the processes they are in, have to agree on."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


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
