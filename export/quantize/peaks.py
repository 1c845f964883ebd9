"""The largest value in each channel of dense layers' inputs and results on real text, from which units are chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mobilebert_tf.export.rewrite import graph
from mobilebert_tf.export.rewrite.batch import Batch
from mobilebert_tf.export.rewrite.equalize import Peaks
from mobilebert_tf.export.rewrite.network import Dense, Network
from mobilebert_tf.tasks.task import INPUTS

BATCH = 16
"""Examples in one pass."""


def measure_peaks(network: Network, features: Mapping[str, np.ndarray]) -> dict[str, Peaks]:
    """Peaks of every dense layer, by name, over all examples `input_ids`, `input_mask`, `segment_ids` [n, T].

    Rows of padding do not count if no token reads them.

    Args:
      network: network of arrays; for `equalize`, one without joint layers, which have names of their own.
      features: examples of real text.
    """
    parts: list[dict[str, _Seen]] = []
    for start in range(0, len(features["input_ids"]), BATCH):
        ids, mask, segments = (tf.constant(features[name][start : start + BATCH], tf.int32) for name in INPUTS)
        looking = _Looking()
        # Run eagerly: tracing blocks with their weights as constants takes longer than computing a few batches.
        graph.answer(network, ids, mask, segments, Batch(mask, network.mask), looking)
        parts.append(tf.nest.map_structure(lambda tensor: tensor.numpy().astype(np.float64), looking.seen))
    return {
        name: Peaks(
            reads=np.max([part[name].reads for part in parts], axis=0),
            power=np.sum([part[name].squares for part in parts], axis=0) / sum(part[name].rows for part in parts),
            makes=np.max([part[name].makes for part in parts], axis=0),
        )
        for name in parts[0]
    }


class _Seen(NamedTuple):
    """Statistics of one layer in one batch."""

    reads: Any
    """Largest absolute values of the input, [in]."""
    squares: Any
    """Sums of squares of the input, [in]."""
    rows: Any
    """Number of rows of the input."""
    makes: Any
    """Largest absolute values of the result before the activation, [out]."""


class _Looking(graph.Products):
    """Products that record statistics of their inputs and results.

    Attributes:
      seen: statistics by the name of the layer.
    """

    def __init__(self) -> None:
        self.seen: dict[str, _Seen] = {}

    def dense(self, name: str, dense: Dense, x: Any, activation: str | None = None) -> Any:
        product = super().dense(name, dense, x)
        self.seen[name] = _Seen(
            reads=tf.reduce_max(tf.abs(x), axis=0),
            squares=tf.reduce_sum(tf.square(x), axis=0),
            rows=tf.shape(x)[0],
            makes=tf.reduce_max(tf.abs(product), axis=0),
        )
        return graph.ACTIVATIONS[activation](product) if activation else product
