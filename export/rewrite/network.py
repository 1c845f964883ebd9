"""A fine-tuned network as plain arrays: the input and output of rewrites. Needs no TensorFlow.

Files, recipes and reports count blocks and feed-forward networks from 1, as the paper does; the model's variables, and
with them `--freeze`, count from 0: block_3/feedforward_1 of a file is block_2/feedforward_0 of the model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

Array = Any
"""`np.ndarray`, or a TensorFlow tensor in quantisation-aware fine-tuning."""


@dataclasses.dataclass(frozen=True)
class Dense:
    """((before x) W + b) after: [R, in] -> [R, out]."""

    kernel: Array
    """[in, out]"""
    bias: Array
    """[out]"""
    before: Array | None = None
    """Factor [in] of the input; None: one, so there is nothing to multiply."""
    after: Array | None = None
    """Factor [out] of the result; None: one. Always None in a layer with an activation."""


@dataclasses.dataclass(frozen=True)
class Norm:
    """gamma * x + beta per channel, with x as it is (NoNorm) or standardised over its channels (LayerNorm)."""

    gamma: Array
    beta: Array
    epsilon: float | None
    """Epsilon added to LayerNorm's variance; None: NoNorm."""


@dataclasses.dataclass(frozen=True)
class Bottleneck:
    """norm(dense(x)): [R, H] -> [R, I]."""

    dense: Dense
    norm: Norm | None
    """None: it is folded into other layers."""


@dataclasses.dataclass(frozen=True)
class Residual:
    """norm(dense(x) + scale * residual): [R, in] and [R, out] -> [R, out]."""

    dense: Dense
    norm: Norm | None
    scale: Array | None = None
    """Factor [out] of the residual; None: one, so there is nothing to multiply."""


@dataclasses.dataclass(frozen=True)
class FeedForward:
    """norm(output(act(intermediate(x))) + x): [R, I] -> [R, I]."""

    intermediate: Dense
    output: Residual


@dataclasses.dataclass(frozen=True)
class Joint:
    """Dense layers of a block that read the same rows, combined into one."""

    names: tuple[str, ...]
    """Fields of the block: dense layers, or bottlenecks, which stand for their dense layer."""
    dense: Dense
    """Kernels and biases of those layers side by side, in that order."""


@dataclasses.dataclass(frozen=True)
class Block:
    """x [T, H] -> feature map [T, H], or [1, H] with `first_token_only` or `mean_only`, [2, H] of two texts."""

    input_bottleneck: Bottleneck | None
    query_key_bottleneck: Bottleneck | None
    narrow_attention: bool
    """Whether query, key and value read the input bottleneck."""
    query: Dense
    key: Dense
    value: Dense
    query_scale: float
    """Factor of the query."""
    attention_output: Residual
    feedforwards: tuple[FeedForward, ...]
    output_bottleneck: Residual | None
    first_token_only: bool = False
    """Whether the block returns only the row of [CLS]. Keys and values are still those of all tokens."""
    mean_only: bool = False
    """Whether the block returns only the mean of the rows of real tokens, one for each text if the head reads a pair.
    The mean is taken at the point after which everything is linear."""
    joints: tuple[Joint, ...] = ()
    """Joint layers, used instead of the dense layers that they name."""

    @property
    def parts(self) -> list[str]:
        """Names of the dense layers."""
        bottlenecks = [name for name in ("input_bottleneck", "query_key_bottleneck") if getattr(self, name)]
        names = [*bottlenecks, "query", "key", "value", "attention_output"]
        for number in range(1, len(self.feedforwards) + 1):
            names += [f"feedforward_{number}/intermediate", f"feedforward_{number}/output"]
        return names + (["output_bottleneck"] if self.output_bottleneck else [])

    def dense(self, name: str) -> Dense:
        """The dense layer of this name, one of `parts`."""
        field, _, layer = name.partition("/")
        part = getattr(self.feedforwards[int(field.rpartition("_")[2]) - 1], layer) if layer else getattr(self, field)
        return part.dense if isinstance(part, (Bottleneck, Residual)) else part

    def with_dense(self, layers: Mapping[str, Dense]) -> Block:
        """The block with its dense layers replaced by these, which must include all `parts`."""

        def put(part: Any, name: str) -> Any:
            inside = isinstance(part, (Bottleneck, Residual))
            return dataclasses.replace(part, dense=layers[name]) if inside else part and layers[name]

        feedforwards = tuple(
            FeedForward(layers[f"feedforward_{number}/intermediate"], put(one.output, f"feedforward_{number}/output"))
            for number, one in enumerate(self.feedforwards, 1)
        )
        outside = {name: put(getattr(self, name), name) for name in self.parts if "/" not in name}
        return dataclasses.replace(self, feedforwards=feedforwards, **outside)


