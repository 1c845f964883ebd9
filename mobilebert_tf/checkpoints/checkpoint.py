"""A model on disk, opened and checked against its architecture, with weights that are read on request."""

from __future__ import annotations

import dataclasses
import os
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mobilebert_tf.checkpoints.names import Weight, weights
from mobilebert_tf.checkpoints.sentence_vectors import Module
from mobilebert_tf.config import HEADS, Heads, MobileBertConfig
from mobilebert_tf.errors import UsageError
from mobilebert_tf.tasks.task import Task
from mobilebert_tf.text_table import some
from mobilebert_tf.tokenization import Tokenizer

Shapes = Mapping[str, tuple[int, ...]]


@dataclasses.dataclass(frozen=True)
class Allowed:
    """Accepted differences between a checkpoint and its architecture, outside of embeddings and blocks."""

    missing: bool = False
    extra: bool = False


@dataclasses.dataclass(frozen=True)
class Architecture:
    """The configuration of a model, and the files beside it: labels, tokenizer, task, modules."""

    config: MobileBertConfig
    labels: tuple[str, ...] = ()
    """Labels of a classifier or token classifier, in the order of the logits."""
    tokenizer: Tokenizer | None = None
    task: Task | None = None
    modules: tuple[Module, ...] = ()
    """Modules that process a text, if this is a model of sentence-transformers."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A model in one of the three formats."""

    path: Path
    world: str
    """Name of the format: keras, huggingface or tf1."""
    architecture: Architecture
    heads: Heads
    files: tuple[Path, ...]
    """Files that hold the weights."""
    weights: tuple[Weight, ...]
    read_there: Callable[[Weight], np.ndarray]
    """Function that reads a weight in this project's layout, with the type in which it is stored."""
    missing: frozenset[str] = frozenset()
    """Names of weights that are not in the file."""
    passed_over: tuple[str, ...] = ()
    """Names in the file that are not weights of the model."""

    @property
    def config(self) -> MobileBertConfig:
        return self.architecture.config

    def read(self, weight: Weight) -> np.ndarray:
        """The weight as float32 in this project's layout; a missing one gets the value of a new model."""
        if weight.name in self.missing:
            return _fresh(weight, self.config.initializer_range)
        array = self.read_there(weight)
        if array.dtype.name not in ("float16", "bfloat16", "float32"):
            raise UsageError(
                f"{self.path}: {weight.name} is {array.dtype}; only float32, bfloat16 and float16 are read, "
                "since no other type fits into float32 without loss"
            )
        return array.astype(np.float32, copy=False)


def match(
    path: Path,
    source: str,
    config: MobileBertConfig,
    heads: Heads,
    shapes: Shapes,
    name_of: Callable[[Weight], str],
    turned: Callable[[Weight], bool],
    unneeded: Callable[[str], bool],
    allowed: Allowed,
) -> tuple[tuple[Weight, ...], frozenset[str], tuple[str, ...]]:
    """The architecture's weights, the names of missing ones, and the names of everything else in the file.

    Args:
      path: the file, for messages.
      source: source of the configuration, for messages.
      shapes: shapes of all arrays in the file, by their names there.
      name_of: function that returns the name of a weight in the file.
      turned: function that tells whether a matrix is transposed in the file.
      unneeded: function that tells whether a name may be ignored, such as an optimizer's slot.

    Raises:
      UsageError: a weight is missing or extra and this is not allowed, which it never is in embeddings and blocks; or a
        weight has another shape.
    """
    wanted = weights(config, heads)
    names = {name_of(weight) for weight in wanted}
    missing = [weight for weight in wanted if name_of(weight) not in shapes]
    extra = [name for name in shapes if name not in names]
    strange = [name for name in extra if not unneeded(name)]
    _check_network(path, source, config, shapes, name_of, missing, strange)
    if missing and not allowed.missing:
        lacking = some([name_of(weight) for weight in missing], 3)
        raise UsageError(
            f"{path}: lacks {lacking}, which its configuration has; `convert --allow_missing` initializes them"
        )
    if strange and not allowed.extra:
        raise UsageError(
            f"{path}: has {some(strange, 3)}, which its configuration does not use; "
            "`convert --allow_extra` leaves them out"
        )
    for weight in wanted:
        stored = shapes.get(name_of(weight))
        shape = weight.shape[::-1] if turned(weight) else weight.shape
        if stored is not None and tuple(stored) != shape:
            raise UsageError(
                f"{path}: {name_of(weight)} has shape {list(stored)}, its configuration makes it {list(shape)}"
            )
    return wanted, frozenset(weight.name for weight in missing), tuple(extra)


