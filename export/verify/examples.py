"""The examples that an export is verified with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mobilebert_tf.export.convert.lengths import SHORTEST
from mobilebert_tf.tasks.examples import Example
from mobilebert_tf.tasks.task import INPUTS
from mobilebert_tf.tokenization import Tokenizer


def spread(examples: Sequence[Example], limit: int) -> list[Example]:
    """At most `limit` examples, evenly spread because tables are often sorted. 0: all."""
    if not limit or len(examples) <= limit:
        return list(examples)
    return [examples[i] for i in np.linspace(0, len(examples) - 1, limit).astype(int)]


def draw(examples: Sequence[Example], limit: int) -> list[Example]:
    """As `spread`, but one random example from each stretch: if labels alternate, even steps may meet only one."""
    if not limit or len(examples) <= limit:
        return list(examples)
    random = np.random.default_rng(0)
    borders = np.linspace(0, len(examples), limit + 1).astype(int)
    return [examples[random.integers(a, b)] for a, b in zip(borders, borders[1:], strict=False)]


def of_all_lengths(features: Mapping[str, np.ndarray], limit: int) -> dict[str, np.ndarray]:
    """The inputs of at most `limit` examples [n, T], evenly spread over all when sorted by number of tokens: the
    shortest, the longest, and between them each length in proportion to its frequency."""
    order = np.argsort(features["input_mask"].sum(axis=1), kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, min(limit, len(order))).round().astype(int))]
    return {name: features[name][chosen] for name in INPUTS}


def synthetic_features(count: int, length: int, tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    """Random ids of random length in the form of a task's features: int32 [count, length] each.

    Used if there is no text. To a network trained on text these ids are noise.
    """
    random = np.random.default_rng(0)
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
