"""Folding of NoNorm into the layers around it.

NoNorm, y = gamma * x + beta per channel, is affine. The values between two norms, a *stream*,
may therefore be stored in another unit per channel: the stored x~ with x = s * x~, where s is
any vector without zeros.

- A dense layer that reads x reads x~ with the kernel diag(s) W and its bias unchanged.
- A dense layer that produces x through a norm produces x~ with the kernel W gamma / s and
  the bias (gamma b + beta) / s.
- A residual sum y = gamma * (d + x) + beta gives y~ = (gamma / t) * d + (gamma s / t) * x~
  + beta / t, where t is the unit of y. The first factor goes into the dense layer that
  produces d, beta / t into its bias, and t = gamma * s makes the second factor one.

So the unit carries gamma along the residual path, every dense layer on the way absorbs it,
and no multiplication is left. One s per stream is free: on the stream of the feature maps
between blocks, whose first x~ the embeddings' tables and projection produce; and on the
stream inside each block, from its input bottleneck on. It is chosen so that the units of a
channel lie evenly around one.

A multiplication remains where units would leave [1 / most, most], as they do if a gamma is
zero: there the stream starts again with a new unit. This limit is needed because rows are
quantised to int8 as a whole: a channel in a very small unit would take the others' bits.

LayerNorm is not affine and stays, as do the residual sums before it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from mobilebert_tf.export.rewrite.arrays import as_constant, functions
from mobilebert_tf.export.rewrite.network import (
    Array,
    Block,
    Bottleneck,
    Dense,
    Embeddings,
    FeedForward,
    Head,
    Network,
    Norm,
    Residual,
)

MOST = 16.0
"""Largest unit, and inverse of the smallest; beyond it a multiplication remains."""

Breaks = tuple[tuple[int, ...], ...]
"""Numbers of the sums after which a stream starts again, for each stream, the one between blocks first."""


@dataclasses.dataclass(frozen=True)
class Step:
    """A residual sum on a stream: the units [C] before and after it."""

    before: Array
    after: Array
    scale: Array | None
    """Remaining factor [C] of the residual; None: one, so there is nothing to multiply."""


@dataclasses.dataclass(frozen=True)
class Units:
    """Units of the residual sums of one block."""

    outer: Step | None
    """Sum on the stream between blocks; None: without bottlenecks a single stream runs through all blocks."""
    inner: tuple[Step, ...]
    """Sums of attention and of the feed-forward networks."""

    @property
    def before(self) -> Array:
        """Unit of the block's input."""
        return (self.outer or self.inner[0]).before

    @property
    def after(self) -> Array:
        """Unit of the block's output."""
        return (self.outer or self.inner[-1]).after


def fold_norms(network: Network, breaks: Breaks | None = None) -> Network:
    """An equivalent network without NoNorm; a network with LayerNorm is returned as it is.

    Args:
      network: network with all of its norms, or with none.
      breaks: breaks of the streams, from `find_breaks`, which needs arrays; None: found here.
    """
    if not _folds(network):
        return network
    units = find_units(network, find_breaks(network) if breaks is None else breaks)
    blocks = tuple(fold_block(block, one) for block, one in zip(network.blocks, units, strict=True))
    return dataclasses.replace(fold_ends(network, units), blocks=blocks)


def fold_block(block: Block, units: Units) -> Block:
    """An equivalent block without NoNorm, in these units."""
    x, narrow = units.before, units.inner[0].before
    bottleneck = block.input_bottleneck and _bottleneck(block.input_bottleneck, x, narrow)
    attention_output = _sum(block.attention_output, units.inner[0])
    if block.narrow_attention:
        # The bias moves to query and key, as below, and to value. The inner stream gets it with its first sum.
        assert bottleneck
        bottleneck, moved_bias = _without_bias(bottleneck)
        query_key, query_unit, shift = None, narrow, moved_bias * narrow
        value = _reads(block.value, narrow, shift)
        if attention_output.scale is not None:
            moved_bias = moved_bias * attention_output.scale
        dense = dataclasses.replace(attention_output.dense, bias=attention_output.dense.bias + moved_bias)
        attention_output = dataclasses.replace(attention_output, dense=dense)
    else:
        query_key, query_unit, shift = _query_key(block, x, narrow)
        value = _reads(block.value, x)
    feedforwards = [
        FeedForward(_reads(one.intermediate, step.before), _sum(one.output, step))
        for one, step in zip(block.feedforwards, units.inner[1:], strict=True)
    ]
    widens = block.output_bottleneck
    if widens:
        assert units.outer
        reads = dataclasses.replace(widens, dense=_reads(widens.dense, units.inner[-1].after))
        widens = _sum(reads, units.outer)
    return dataclasses.replace(
        block,
        input_bottleneck=bottleneck,
        query_key_bottleneck=query_key,
        query=_reads(block.query, query_unit, shift),
        key=_reads(block.key, query_unit, shift),
        value=value,
        attention_output=attention_output,
        feedforwards=tuple(feedforwards),
        output_bottleneck=widens,
    )


def fold_ends(network: Network, units: Sequence[Units]) -> Network:
    """The network with embeddings and head in the first and the last unit; blocks are left as they are."""
    embeddings = _embeddings(network.embeddings, units[0].before)
    return dataclasses.replace(network, embeddings=embeddings, head=_head(network.head, units[-1].after))


