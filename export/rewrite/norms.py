"""NoNorm folded into its neighbours.

NoNorm, y = gamma * x + beta per channel, is affine. What flows between two of them, a
*stream*, may therefore be kept in another unit per channel: the stored x~ with x = s * x~,
where s is any vector without zeros.

- A dense layer that reads x reads x~ through the kernel diag(s) W, its bias unchanged.
- A dense layer that makes x, norm and all, makes x~ with the kernel W gamma / s and the
  bias (gamma b + beta) / s.
- A residual sum y = gamma * (d + x) + beta makes y~ = (gamma / t) * d + (gamma s / t) * x~
  + beta / t, with t the unit of y. The first factor goes into the dense layer that makes d,
  beta / t into its bias, and t = gamma * s makes the second factor one.

So gamma is carried along the residual path in the unit, every dense layer on the way takes
it in, and no multiplication is left. One s per stream is free: along the feature maps
between blocks, where the embeddings' tables and projection make the first x~; and inside
each block, from its input bottleneck on. It is chosen so that the units of a channel lie
evenly around one.

A multiplication remains where units would leave [1 / most, most], a gamma of zero included:
there the stream starts again with a unit of its own. Rows are quantised to int8 as a whole,
and a channel in a very small unit would take the others' bits.

LayerNorm is not affine and stays, as do the residual sums before it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from mobilebert_tf.export.rewrite.network import (
    Block,
    Bottleneck,
    Dense,
    Embeddings,
    FeedForward,
    Network,
    Norm,
    Residual,
)

MOST = 16.0
"""Units beyond 1 / MOST .. MOST cost a multiplication."""


@dataclasses.dataclass(frozen=True)
class _Step:
    """A residual sum on a stream: the units [C] before and after it."""

    before: np.ndarray
    after: np.ndarray
    scale: np.ndarray | None
    """What is left to multiply the residual with; None: nothing."""


def fold_norms(network: Network, most: float = MOST) -> Network:
    """The same function without any NoNorm; a network with LayerNorm as it is.

    Args:
      network: with all norms still in it, or none.
      most: largest unit of a stream, and the inverse of the smallest.
    """
    norm = network.embeddings.norm
    if norm is None or norm.epsilon is not None:
        return network
    if network.blocks[0].output_bottleneck:
        return _with_bottlenecks(network, most)
    return _without_bottlenecks(network, most)


def _with_bottlenecks(network: Network, most: float) -> Network:
    """Two kinds of stream: between blocks, with a sum in each, and inside each block."""
    outer = _units([_gamma(block.output_bottleneck) for block in network.blocks], most)
    blocks = []
    for block, step in zip(network.blocks, outer, strict=True):
        assert block.input_bottleneck and block.output_bottleneck
        inner = _units([_gamma(residual) for residual in _inner(block)], most)
        x, narrow = step.before, inner[0].before
        query_key, asks, shift = _query_key(block, x, narrow)
        blocks.append(
            dataclasses.replace(
                block,
                input_bottleneck=_bottleneck(block.input_bottleneck, x, narrow),
                query_key_bottleneck=query_key,
                query=_reads(block.query, asks, shift),
                key=_reads(block.key, asks, shift),
                value=_reads(block.value, narrow if block.narrow_attention else x),
                output_bottleneck=_sum(
                    dataclasses.replace(
                        block.output_bottleneck, dense=_reads(block.output_bottleneck.dense, inner[-1].after)
                    ),
                    step,
                ),
                **_sums(block, inner),
            )
        )
    return _ends(network, blocks, outer)


def _query_key(block: Block, x: np.ndarray, narrow: np.ndarray) -> tuple[Bottleneck | None, np.ndarray, np.ndarray]:
    """Query and key's own bottleneck, the unit of what query and key read, and what is to be added to that."""
    if block.narrow_attention or not block.query_key_bottleneck:
        unit = narrow if block.narrow_attention else x
        return None, unit, np.zeros_like(unit)
    # No residual is added to it, so its bias can go where two biases are added anyway.
    dense = _bottleneck(block.query_key_bottleneck, x, np.ones_like(narrow)).dense
    return Bottleneck(Dense(dense.kernel, np.zeros_like(dense.bias)), None), np.ones_like(narrow), dense.bias


