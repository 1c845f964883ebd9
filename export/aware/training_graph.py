"""The network of a file on its grid in a training step: blocks of the same form share one traced function."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from mobilebert_tf.export.aware.grid import Grid, columns
from mobilebert_tf.export.aware.products import QuantizedProducts
from mobilebert_tf.export.recipes import Recipe, Rule
from mobilebert_tf.export.rewrite.batch import Batch
from mobilebert_tf.export.rewrite.graph import Graph
from mobilebert_tf.export.rewrite.layouts import Masking
from mobilebert_tf.export.rewrite.network import Block, Network, map_arrays
from mobilebert_tf.export.rewrite.norms import Breaks, Units
from mobilebert_tf.export.rewrite.rules import rewrite_around_blocks, rewrite_block


@dataclasses.dataclass(frozen=True)
class Plan:
    """Application of a recipe to a network."""

    recipe: Recipe
    sites: tuple[str, ...]
    """Sites, those of one block one after the other."""
    rules: Mapping[str, Rule | None]
    """Rules by layer."""

    @property
    def bits(self) -> int:
        """Bits of static activations, which are the same for all."""
        return next(rule.activation_bits for rule in self.recipe.rules if rule.is_static)

    def parts(self) -> dict[str, list[str]]:
        """Sites by block, or outside blocks by the first part of their name."""
        return {part: list(sites) for part, sites in itertools.groupby(self.sites, key=_part)}


class TrainingGraph(Graph):
    """A training pass through a network.

    Args:
      network: network of tensors, not rewritten.
      length: longest T of the file.
      breaks: breaks of the network's streams.
      layout: layout of the batch.
      plan: plan of the recipe for this network.
      ranges: ranges of the plan's sites, [2, S].
    """

    def __init__(self, network: Network, length: int, breaks: Breaks, layout: Batch, plan: Plan, ranges: Any):
        parts = plan.parts()
        widths = [len(sites) for sites in parts.values()]
        split = tf.split(columns(ranges, plan.bits), widths, axis=1)
        self._plan = plan
        self._sites = parts
        self._grids = dict(zip(parts, split, strict=True))
        self._seen: dict[str, Any] = {}
        self._traced: dict[Any, Callable[..., Any]] = {}
        outer = [part for part in parts if not part.startswith("block_")]
        grids = [_grids(parts[part], self._grids[part]) for part in outer]
        self._outer = QuantizedProducts(plan.recipe, {site: grid for one in grids for site, grid in one.items()}, True)
        network, units = rewrite_around_blocks(network, length, breaks)
        self._units = {f"block_{number}": one for number, one in enumerate(units, 1)}
        super().__init__(network, layout, self._outer)

    @property
    def seen(self) -> Any:
        """Least and largest value of every site, [2, S]."""
        return tf.concat(
            [
                self._seen[part] if part in self._seen else stacked(self._outer.seen, sites)
                for part, sites in self._sites.items()
            ],
            axis=1,
        )

    def block(self, block: Block, x: Any, masking: Masking) -> Any:
        (name,) = self.path
        if name not in self._sites:
            return super().block(rewrite_block(block, self._units[name]), x, masking)
        parts = block, self._units[name]
        arrays: list[Any] = []
        map_arrays(parts, arrays.append)
        kind = (
            map_arrays(parts, lambda array: tuple(array.shape)),
            tuple((layer.partition("/")[2], rule) for layer, rule in self._plan.rules.items() if _part(layer) == name),
        )
        if kind not in self._traced:
            # If TensorFlow inlined the function again, every call would be optimised separately after all.
            attributes = {"_noinline": True}
            function = self._function(parts, name, masking)
            self._traced[kind] = tf.function(function, autograph=False, experimental_attributes=attributes)
        x, self._seen[name] = self._traced[kind](arrays, x, self._grids[name])
        return x

    def _function(self, like: tuple[Block, Units], name: str, masking: Masking) -> Callable[..., Any]:
        """The block of this name as a function of its arrays, rows and grids that blocks of the same form can share."""
        sites = self._sites[name]

        def function(arrays: Sequence[Any], x: Any, grids: Any) -> tuple[Any, Any]:
            left = iter(arrays)
            block = rewrite_block(*map_arrays(like, lambda _: next(left)))
            inner = QuantizedProducts(self._plan.recipe, _grids(sites, grids), looks=True)
            self.path, self.products = [name], inner
            rows = super(TrainingGraph, self).block(block, x, masking)
            self.products = self._outer
            return rows, stacked(inner.seen, sites)

        return function


def stacked(seen: Mapping[str, tuple[Any, Any]], sites: Sequence[str]) -> Any:
    """The ranges [2, S] of these sites, least and largest values, extended to include zero."""
    lows, highs = (tf.stack([seen[site][end] for site in sites]) for end in (0, 1))
    return tf.stack([tf.minimum(lows, 0.0), tf.maximum(highs, 0.0)])


def grids_of(plan: Plan, ranges: Any) -> dict[str, Grid]:
    """The grids by site, from ranges [2, S]."""
    return _grids(plan.sites, columns(ranges, plan.bits))


def _grids(sites: Sequence[str], columns: Any) -> dict[str, Grid]:
    """The grids by site, from their fields [4, S]."""
    each = (tf.unstack(column, num=len(sites)) for column in tf.unstack(columns, num=4))
    return {site: Grid(*values) for site, values in zip(sites, zip(*each, strict=True), strict=True)}


def _part(name: str) -> str:
    return name.partition("/")[0]