@dataclasses.dataclass(frozen=True)
class Embeddings:
    """Ids and segments [T] -> [T, H]."""

    word_table: Array
    """[V, E]"""
    trigram: bool
    projection: Dense | None
    type_table: Array
    """[types, H]"""
    position_table: Array
    """[at least T, H]"""
    norm: Norm | None
    joint_table: Array | None = None
    """[types, P, H], the sums of the vectors of type and position, for P positions: used instead of those tables."""


@dataclasses.dataclass(frozen=True)
class Mask:
    """Treatment of the scores of padded keys."""

    mode: str
    """add: the constant is added to the scores. replace: it replaces them."""
    constant: float
    shared: bool = False
    """Whether the mask is computed once for all blocks."""

    @property
    def finite(self) -> float:
        """The constant, bounded: Hugging Face's is float32's least number and overflows when a score is added to it."""
        return max(self.constant, -1e38)

    @property
    def keeps_padding_out(self) -> bool:
        """Whether padding has no influence on other rows, because its share of a softmax is zero."""
        return self.constant <= -1000.0


FIRST_TOKEN, MEAN, PAIR, EVERY_TOKEN = "first_token", "mean", "pair", "every_token"


@dataclasses.dataclass(frozen=True)
class Head:
    """Last feature map [T, H] -> answer: [1, C], a vector [1, H], or [1, T, C]."""

    outputs: tuple[str, ...]
    """Names of the answer in a file; if there are several, each has one of the C values of every token, [1, T]."""
    reads: str
    """Rows that the head reads. FIRST_TOKEN: the row of [CLS]. MEAN: the mean of the rows of real tokens. PAIR: u, v,
    |u - v| and u v side by side, where u and v are the means of the two texts. EVERY_TOKEN: all rows."""
    pooler: Dense | None = None
    """Dense layer with tanh on the rows that are read."""
    dense: Dense | None = None
    """Dense layer that gives the answer; None: the answer is the row that is read, at unit length."""
    unit: Array | None = None
    """Factor [H] of the rows; None: one."""

    @property
    def reader(self) -> str | None:
        """Name of the dense layer that reads rows as they are; None: no dense layer does."""
        if self.pooler:
            return "pooler"
        return "classifier" if self.dense and self.reads != PAIR else None

    @property
    def layers(self) -> dict[str, Dense]:
        """Its dense layers by name."""
        named = {"pooler": self.pooler, "classifier": self.dense}
        return {name: dense for name, dense in named.items() if dense}


@dataclasses.dataclass(frozen=True)
class Network:
    """Ids, mask and segments [T] -> the head's answer."""

    embeddings: Embeddings
    blocks: tuple[Block, ...]
    head: Head
    heads: int
    """Number of attention heads, N."""
    activation: str
    mask: Mask


def map_arrays(part: Any, function: Callable[[Any], Any]) -> Any:
    """A network, or a part of one, with each array replaced by `function` of it."""
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        fields = ((field.name, getattr(part, field.name)) for field in dataclasses.fields(part))
        return dataclasses.replace(part, **{name: map_arrays(value, function) for name, value in fields})
    if isinstance(part, tuple):
        return tuple(map_arrays(one, function) for one in part)
    return part if part is None or isinstance(part, (bool, float, int, str)) else function(part)