def _without_bottlenecks(network: Network, most: float) -> Network:
    """One stream through everything."""
    steps = _units([_gamma(residual) for block in network.blocks for residual in _inner(block)], most)
    blocks, done = [], 0
    for block in network.blocks:
        own = steps[done : done + 1 + len(block.feedforwards)]
        done += len(own)
        x = own[0].before
        blocks.append(
            dataclasses.replace(
                block,
                query=_reads(block.query, x),
                key=_reads(block.key, x),
                value=_reads(block.value, x),
                **_sums(block, own),
            )
        )
    return _ends(network, blocks, steps)


def _ends(network: Network, blocks: Sequence[Block], steps: Sequence[_Step]) -> Network:
    """The rewritten blocks between embeddings and head in the stream's first and last unit."""
    last = steps[-1].after
    return dataclasses.replace(
        network,
        embeddings=_embeddings(network.embeddings, steps[0].before),
        blocks=tuple(blocks),
        pooler=network.pooler and _reads(network.pooler, last),
        classifier=network.classifier if network.pooler else _reads(network.classifier, last),
    )


def _sums(block: Block, steps: Sequence[_Step]) -> dict:
    """Attention's output and the feed-forward networks, which lie on one stream."""
    feedforwards = [
        FeedForward(_reads(one.intermediate, step.before), _sum(one.output, step))
        for one, step in zip(block.feedforwards, steps[1:], strict=True)
    ]
    return {"attention_output": _sum(block.attention_output, steps[0]), "feedforwards": tuple(feedforwards)}


def _inner(block: Block) -> Iterator[Residual]:
    yield block.attention_output
    for one in block.feedforwards:
        yield one.output


def _gamma(residual: Residual | None) -> np.ndarray:
    assert residual and residual.norm
    return residual.norm.gamma


def _reads(dense: Dense, unit: np.ndarray, shift: np.ndarray | float = 0.0) -> Dense:
    """The layer for an input in this unit that lacks `shift` (itself in no unit)."""
    return Dense(dense.kernel * unit[:, None], dense.bias + (np.zeros_like(unit) + shift) @ dense.kernel)


def _makes(dense: Dense, norm: Norm, unit: np.ndarray) -> Dense:
    """The layer and its norm in one, for an output in this unit."""
    factor = norm.gamma / unit
    return Dense(dense.kernel * factor, dense.bias * factor + norm.beta / unit)


def _bottleneck(bottleneck: Bottleneck, before: np.ndarray, after: np.ndarray) -> Bottleneck:
    assert bottleneck.norm
    return Bottleneck(_makes(_reads(bottleneck.dense, before), bottleneck.norm, after), None)


def _sum(residual: Residual, step: _Step) -> Residual:
    assert residual.norm
    return Residual(_makes(residual.dense, residual.norm, step.after), None, step.scale)


def _embeddings(embeddings: Embeddings, unit: np.ndarray) -> Embeddings:
    """gamma and beta into what is added up: the projection or the word table, types, positions."""
    assert embeddings.norm
    factor, shift = embeddings.norm.gamma / unit, embeddings.norm.beta / unit
    positions = embeddings.position_table * factor
    if embeddings.projection:
        words, projection = embeddings.word_table, _makes(embeddings.projection, embeddings.norm, unit)
    else:
        words, projection, positions = embeddings.word_table * factor, None, positions + shift
    return dataclasses.replace(
        embeddings,
        word_table=words,
        projection=projection,
        type_table=embeddings.type_table * factor,
        position_table=positions,
        norm=None,
    )


def _units(gammas: Sequence[np.ndarray], most: float) -> list[_Step]:
    """Units of a stream whose sums have these gammas [C], one step per sum."""
    # Products of gammas, as far as they go without a multiplication; then begin again.
    segments = [[np.ones_like(gammas[0])]]
    for gamma in gammas:
        products = [*segments[-1], segments[-1][-1] * gamma]
        size = np.abs(products)
        # Moved to lie evenly around one, the units of a channel may span the square of `most`.
        if (size.max(axis=0) <= most**2 * size.min(axis=0)).all():
            segments[-1] = products
        else:
            segments.append([np.ones_like(gamma)])
    units: list[np.ndarray] = []
    begins = set()
    for products in segments:
        begins.add(len(units))
        size = np.abs(products)
        units += [product / np.sqrt(size.min(axis=0) * size.max(axis=0)) for product in products]
    return [
        _Step(units[i], units[i + 1], gamma * units[i] / units[i + 1] if i + 1 in begins else None)
        for i, gamma in enumerate(gammas)
    ]
