"""The examples that an export is verified on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mobilebert_tf.export.convert.signatures import SHORTEST
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.task import INPUTS
from mobilebert_tf.tokenization import Tokenizer


def spread(examples: Sequence[Example], limit: int) -> list[Example]:
    """At most `limit` examples, evenly spread over all of them: tables are often sorted. 0: all."""
    if not limit or len(examples) <= limit:
        return list(examples)
    return [examples[i] for i in np.linspace(0, len(examples) - 1, limit).astype(int)]


def draw(examples: Sequence[Example], limit: int) -> list[Example]:
    """As `spread`, but one at random out of each stretch: where labels take turns, every second row has the same."""
    if not limit or len(examples) <= limit:
        return list(examples)
    random = np.random.default_rng(0)
    borders = np.linspace(0, len(examples), limit + 1).astype(int)
    return [examples[random.integers(a, b)] for a, b in zip(borders, borders[1:], strict=False)]


def of_all_lengths(features: Mapping[str, np.ndarray], limit: int) -> dict[str, np.ndarray]:
    """The inputs of at most `limit` examples [n, T], evenly spread over all when sorted by their number of tokens: the
    shortest, the longest, and as many of each length between as there are."""
    order = np.argsort(features["input_mask"].sum(axis=1), kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, min(limit, len(order))).round().astype(int))]
    return {name: features[name][chosen] for name in INPUTS}


def synthetic_features(count: int, length: int, tokenizer: Tokenizer, seed: int = 0) -> dict[str, np.ndarray]:
    """Random ids of random length in the form of a task's features: int32 [count, length] each.

    For want of text. A network trained on text decides here on noise.
    """
    random = np.random.default_rng(seed)
    real = random.integers(SHORTEST, length + 1, (count, 1))
    position = np.arange(length)[None, :]
    mask = (position < real).astype(np.int32)
    ids = random.integers(0, tokenizer.size, (count, length), dtype=np.int32)
    ids[:, 0] = tokenizer.id("[CLS]")
    ids = np.where(position == real - 1, tokenizer.id("[SEP]"), ids)
    return {
        "input_ids": (ids * mask).astype(np.int32) + (1 - mask) * np.int32(tokenizer.id("[PAD]")),
        "input_mask": mask,
        "segment_ids": np.zeros_like(mask),
    }
