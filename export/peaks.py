"""The largest value in each channel of what dense layers read and make, on real text: what units are chosen by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from mobilebert_tf.export.aware.batch import Batch
from mobilebert_tf.export.rewrite import graph
from mobilebert_tf.export.rewrite.equalize import Peaks
from mobilebert_tf.export.rewrite.network import Dense, Network
from mobilebert_tf.export.runtime import INPUTS

BATCH = 16
"""Examples in one pass."""


def measure_peaks(network: Network, features: Mapping[str, np.ndarray]) -> dict[str, Peaks]:
    """Peaks of every dense layer, by name, over all examples `input_ids`, `input_mask`, `segment_ids` [n, T].

    Rows of padding do not count where no token reads them.

    Args:
      network: of arrays; joint layers have names of their own, so `equalize` wants one without.
      features: of real text.
    """

    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)] * len(INPUTS), autograph=False)
    def look(ids: Any, mask: Any, segments: Any) -> dict[str, Any]:
        looking = _Looking()
        graph.logits(network, ids, mask, segments, Batch(mask, network.mask), looking)
        return looking.seen

    largest: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for start in range(0, len(features["input_ids"]), BATCH):
        batch = (tf.constant(features[name][start : start + BATCH], tf.int32) for name in INPUTS)
        for name, (reads, makes) in look(*batch).items():
            before = largest.get(name, (0.0, 0.0))
            largest[name] = np.maximum(before[0], reads.numpy()), np.maximum(before[1], makes.numpy())
    return {name: Peaks(reads.astype(np.float64), makes.astype(np.float64)) for name, (reads, makes) in largest.items()}


class _Looking(graph.Products):
    """Products that note the largest absolute values of each channel.

    Attributes:
      seen: of what a layer reads, [in], and makes before its activation, [out], by its name.
    """

    def __init__(self) -> None:
        self.seen: dict[str, tuple[Any, Any]] = {}

    def dense(self, name: str, dense: Dense, x: Any, activation: str | None = None) -> Any:
        made = super().dense(name, dense, x)
        self.seen[name] = tf.reduce_max(tf.abs(x), axis=0), tf.reduce_max(tf.abs(made), axis=0)
        return graph.ACTIVATIONS[activation](made) if activation else made
