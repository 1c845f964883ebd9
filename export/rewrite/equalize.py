"""Channels of one tensor brought to one size, so that one int8 scale serves them all.

A static file rounds a whole tensor by one scale, which its largest channel sets; a channel a hundred times smaller
keeps two or three of 255 steps. What a product reads or makes is therefore stored in a unit per channel, which the
weights on both sides take in (SmoothQuant, arXiv 2211.10438; cross-layer equalization, arXiv 1906.04721):

- Between the two products of a feed-forward network, where relu lies between them: it commutes with a positive factor.
- Values and attention's output: shares of a softmax add rows up, channel by channel.
- Queries and keys: what one of them is divided by the other is multiplied with.
- Query and key's own bottleneck, and the streams of a network whose norms are folded (`norms`): everything that reads
  or makes them is linear.

These cost nothing. Beside LayerNorm nothing can take the unit in, so a multiplication per channel is left, of what the
product reads or of what it makes (`Dense.before` and `Dense.after`). Behind gelu none is: XNNPACK makes one table of
the int8 before and after gelu, and a factor between them costs MiniLM 9 % of its instructions for a fifth of the error.

The unit of a channel is size ** e / weight ** (1 - e), of the largest value there and the largest weight that reads
it. With e = 1 all of the unevenness moves into the weights, whose columns are rounded by one scale each as well; for
each tensor the exponent is taken that leaves the least noise of both kinds behind its products.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from mobilebert_tf.export.rewrite.network import Block, Dense, Head, Network

EXPONENTS = np.linspace(0.3, 1.0, 15)
"""Exponents that are tried."""

LEAST = 1e-3
"""Smallest size of a channel, as a share of the largest: what is silent on a few texts need not be on others."""

COMMUTING = "relu"
"""The activation f with f(t x) = t f(x) for positive t."""


@dataclasses.dataclass(frozen=True)
class Peaks:
    """Values that a product meets on text, per channel."""

    reads: np.ndarray
    """Largest absolute value that it reads, [in]."""
    power: np.ndarray
    """Mean square of what it reads, [in]."""
    makes: np.ndarray
    """Largest absolute value that it makes before its activation, [out]."""


@dataclasses.dataclass
class _Scaling:
    """The units of one dense layer, and what is left to multiply."""

    reads: np.ndarray | float = 1.0
    """Unit [in] of its input."""
    makes: np.ndarray | float = 1.0
    """Unit [out] of its result."""
    before: bool = False
    """Whether its input comes in no unit, so that it is divided first."""
    after: bool = False
    """Whether its result is wanted in no unit, so that it is multiplied behind."""


def equalize(network: Network, peaks: Mapping[str, Peaks]) -> Network:
    """The same function in other units per channel.

    Args:
      network: before `join_products` and after the other rewrites, of arrays.
      peaks: of its dense layers, by name: block_3/feedforward_1/intermediate.
    """
    units = _Units(network, peaks)
    outer = units.outer
    blocks = tuple(_block(f"block_{number}", block, units) for number, block in enumerate(network.blocks, 1))
    embeddings = network.embeddings
    if outer is not None:
        if embeddings.projection:
            projection, words = _scaled(embeddings.projection, _Scaling(makes=outer)), embeddings.word_table
        else:
            projection, words = None, embeddings.word_table / outer
        embeddings = dataclasses.replace(
            embeddings,
            projection=projection,
            word_table=words,
            type_table=embeddings.type_table / outer,
            position_table=embeddings.position_table / outer,
            joint_table=None if embeddings.joint_table is None else embeddings.joint_table / outer,
        )
    return dataclasses.replace(network, embeddings=embeddings, blocks=blocks, head=_head(network.head, units))


def _head(head: Head, units: _Units) -> Head:
    outer = units.outer
    if head.pooler:
        unit = units.of("pooler") if outer is None else outer
        return dataclasses.replace(head, pooler=_scaled(head.pooler, _Scaling(reads=unit, before=outer is None)))
    if outer is None:
        # Recipes leave it to the head to find its own scales while running: where norms stand, it needs no unit.
        return head
    if head.dense and head.reader:
        return dataclasses.replace(head, dense=_scaled(head.dense, _Scaling(reads=outer)))
    return dataclasses.replace(head, unit=outer if head.unit is None else head.unit * outer)


def is_free(network: Network) -> bool:
    """Whether `network` has nothing left to multiply."""
    layers = [block.dense(part) for block in network.blocks for part in block.parts]
    layers += [network.head.pooler] if network.head.pooler else []
    return all(layer.before is None and layer.after is None for layer in layers)


class _Units:
    """Units per channel, chosen for the tensors of one network.

    Attributes:
      outer: of the stream between blocks; None: norms stand in it.
      commutes: whether units pass the activation.
    """

    def __init__(self, network: Network, peaks: Mapping[str, Peaks]):
        self._peaks = peaks
        self._layers = {
            f"block_{number}/{part}": block.dense(part)
            for number, block in enumerate(network.blocks, 1)
            for part in block.parts
        }
        self._layers |= network.head.layers
        self.commutes = network.activation == COMMUTING
        self._folded = network.embeddings.norm is None
        self._one_stream = not network.blocks[0].output_bottleneck
        self.outer: np.ndarray | None = None
        if self._folded:
            readers = [[network.head.reader]] if network.head.reader else []
            for number, block in enumerate(network.blocks, 1):
                readers.append(_named(f"block_{number}", outer_readers(block)))
                if self._one_stream:
                    readers += [_named(f"block_{number}", parts) for parts in inner_readers(block)]
            self.outer = self._of_stream(readers)

    def inner(self, name: str, block: Block) -> np.ndarray | None:
        """The unit of the stream inside a block; None: norms stand in it."""
        if self._one_stream or not self._folded:
            return self.outer
        return self._of_stream([_named(name, parts) for parts in inner_readers(block)])

    def of(self, *readers: str) -> np.ndarray:
        """The unit of what these layers read, [C]; the largest value in it is then one."""
        size = _floored(np.max([self._peaks[name].reads for name in readers], axis=0))
        power = np.max([self._peaks[name].power for name in readers], axis=0)
        kernels = np.concatenate([self._layers[name].kernel for name in readers], axis=1)
        weight = _floored(np.abs(kernels).max(axis=1))
        candidates = [size**e / weight ** (1.0 - e) for e in EXPONENTS]
        candidates = [unit * (size / unit).max() for unit in candidates]
        return min(candidates, key=lambda unit: _noise(kernels * unit[:, None], power / unit**2))

    def of_result(self, name: str) -> np.ndarray:
        """The unit of what a layer makes, [C]: weights, with a scale for each output, round alike in every unit."""
        return _floored(self._peaks[name].makes)

    def of_attention(self, name: str, joined: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The units of queries, keys and values, which with `joined` get the size of the others: they share a scale."""
        query, key, value = (self._peaks[f"{name}/{part}"].makes for part in ("query", "key", "value"))
        ratio = np.sqrt(_floored(query) / _floored(key))
        values = self.of(f"{name}/attention_output")
        values = values * _size(value / values)
        if joined:
            values = values / _size(np.maximum(query / ratio, key * ratio))
        return ratio, 1.0 / ratio, values

    def _of_stream(self, readers: Sequence[Sequence[str]]) -> np.ndarray:
        """One unit for every place where a stream is read: their geometric mean."""
        return np.exp(np.mean([np.log(self.of(*names)) for names in readers], axis=0))


