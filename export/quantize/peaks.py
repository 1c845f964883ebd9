"""The largest value in each channel of what dense layers read and make, on real text: what units are chosen by."""

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

    Rows of padding do not count where no token reads them.

    Args:
      network: of arrays; joint layers have names of their own, so `equalize` wants one without.
      features: of real text.
    """
    parts: list[dict[str, _Seen]] = []
    for start in range(0, len(features["input_ids"]), BATCH):
        ids, mask, segments = (tf.constant(features[name][start : start + BATCH], tf.int32) for name in INPUTS)
        looking = _Looking()
        # Without a graph: blocks whose weights are constants in it take longer to trace than a few batches to compute.
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
    """Findings about one layer in one batch."""

    reads: Any
    """Largest absolute values, [in]."""
    squares: Any
    """Sums of squares, [in]."""
    rows: Any
    """Number of them that it read."""
    makes: Any
    """Largest absolute values before the activation, [out]."""


class _Looking(graph.Products):
    """Products that note what they meet.

    Attributes:
      seen: by the name of the layer.
    """

    def __init__(self) -> None:
        self.seen: dict[str, _Seen] = {}

    def dense(self, name: str, dense: Dense, x: Any, activation: str | None = None) -> Any:
        made = super().dense(name, dense, x)
        self.seen[name] = _Seen(
            reads=tf.reduce_max(tf.abs(x), axis=0),
            squares=tf.reduce_sum(tf.square(x), axis=0),
            rows=tf.shape(x)[0],
            makes=tf.reduce_max(tf.abs(made), axis=0),
        )
        return graph.ACTIVATIONS[activation](made) if activation else made
