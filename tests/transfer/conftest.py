"""Shapes, masks and a softmax in float64 for the tests of the losses."""

import numpy as np
import pytest

B, T, H, N, P, V = 3, 7, 16, 4, 5, 11


@pytest.fixture
def random():
    return np.random.default_rng(1)


@pytest.fixture
def mask():
    mask = np.ones((B, T), np.int32)
    mask[0, 4:] = 0
    mask[2, 6:] = 0
    return mask


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)
