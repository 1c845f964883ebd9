"""Weights by which classes of unequal size count alike in the loss."""

from __future__ import annotations

import numpy as np


def balanced_weights(label: np.ndarray) -> np.ndarray:
    """What each example counts in the loss, 1 on average: float32 in the shape of `label`.

    Args:
      label: the number of the class, int [n]: all classes that occur count alike. Or whether each label is given,
        0 or 1 in int [n, C]: with each label by itself, having it and not having it do.
    """
    if label.ndim == 1:
        _, place, counts = np.unique(label, return_inverse=True, return_counts=True)
        weights: np.ndarray = (len(label) / (len(counts) * counts))[place]
        return weights.astype(np.float32)
    return np.stack([balanced_weights(column) for column in label.T], axis=1)