def _block(name: str, block: Block, units: _Units) -> Block:
    """`block` in its units."""
    scalings = {part: _Scaling() for part in block.parts}
    outer, inner = units.outer, units.inner(name, block)

    def read(parts: Sequence[str], unit: np.ndarray | None) -> None:
        """Let layers read what is in this unit; None: what is in none, and gets one by a multiplication."""
        own = units.of(*_named(name, parts)) if unit is None else unit
        for part in parts:
            scalings[part].reads, scalings[part].before = own, unit is None

    def make(part: str, unit: np.ndarray | None) -> None:
        """Let a layer make what is in this unit; None: what a multiplication brings back into none."""
        own = units.of_result(f"{name}/{part}") if unit is None else unit
        scalings[part].makes, scalings[part].after = own, unit is None

    read(outer_readers(block), outer)
    if block.input_bottleneck:
        make("input_bottleneck", inner)
    if block.narrow_attention:
        read(["query", "key", "value"], inner)
    elif block.query_key_bottleneck:
        own = None
        if block.query_key_bottleneck.norm is None:
            own = units.of(*_named(name, ["query", "key"]))
        make("query_key_bottleneck", own)
        read(["query", "key"], own)
    joined = block.narrow_attention or not block.input_bottleneck
    makers = ("query", "key", "value")
    for part, unit in zip(makers, units.of_attention(name, joined), strict=True):
        scalings[part].makes = unit
    scalings["attention_output"].reads = scalings["value"].makes
    make("attention_output", inner)
    for number in range(1, len(block.feedforwards) + 1):
        intermediate, output = f"feedforward_{number}/intermediate", f"feedforward_{number}/output"
        read([intermediate], inner)
        if units.commutes:
            hidden = units.of(f"{name}/{output}")
            make(intermediate, hidden)
            read([output], hidden)
        make(output, inner)
    if block.output_bottleneck:
        read(["output_bottleneck"], inner)
        make("output_bottleneck", outer)
    return block.with_dense({part: _scaled(block.dense(part), scaling) for part, scaling in scalings.items()})


