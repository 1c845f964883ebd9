"""All rewrites: functions from network to network that do not change the answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from mobilebert_tf.errors import UsageError
from mobilebert_tf.export.rewrite.arrays import functions
from mobilebert_tf.export.rewrite.equalize import Peaks, equalize
from mobilebert_tf.export.rewrite.network import FIRST_TOKEN, MEAN, PAIR, Block, Dense, Joint, Network
from mobilebert_tf.export.rewrite.norms import Breaks, Units, find_units, fold_block, fold_ends, fold_norms

MASK_BOUND = 10_000.0
"""Largest constant on the scores of padded keys, that of Google's first release. The share of padded keys in a softmax
is zero in float32 unless real scores are some 9,900 below theirs."""


def fold_attention_scale(network: Network) -> Network:
    """Move 1 / sqrt(D) into the query's weights, which saves a multiplication at run time."""
    return dataclasses.replace(network, blocks=tuple(map(_with_attention_scale, network.blocks)))


def _with_attention_scale(block: Block) -> Block:
    query = Dense(block.query.kernel * block.query_scale, block.query.bias * block.query_scale)
    return dataclasses.replace(block, query=query, query_scale=1.0)


def first_token_only(network: Network) -> Network:
    """In the last block, compute only the row of [CLS], except for keys and values, if the head reads no other row."""
    if network.head.reads != FIRST_TOKEN:
        return network
    last = dataclasses.replace(network.blocks[-1], first_token_only=True)
    return dataclasses.replace(network, blocks=(*network.blocks[:-1], last))


def mean_early(network: Network) -> Network:
    """In the last block, take the mean of the rows, or one for each text, before the last products if the head reads
    nothing else.

    The last layer with an activation still has all rows. Without LayerNorm everything after it is linear, so the mean
    of the results equals the result for the mean. LayerNorm divides each row by a number of its own.
    """
    last = network.blocks[-1]
    norms = [last.feedforwards[-1].output.norm, last.output_bottleneck and last.output_bottleneck.norm]
    if network.head.reads not in (MEAN, PAIR) or any(norm and norm.epsilon is not None for norm in norms):
        return network
    return dataclasses.replace(network, blocks=(*network.blocks[:-1], dataclasses.replace(last, mean_only=True)))


def join_products(network: Network) -> Network:
    """Combine products that read the same rows into one; to be applied after first_token_only.

    The rows are then quantised only once, and one wide product is cheaper than three narrow ones.
    """
    return dataclasses.replace(network, blocks=tuple(map(_joined, network.blocks)))


def _joined(block: Block) -> Block:
    return dataclasses.replace(block, joints=_joints(block))


def _joints(block: Block) -> tuple[Joint, ...]:
    # With first_token_only, query and inner stream are computed for the first row only, so they stay apart.
    every_row = not block.first_token_only
    outer: list[str] = []
    inner: list[str] = []
    if block.input_bottleneck and (every_row or block.narrow_attention):
        outer.append("input_bottleneck")
    if block.query_key_bottleneck:
        outer.append("query_key_bottleneck")
    query_group = inner if block.query_key_bottleneck or block.narrow_attention else outer
    query_group += ["query", "key"] if every_row else ["key"]
    (inner if block.narrow_attention else outer).append("value")
    return tuple(
        Joint(tuple(names), _side_by_side([block.dense(name) for name in names]))
        for names in (outer, inner)
        if len(names) > 1
    )


def _side_by_side(layers: Sequence[Dense]) -> Dense:
    """One layer in place of several that read the same rows."""
    of = functions(layers[0].kernel)
    after = None
    if any(layer.after is not None for layer in layers):
        factors = [of.ones_like(layer.bias) if layer.after is None else layer.after for layer in layers]
        after = of.concatenate(factors, axis=0)
    return Dense(
        of.concatenate([layer.kernel for layer in layers], axis=1),
        of.concatenate([layer.bias for layer in layers], axis=0),
        before=layers[0].before,
        after=after,
    )