def _check_network(
    path: Path,
    source: str,
    config: MobileBertConfig,
    shapes: Shapes,
    name_of: Callable[[Weight], str],
    missing: Sequence[Weight],
    strange: Sequence[str],
) -> None:
    """Raise UsageError unless embeddings and blocks are those of the configuration; else it is another model's."""
    table = weights(config, Heads())
    begins = {
        part: os.path.commonprefix([name_of(weight) for weight in table if weight.part == part])
        for part in ("embeddings", "block_0")
    }
    block = re.compile(re.escape(begins["block_0"].rpartition("0")[0]) + r"(\d{1,9})\b")
    blocks = {int(matched[1]) for matched in map(block.match, shapes) if matched}
    if blocks == set(range(len(blocks))) and len(blocks) != config.num_hidden_layers:
        raise UsageError(
            f"{path}: {source} says {config.num_hidden_layers} blocks (num_hidden_layers), the file has {len(blocks)}; "
            "take both from one model"
        )
    lacking = [name_of(w) for w in missing if w.part == "embeddings" or w.part.startswith("block_")]
    surplus = [name for name in strange if name.startswith(begins["embeddings"]) or block.match(name)]
    if lacking:
        raise UsageError(f"{path}: lacks {some(lacking, 3)}, which {source} describes; take both from one model")
    if surplus:
        raise UsageError(
            f"{path}: has {some(surplus, 3)} in its network, which {source} does not describe; take both from one model"
        )


def require_network(path: Path, config: MobileBertConfig, shapes: Shapes, name_of: Callable[[Weight], str]) -> None:
    """Raise UsageError if a file has no weight of the network, since flags could only make a random model of it."""
    names = [name_of(weight) for weight in weights(config, Heads()) if weight.part.startswith("block_")]
    if any(name in shapes for name in names):
        return
    prefixes = {name.removesuffix(wanted) for name in shapes for wanted in names[:1] if name.endswith(wanted)}
    if prefixes:
        fix = f"its names begin with {prefixes.pop()!r}, a wrapper's prefix; save the model inside the wrapper"
    else:
        fix = f"it has {some(list(shapes), 3) or 'nothing'}; check whether it is another kind of model or file"
    raise UsageError(
        f"{path}: has no weight of the network that its configuration describes, such as {names[0]}; {fix}"
    )


def find_heads(config: MobileBertConfig, shapes: Shapes, name_of: Callable[[Weight], str]) -> tuple[list[str], int]:
    """The heads whose weights are in the file, and C of a classifier among them, else 0.

    A token classifier's weights have the names of a classifier's; both are returned as `classifier`.
    """
    found, labels = [], 0
    for head in HEADS:
        names = {w.name: name_of(w) for w in weights(config, Heads.of([head], 1)) if w.part == head}
        if head == "token_classifier" or not any(name in shapes for name in names.values()):
            continue
        found.append(head)
        if head == "classifier":
            labels = next(iter(shapes.get(names["classifier/dense/bias"], ())), 0)
    return found, labels


def check_vocabulary(
    directory: Path, source: str, config: MobileBertConfig, tokenizer: Tokenizer | None, vocab: str | None
) -> None:
    """Raise UsageError unless the word table has a row for every piece.

    It may have a few unused rows more if its length was rounded up for the processor's sake.

    Args:
      source: source of the configuration, for messages.
      vocab: vocabulary file that is used in place of the directory's.
    """
    if tokenizer is None:
        return
    unused = config.vocab_size - tokenizer.size
    if unused and not (0 < unused < _MOST_UNUSED and config.vocab_size % 8 == 0):
        whose = f"--vocab={vocab}:" if vocab else f"{directory}: its vocabulary"
        raise UsageError(
            f"{whose} has {tokenizer.size:,} pieces, {source} says vocab_size={config.vocab_size:,}; they belong to "
            "different models"
        )


_MOST_UNUSED = 128
"""Limit of unused rows: tables are rounded up to multiples of 8, 64 or 128 rows."""


def _fresh(weight: Weight, deviation: float) -> np.ndarray:
    """The value of a weight in a new model; the same name always gets the same values."""
    last = weight.name.rsplit("/", 1)[-1]
    if last in ("bias", "beta"):
        return np.zeros(weight.shape, np.float32)
    if last == "gamma":
        return np.ones(weight.shape, np.float32)
    random = np.random.default_rng(zlib.crc32(weight.name.encode()))
    return np.clip(random.standard_normal(weight.shape, np.float32), -2, 2) * np.float32(deviation)
