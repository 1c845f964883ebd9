"""Weights that make classes of unequal size count alike in the loss."""

from __future__ import annotations

import numpy as np


def balanced_weights(label: np.ndarray) -> np.ndarray:
    """Weights of examples in the loss, 1 on average: float32 in the shape of `label`.

    Args:
      label: class numbers, int [n], where all classes that occur count alike; or 0 or 1 for each label, int [n, C],
        where for each label by itself, examples with it and without it count alike.
    """
    if label.ndim == 1:
        _, place, counts = np.unique(label, return_inverse=True, return_counts=True)
        weights: np.ndarray = (len(label) / (len(counts) * counts))[place]
        return weights.astype(np.float32)
    return np.stack([balanced_weights(column) for column in label.T], axis=1)