def share_mask(network: Network) -> Network:
    """Compute the mask once for all blocks, and bound its constant.

    A constant of -1e9 or float32's least number would take all the bits of int8 scores.
    """
    mask = network.mask
    constant = max(mask.constant, -MASK_BOUND)
    return dataclasses.replace(network, mask=dataclasses.replace(mask, constant=constant, shared=True))


def cut_positions(network: Network, length: int) -> Network:
    """Keep only the first `length` rows of the position table."""
    table = network.embeddings.position_table[:length]
    return dataclasses.replace(network, embeddings=dataclasses.replace(network.embeddings, position_table=table))


def join_tables(network: Network, length: int) -> Network:
    """Replace the tables of types and positions by one table of their sums, with `length` rows for each type: the row
    number is position + length * type.

    A position table that is added as a whole would be another constant for every length of a file, and the quantizer
    would not store it in int8.
    """
    embeddings = network.embeddings
    joint = embeddings.type_table[:, None] + embeddings.position_table[None, :length]
    return dataclasses.replace(network, embeddings=dataclasses.replace(embeddings, joint_table=joint))


JOIN = "join_products"
"""Name of the rewrite before which units per channel are chosen."""

REWRITES: dict[str, Callable[[Network, int], Network]] = {
    "fold_norms": lambda network, length: fold_norms(network),
    "fold_attention_scale": lambda network, length: fold_attention_scale(network),
    "first_token_only": lambda network, length: first_token_only(network),
    "mean_early": lambda network, length: mean_early(network),
    JOIN: lambda network, length: join_products(network),
    "share_mask": lambda network, length: share_mask(network),
    "cut_positions": cut_positions,
    "join_tables": join_tables,
}
"""Rewrites by name, in the order of their application; each takes the longest sequence length T of the file too."""


def parse_rewrites(without: str) -> tuple[str, ...]:
    """The names of all rewrites except these comma-separated ones.

    Raises:
      UsageError: a name is not that of a rewrite.
    """
    left_out = [name.strip() for name in without.split(",") if name.strip()]
    for name in left_out:
        if name not in REWRITES:
            raise UsageError(f"--without_rewrites: there is no rewrite {name!r}; choose from {', '.join(REWRITES)}")
    return tuple(name for name in REWRITES if name not in left_out)


def rewrite(
    network: Network,
    length: int,
    names: Sequence[str] = tuple(REWRITES),
    breaks: Breaks | None = None,
    peaks: Mapping[str, Peaks] | None = None,
) -> Network:
    """`network` after the named rewrites, in the order of the table, for inputs of at most `length` tokens.

    Args:
      network: network as it was trained.
      length: T.
      names: names of the rewrites to apply.
      breaks: breaks of the streams for fold_norms; None: found from the values of the weights.
      peaks: peaks of the dense layers, measured after the same rewrites without join_products; None: the network is
        not equalized.
    """
    rewrites = {**REWRITES, "fold_norms": lambda network, length: fold_norms(network, breaks)}
    for name, function in rewrites.items():
        if name == JOIN and peaks is not None:
            network = equalize(network, peaks)
        if name in names:
            network = function(network, length)
    return network


def rewrite_around_blocks(network: Network, length: int, breaks: Breaks) -> tuple[Network, list[Units]]:
    """The network after all rewrites except those of its blocks, and the units that `rewrite_block` needs for those.

    In training each block is rewritten where it runs, so that blocks can share one traced function.
    """
    units = find_units(network, breaks)
    network = mean_early(first_token_only(fold_ends(network, units)))
    return join_tables(cut_positions(share_mask(network), length), length), units


def rewrite_block(block: Block, units: Units) -> Block:
    """One block after all rewrites."""
    return _joined(_with_attention_scale(fold_block(block, units)))
