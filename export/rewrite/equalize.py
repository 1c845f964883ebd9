"""Equalization of a tensor's channels, so that one int8 scale suits them all.

A static file quantises a whole tensor with one scale, which its largest channel determines; a channel a hundred times
smaller keeps two or three of 255 steps. A product's input or result is therefore stored in a unit per channel, which
the weights on both sides absorb (SmoothQuant, arXiv 2211.10438; cross-layer equalization, arXiv 1906.04721):

- Between the two products of a feed-forward network with relu, which commutes with a positive factor.
- Between values and attention's output: attention is a weighted sum of rows, channel by channel.
- Between queries and keys: one is divided by the factor that the other is multiplied by.
- In query and key's own bottleneck, and on the streams of a network whose norms are folded (`norms`): all that reads
  or produces them is linear.

These units cost nothing. Next to a LayerNorm nothing can absorb the unit, so a multiplication per channel remains, of
the product's input or result (`Dense.before` and `Dense.after`). After gelu there is no unit: XNNPACK computes gelu
from int8 to int8 with one table, and a factor in between costs MiniLM 9 % of its instructions for a fifth of the error.

The unit of a channel is size ** e / weight ** (1 - e), where size is its largest value and weight the largest weight
that reads it. With e = 1 all of the unevenness moves into the weights, each of whose columns is rounded with one scale
too; for each tensor, e is the exponent with the least noise of both kinds after its products.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from mobilebert_tf.export.rewrite.network import Block, Dense, Head, Network

EXPONENTS = np.linspace(0.3, 1.0, 15)
"""Exponents e that are tried."""

LEAST = 1e-3
"""Smallest size of a channel, as a share of the largest: a channel silent on a few texts may not be so on others."""

COMMUTING = "relu"
"""The activation f with f(t x) = t f(x) for positive t."""


@dataclasses.dataclass(frozen=True)
class Peaks:
    """Statistics of a product's input and result on text, per channel."""

    reads: np.ndarray
    """Largest absolute value of the input, [in]."""
    power: np.ndarray
    """Mean square of the input, [in]."""
    makes: np.ndarray
    """Largest absolute value of the result before the activation, [out]."""


@dataclasses.dataclass
class _Scaling:
    """The units of one dense layer, and the multiplications that remain."""

    reads: np.ndarray | float = 1.0
    """Unit [in] of the input."""
    makes: np.ndarray | float = 1.0
    """Unit [out] of the result."""
    before: bool = False
    """Whether the input arrives without a unit and has to be divided by it first."""
    after: bool = False
    """Whether the result is needed without a unit and has to be multiplied by it afterwards."""


def equalize(network: Network, peaks: Mapping[str, Peaks]) -> Network:
    """An equivalent network in other units per channel.

    Args:
      network: network of arrays, after all other rewrites but before `join_products`.
      peaks: peaks of its dense layers by name: block_3/feedforward_1/intermediate.
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
        # Norms are kept, so a unit would cost a multiplication, and the head needs none: recipes quantise it with
        # scales that are computed at run time.
        return head
    if head.dense and head.reader:
        return dataclasses.replace(head, dense=_scaled(head.dense, _Scaling(reads=outer)))
    return dataclasses.replace(head, unit=outer if head.unit is None else head.unit * outer)


def is_free(network: Network) -> bool:
    """Whether no multiplication by a unit remains in `network`."""
    layers = [block.dense(part) for block in network.blocks for part in block.parts]
    layers += [network.head.pooler] if network.head.pooler else []
    return all(layer.before is None and layer.after is None for layer in layers)


class _Units:
    """Units per channel, chosen for the tensors of one network.

    Attributes:
      outer: unit of the stream between blocks; None: it has norms.
      commutes: whether the activation commutes with positive factors.
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
        """The unit of the stream inside a block; None: it has norms."""
        if self._one_stream or not self._folded:
            return self.outer
        return self._of_stream([_named(name, parts) for parts in inner_readers(block)])

    def of(self, *readers: str) -> np.ndarray:
        """The unit [C] of the input of these layers, which scales its largest value to one."""
        size = _floored(np.max([self._peaks[name].reads for name in readers], axis=0))
        power = np.max([self._peaks[name].power for name in readers], axis=0)
        kernels = np.concatenate([self._layers[name].kernel for name in readers], axis=1)
        weight = _floored(np.abs(kernels).max(axis=1))
        candidates = [size**e / weight ** (1.0 - e) for e in EXPONENTS]
        candidates = [unit * (size / unit).max() for unit in candidates]
        return min(candidates, key=lambda unit: _noise(kernels * unit[:, None], power / unit**2))

    def of_result(self, name: str) -> np.ndarray:
        """The unit [C] of a layer's result. It follows from sizes alone: weights have a scale for each output, so that
        their rounding is the same in every unit."""
        return _floored(self._peaks[name].makes)

    def of_attention(self, name: str, joined: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The units of queries, keys and values; `joined`: the three share a scale, so values get the others' size."""
        query, key, value = (self._peaks[f"{name}/{part}"].makes for part in ("query", "key", "value"))
        ratio = np.sqrt(_floored(query) / _floored(key))
        values = self.of(f"{name}/attention_output")
        values = values * _size(value / values)
        if joined:
            values = values / _size(np.maximum(query / ratio, key * ratio))
        return ratio, 1.0 / ratio, values

    def _of_stream(self, readers: Sequence[Sequence[str]]) -> np.ndarray:
        """One unit for all places where a stream is read: the geometric mean of their units."""
        return np.exp(np.mean([np.log(self.of(*names)) for names in readers], axis=0))


def _block(name: str, block: Block, units: _Units) -> Block:
    """An equivalent block in its units."""
    scalings = {part: _Scaling() for part in block.parts}
    outer, inner = units.outer, units.inner(name, block)

    def read(parts: Sequence[str], unit: np.ndarray | None) -> None:
        """Let layers read their input in this unit; None: it has none, and a multiplication brings it into one."""
        own = units.of(*_named(name, parts)) if unit is None else unit
        for part in parts:
            scalings[part].reads, scalings[part].before = own, unit is None

    def make(part: str, unit: np.ndarray | None) -> None:
        """Let a layer give its result in this unit; None: in one of its own, which a multiplication removes again."""
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
    """The dense layers that read the stream inside a block; layers that read the same values are in one group."""
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
    """Mean square of the rounding error of x kernel [in, out], for x of this power per channel and at most one.

    Rounding errors are uniform within a step, so their mean square is a twelfth of the step's square. x has 255 steps
    from -1 to 1, a column of the kernel 254 between its largest absolute value and the negative of that.
    """
    of_reads = np.square(kernel).sum() * (2.0 / 255.0) ** 2
    of_weights = np.square(np.abs(kernel).max(axis=0) / 127.0).sum() * power.sum()
    return float(of_reads + of_weights) / 12.0


def _size(values: np.ndarray) -> float:
    """The largest value; one if all are zero."""
    return float(np.max(values)) or 1.0


def _floored(size: np.ndarray) -> np.ndarray:
    """The sizes [C], raised to at least `LEAST` times the largest."""
    largest = float(np.max(size))
    return np.maximum(size, LEAST * largest) if largest > 0.0 else np.ones_like(size)
