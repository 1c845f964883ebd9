"""A model on disk, opened and checked against its architecture, its weights not yet read."""

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
    """Differences between a checkpoint and its architecture that are accepted, outside of its embeddings and blocks."""

    missing: bool = False
    extra: bool = False


@dataclasses.dataclass(frozen=True)
class Architecture:
    """What a configuration file says, and what stands beside it."""

    config: MobileBertConfig
    labels: tuple[str, ...] = ()
    """Of a classifier or token classifier, in the order of the logits."""
    tokenizer: Tokenizer | None = None
    task: Task | None = None
    modules: tuple[Module, ...] = ()
    """Modules of sentence-transformers that a text goes through, if it is a model of theirs."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """One model in one of the three worlds."""

    path: Path
    world: str
    """keras, huggingface or tf1."""
    architecture: Architecture
    heads: Heads
    files: tuple[Path, ...]
    """That hold the weights."""
    weights: tuple[Weight, ...]
    read_there: Callable[[Weight], np.ndarray]
    """The array of a weight in this project's layout, of whatever type it is stored in."""
    missing: frozenset[str] = frozenset()
    passed_over: tuple[str, ...] = ()
    """Names in the file that are no weights of the model."""

    @property
    def config(self) -> MobileBertConfig:
        return self.architecture.config

    def read(self, weight: Weight) -> np.ndarray:
        """float32, in this project's layout; a missing one as a new model would have it."""
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
    """The architecture's weights, the names of the missing ones, and what else is in the file.

    Args:
      path: the file, for messages.
      source: where the configuration stands, for messages.
      shapes: everything in the file, by its name there.
      name_of: the name of a weight there.
      turned: whether a matrix stands there the other way round.
      unneeded: whether a name is nothing to miss, such as an optimizer's slot.

    Raises:
      UsageError: a weight is missing, extra or of another shape, unless allowed; in embeddings and blocks nothing is.
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
            f"{path}: lacks {lacking}, which its configuration has; `convert --allow_missing` starts them anew"
        )
    if strange and not allowed.extra:
        raise UsageError(
            f"{path}: has {some(strange, 3)}, which its configuration has no use for; "
            "`convert --allow_extra` leaves them out"
        )
    for weight in wanted:
        there = shapes.get(name_of(weight))
        shape = weight.shape[::-1] if turned(weight) else weight.shape
        if there is not None and tuple(there) != shape:
            raise UsageError(
                f"{path}: {name_of(weight)} has shape {list(there)}, its configuration makes it {list(shape)}"
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
    """Raise UsageError unless embeddings and blocks are those of the configuration: with others it is another model."""
    table = weights(config, Heads())
    begins = {
        part: os.path.commonprefix([name_of(weight) for weight in table if weight.part == part])
        for part in ("embeddings", "block_0")
    }
    block = re.compile(re.escape(begins["block_0"].rpartition("0")[0]) + r"(\d{1,9})\b")
    there = {int(found[1]) for found in map(block.match, shapes) if found}
    if there == set(range(len(there))) and len(there) != config.num_hidden_layers:
        raise UsageError(
            f"{path}: {source} says {config.num_hidden_layers} blocks (num_hidden_layers), the file has {len(there)}; "
            "take both of one model"
        )
    lacking = [name_of(w) for w in missing if w.part == "embeddings" or w.part.startswith("block_")]
    surplus = [name for name in strange if name.startswith(begins["embeddings"]) or block.match(name)]
    if lacking:
        raise UsageError(f"{path}: lacks {some(lacking, 3)}, which {source} describes; take both of one model")
    if surplus:
        raise UsageError(
            f"{path}: has {some(surplus, 3)} in its network, which {source} does not describe; take both of one model"
        )


def require_network(path: Path, config: MobileBertConfig, shapes: Shapes, name_of: Callable[[Weight], str]) -> None:
    """Raise UsageError if a file has nothing of the network: no flag makes another model of it than a random one."""
    names = [name_of(weight) for weight in weights(config, Heads()) if weight.part.startswith("block_")]
    if any(name in shapes for name in names):
        return
    before = {name.removesuffix(wanted) for name in shapes for wanted in names[:1] if name.endswith(wanted)}
    if before:
        fix = f"its names have {before.pop()!r} before them, of a wrapper; save the model that is inside of that"
    else:
        fix = f"it has {some(list(shapes), 3) or 'nothing'}; look whether it is another kind of model or file"
    raise UsageError(
        f"{path}: has no weight of the network that its configuration describes, such as {names[0]}; {fix}"
    )


def find_heads(config: MobileBertConfig, shapes: Shapes, name_of: Callable[[Weight], str]) -> tuple[list[str], int]:
    """The heads whose weights are in the file, and C of the classifier among them.

    A token classifier has the names of a classifier; both are found as `classifier`.
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

    It may have a few more, which no piece uses, where its length was rounded up for the sake of a processor.

    Args:
      source: where the configuration stands, for messages.
      vocab: the vocabulary that is used in place of the directory's.
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
"""Tables are rounded up to multiples of 8, 64 or 128 rows."""


def _fresh(weight: Weight, deviation: float) -> np.ndarray:
    """What a new model would have: the same for the same name."""
    last = weight.name.rsplit("/", 1)[-1]
    if last in ("bias", "beta"):
        return np.zeros(weight.shape, np.float32)
    if last == "gamma":
        return np.ones(weight.shape, np.float32)
    random = np.random.default_rng(zlib.crc32(weight.name.encode()))
    return np.clip(random.standard_normal(weight.shape, np.float32), -2, 2) * np.float32(deviation)