def _head(head: Head, unit: Array) -> Head:
    """The head for rows in this unit: the layer that reads them absorbs it; if there is none, the head multiplies."""
    if head.reader is None:
        return dataclasses.replace(head, unit=unit)
    if head.pooler:
        return dataclasses.replace(head, pooler=_reads(head.pooler, unit))
    assert head.dense
    return dataclasses.replace(head, dense=_reads(head.dense, unit))


def find_breaks(network: Network, most: float = MOST) -> Breaks:
    """Breaks of the streams of a network that is not folded yet; () for a network with LayerNorm.

    Args:
      most: largest unit of a stream, and the inverse of the smallest.
    """
    return tuple(_breaks(gammas, most) for gammas in _streams(network)) if _folds(network) else ()


def _folds(network: Network) -> bool:
    norm = network.embeddings.norm
    return norm is not None and norm.epsilon is None


def _streams(network: Network) -> list[list[Array]]:
    """The gammas [C] of the residual sums, by stream."""
    inner = [[_gamma(residual) for residual in _inner(block)] for block in network.blocks]
    if network.blocks[0].output_bottleneck:
        return [[_gamma(block.output_bottleneck) for block in network.blocks], *inner]
    return [[gamma for gammas in inner for gamma in gammas]]


def find_units(network: Network, breaks: Breaks) -> list[Units]:
    """The units of every block of a network with NoNorm."""
    steps = [_steps(gammas, where) for gammas, where in zip(_streams(network), breaks, strict=True)]
    if network.blocks[0].output_bottleneck:
        return [Units(outer, tuple(inner)) for outer, inner in zip(steps[0], steps[1:], strict=True)]
    (left,) = map(iter, steps)
    return [Units(None, tuple(next(left) for _ in _inner(block))) for block in network.blocks]


def _query_key(block: Block, x: Array, narrow: Array) -> tuple[Bottleneck | None, Array, Array | None]:
    """Query and key's own bottleneck, the unit of the input of query and key, and the bias which that input lacks."""
    if not block.query_key_bottleneck:
        return None, x, None
    one = functions(narrow).ones_like(narrow)
    # No residual is added to the bottleneck's result, so its bias can move into query and key, which add biases anyway.
    bottleneck, bias = _without_bias(_bottleneck(block.query_key_bottleneck, x, one))
    return bottleneck, one, bias


def _without_bias(bottleneck: Bottleneck) -> tuple[Bottleneck, Array]:
    """The bottleneck, which has no norm, without its bias, and that bias."""
    kernel, bias = bottleneck.dense.kernel, bottleneck.dense.bias
    return Bottleneck(Dense(kernel, functions(bias).zeros_like(bias)), None), bias


def _inner(block: Block) -> Iterator[Residual]:
    yield block.attention_output
    for one in block.feedforwards:
        yield one.output


def _gamma(residual: Residual | None) -> Array:
    assert residual and residual.norm
    return residual.norm.gamma


def _reads(dense: Dense, unit: Array, shift: Array | None = None) -> Dense:
    """The layer for an input in this unit that lacks `shift`, which is in unit one."""
    added = dense.bias if shift is None else dense.bias + functions(shift).matmul(shift, dense.kernel)
    return Dense(dense.kernel * unit[:, None], added)


def _makes(dense: Dense, norm: Norm, unit: Array) -> Dense:
    """The layer with its norm folded in, for an output in this unit."""
    factor = norm.gamma / unit
    return Dense(dense.kernel * factor, dense.bias * factor + norm.beta / unit)


def _bottleneck(bottleneck: Bottleneck, before: Array, after: Array) -> Bottleneck:
    assert bottleneck.norm
    return Bottleneck(_makes(_reads(bottleneck.dense, before), bottleneck.norm, after), None)


def _sum(residual: Residual, step: Step) -> Residual:
    assert residual.norm
    return Residual(_makes(residual.dense, residual.norm, step.after), None, step.scale)


def _embeddings(embeddings: Embeddings, unit: Array) -> Embeddings:
    """The embeddings with gamma and beta moved into the summands: projection or word table, types, positions."""
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


def _breaks(gammas: Sequence[np.ndarray], most: float) -> tuple[int, ...]:
    """Numbers of the sums after which a stream with these gammas [C] starts again.

    Without a multiplication, units are products of gammas; a stream starts again where these become too unequal.
    """
    products, breaks = [np.ones_like(gammas[0])], []
    for number, gamma in enumerate(gammas):
        longer = [*products, products[-1] * gamma]
        size = np.abs(longer)
        # Once they lie evenly around one, the units of a channel may span a factor of `most` squared.
        if (size.max(axis=0) <= most**2 * size.min(axis=0)).all():
            products = longer
        else:
            products = [np.ones_like(gamma)]
            breaks.append(number)
    return tuple(breaks)


def _steps(gammas: Sequence[Array], breaks: Sequence[int]) -> list[Step]:
    """The steps of a stream whose sums have these gammas [C], one per sum."""
    xp = functions(gammas[0])
    parts = [[xp.ones_like(gammas[0])]]
    for number, gamma in enumerate(gammas):
        if number in breaks:
            parts.append([xp.ones_like(gamma)])
        else:
            parts[-1].append(parts[-1][-1] * gamma)
    units: list[Array] = []
    for products in parts:
        size = xp.abs(xp.stack(products))
        # The network computes the same with any such vector, so it needs no gradient.
        middle = as_constant(xp.sqrt(xp.min(size, axis=0) * xp.max(size, axis=0)))
        units += [product / middle for product in products]
    return [
        Step(units[i], units[i + 1], gamma * units[i] / units[i + 1] if i in breaks else None)
        for i, gamma in enumerate(gammas)
    ]