def outer_readers(block: Block) -> list[str]:
    """The dense layers that read a block's input."""
    parts = [part for part in ("input_bottleneck", "query_key_bottleneck") if getattr(block, part)]
    if block.narrow_attention:
        return parts
    return [*parts, "value"] if block.query_key_bottleneck else [*parts, "query", "key", "value"]


def inner_readers(block: Block) -> list[list[str]]:
    """The dense layers that read the stream inside a block, together where they read the same of it."""
    groups = [["query", "key", "value"]] if block.narrow_attention else []
    groups += [[f"feedforward_{number}/intermediate"] for number in range(1, len(block.feedforwards) + 1)]
    return groups + ([["output_bottleneck"]] if block.output_bottleneck else [])


def _named(name: str, parts: Sequence[str]) -> list[str]:
    return [f"{name}/{part}" for part in parts]


def _scaled(dense: Dense, scaling: _Scaling) -> Dense:
    reads = np.broadcast_to(scaling.reads, dense.kernel.shape[:1])
    makes = np.broadcast_to(scaling.makes, dense.bias.shape)
    return Dense(
        dense.kernel * reads[:, None] / makes,
        dense.bias / makes,
        before=1.0 / reads if scaling.before else None,
        after=makes if scaling.after else None,
    )


def _noise(kernel: np.ndarray, power: np.ndarray) -> float:
    """Mean square of what rounding adds to x kernel [in, out], for x of this power per channel, none above one.

    A step's error is even, so its square is a twelfth of the step's. x has 255 steps from -1 to 1, a column of the
    kernel 254 from its largest value to the negative.
    """
    of_reads = np.square(kernel).sum() * (2.0 / 255.0) ** 2
    of_weights = np.square(np.abs(kernel).max(axis=0) / 127.0).sum() * power.sum()
    return float(of_reads + of_weights) / 12.0


def _size(values: np.ndarray) -> float:
    """The largest of them; one where all are zero."""
    return float(np.max(values)) or 1.0


def _floored(size: np.ndarray) -> np.ndarray:
    """Sizes [C], none below `LEAST` of the largest."""
    largest = float(np.max(size))
    return np.maximum(size, LEAST * largest) if largest > 0.0 else np.ones_like(size)
