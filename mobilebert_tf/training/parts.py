"""Parts of a network, named by the beginning of their variables' paths: the trained ones, and their learning rates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from mobilebert_tf.errors import UsageError

EMBEDDINGS = "embeddings"
_BLOCK = re.compile(r"block_([0-9]{1,4})")
_RANGE = re.compile(r"block_([0-9]{1,4})\.\.block_([0-9]{1,4})")


def part_of(variable: Any) -> str:
    """The part that a variable belongs to: embeddings, block_0 and so on, pooler, or the name of a head."""
    return str(variable.path).split("/")[0]


def names(variables: Sequence[Any]) -> list[str]:
    """The parts that these variables belong to, in their order."""
    return list(dict.fromkeys(map(part_of, variables)))


def chosen(text: str, variables: Sequence[Any], flag: str) -> set[str]:
    """The parts that a list such as "embeddings,block_0..block_3" names.

    Raises:
      UsageError: there is no such part.
    """
    known = names(variables)
    parts: set[str] = set()
    for word in filter(None, (word.strip() for word in text.split(","))):
        block_range = _RANGE.fullmatch(word)
        wanted = [f"block_{i}" for i in range(int(block_range[1]), int(block_range[2]) + 1)] if block_range else [word]
        if not wanted:
            raise UsageError(f"--{flag}={text}: {word} runs backwards; write the lower block first")
        unknown = next((name for name in wanted if name not in known), None)
        if unknown is not None:
            raise UsageError(f"--{flag}={text}: there is no part {unknown}; choose from {_shown(known)}")
        parts.update(wanted)
    if text and not parts:
        raise UsageError(f"--{flag}={text}: names no part; choose from {_shown(known)}")
    return parts


def trained(variables: Sequence[Any], frozen: set[str], flag: str) -> list[Any]:
    """The variables outside the frozen parts. Raises UsageError: none is left."""
    left = [variable for variable in variables if part_of(variable) not in frozen]
    if not left:
        raise UsageError(f"--{flag}: leaves nothing to train; leave a part out, such as {names(variables)[-1]}")
    return left


def factors(variables: Sequence[Any], decay: float, blocks: int) -> list[float]:
    """Factors of the learning rate: 1 for heads and pooler, times `decay` for each block down, the embeddings last.

    Source: layer-wise rates of ELECTRA's fine-tuning (arXiv 2003.10555, table 6), here with one factor `decay` from
    each part to the next.
    """
    return [decay ** _depth(part_of(variable), blocks) for variable in variables]


def shown(parts: set[str]) -> str:
    """The names of the parts, from the bottom of the network up."""
    return ", ".join(sorted(parts, key=lambda part: (-_depth(part, 10_000), part)))


def _depth(part: str, blocks: int) -> int:
    if part == EMBEDDINGS:
        return blocks + 1
    match = _BLOCK.fullmatch(part)
    return blocks - int(match[1]) if match else 0


def _shown(known: Sequence[str]) -> str:
    numbers = [int(match[1]) for match in map(_BLOCK.fullmatch, known) if match]
    blocks = [f"block_{numbers[0]}..block_{numbers[-1]}"] if len(numbers) > 1 else [f"block_{n}" for n in numbers]
    others = [name for name in known if not _BLOCK.fullmatch(name)]
    return ", ".join([*others[:1], *blocks, *others[1:]])
