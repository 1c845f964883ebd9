"""Small networks of every form, texts for them, and the quantised network with which fine-tuning begins."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest

from mobilebert_tf.export.recipes import RECIPES

from ..test_rewrite import LENGTH, OPTIONS, model

FAST = ("student", "narrow_attention", "no_bottleneck", "pooler", "mean", "pair", "relu6", "gelu")
NAMES = [
    name if name in FAST else pytest.param(name, marks=pytest.mark.slow)
    for name, values in OPTIONS.items()
    if values.get("normalization_type") != "layer_norm"
]
"""Names of the networks without LayerNorm."""


@functools.cache
def features(count: int = 64, seed: int = 0) -> dict[str, np.ndarray]:
    """Features [n, T] of 2 to T random tokens; ids and segments of the padding are random too, not zero."""
    random = np.random.default_rng(seed)
    shape = (count, LENGTH)
    mask = (np.arange(LENGTH) < random.integers(2, LENGTH + 1, count)[:, None]).astype(np.int32)
    ids, segments = (random.integers(0, most, shape).astype(np.int32) for most in (30, 2))
    return {"input_ids": ids, "input_mask": mask, "segment_ids": segments}


@dataclasses.dataclass(frozen=True)
class Made:
    """A network on its grid, and its int8 file with the same ranges."""

    model: object
    trained: object
    floats: bytes
    content: bytes


@functools.cache
def made(name: str) -> Made:
    from mobilebert_tf.export.aware.network import QuantizedNetwork

    network = QuantizedNetwork(model(name), RECIPES["static_int8"], LENGTH)
    network.calibrate([features()], 1)
    return file_of(model(name), network.trained)


def file_of(model, trained) -> Made:
    """The int8 file of a network, with the ranges and units it was trained with."""
    from mobilebert_tf.export.quantize.build import build, convert_lengths

    (floats,) = convert_lengths(model, [LENGTH], breaks=trained.breaks).values()
    content = build({LENGTH: floats}, trained.recipe, trained.instead_of(None, floats))
    return Made(model, trained, floats, content)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with a file of weights, which is all that `stored` looks at."""
    (tmp_path / "model.weights.h5").write_bytes(b"weights")
    return tmp_path
