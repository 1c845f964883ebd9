"""Products and tables as a quantised file computes them: the hook of `rewrite.graph` for fake quantisation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from mobilebert_tf.export.aware import grid
from mobilebert_tf.export.aware.grid import Grid
from mobilebert_tf.export.aware.recipe import result_of, rule_of
from mobilebert_tf.export.recipes import PRODUCTS, TABLES, Recipe, Rule
from mobilebert_tf.export.rewrite.graph import ACTIVATIONS, Products, constant
from mobilebert_tf.export.rewrite.network import Array, Dense
from mobilebert_tf.layers.channels import shift

_CUT_OFF_BY = {"relu": (0.0, float("inf")), "relu6": (0.0, 6.0)}
"""Activations that are fused into a file's product and applied as its result is rounded, with the range of their
results."""

_FEW_ROWS = 1024
"""Most rows of a table that is rounded as a whole before its rows are read: each is then rounded once, not per read."""


class QuantizedProducts(Products):
    """One pass through a network by the rules of a recipe.

    A *site* is a tensor of the file that has a static range: a product's input, `LAYER/input`, or its result,
    `LAYER/output`. A result that the next product reads unchanged has only one site.

    Args:
      recipe: recipe from `find_recipe`.
      grids: grid of every site; None: nothing is rounded.
      looks: whether to record least and largest values.

    Attributes:
      seen: least and largest value of every site, scalars.
      rules: rule of every layer.
      results: operator of every layer and table, with the name of its result in a file.
    """

    def __init__(self, recipe: Recipe, grids: Mapping[str, Grid] | None, looks: bool = False):
        self.recipe = recipe
        self.grids = grids
        self.looks = looks
        self.seen: dict[str, tuple[Any, Any]] = {}
        self.rules: dict[str, Rule | None] = {}
        self.results: set[tuple[str, str]] = set()
        # Holds the tensors themselves, because Python reuses the id of an object that no longer exists.
        self._made: dict[int, tuple[Any, str]] = {}

    def dense(self, name: str, dense: Dense, x: Any, activation: str | None = None) -> Any:
        rule = self.rules[name] = self._rule(PRODUCTS[0], name)
        kernel, bias, step = constant(dense.kernel), constant(dense.bias), None
        if rule and self.grids:
            kernel, step = grid.matrix(kernel, rule.bits, rule.per_channel, axis=0)
        if rule and rule.is_static:
            return self._static(name, x, kernel, step, bias, activation)
        if rule and self.grids and rule.activations == "dynamic":
            x = grid.rows(x)
        return _activated(shift(tf.matmul(x, kernel), bias), activation)

    def _static(self, name: str, x: Any, kernel: Any, step: Any, bias: Any, activation: str | None) -> Any:
        site, output = f"{name}/input", f"{name}/output"
        if id(x) in self._made:
            _, site = self._made[id(x)]
        else:
            x = self._at(site, x)
        if self.grids:
            bias = grid.on_steps(bias, tf.reshape(step * self.grids[site].step, [-1]))
        product = shift(tf.matmul(x, kernel), bias)
        if activation is not None and activation not in _CUT_OFF_BY:
            return _activated(self._at(output, product), activation)
        result = self._at(output, product, activation)
        self._made[id(result)] = result, output
        return result

    def rows(self, name: str, table: Array, numbers: Any) -> Any:
        rule, table = self._rule(TABLES[0], name), constant(table)
        if rule is None or not self.grids:
            return tf.gather(table, numbers)
        if table.shape[0] <= _FEW_ROWS or not rule.per_channel:
            return tf.gather(grid.matrix(table, rule.bits, rule.per_channel, axis=1)[0], numbers)
        return grid.matrix(tf.gather(table, numbers), rule.bits, True, axis=1)[0]

    def _rule(self, operator: str, name: str) -> Rule | None:
        result = result_of(name)
        self.results.add((operator, result))
        return rule_of(self.recipe, operator, result)

    def _at(self, site: str, x: Any, activation: str | None = None) -> Any:
        """activation(x) at a site: recorded, then rounded to its grid."""
        if self.looks:
            self.seen[site] = _extremes(x, *_CUT_OFF_BY.get(activation or "", (None, None)))
        if self.grids:
            # After relu a grid begins at zero, after relu6 it also ends at six or before, so it clips as they do.
            return grid.activations(x, self.grids[site])
        return _activated(x, activation)


def _extremes(x: Any, least: float | None, most: float | None) -> tuple[Any, Any]:
    """Least and largest value of x after clipping to `least` and `most`, scalars; None: not clipped."""
    x = tf.stop_gradient(x)
    low = tf.constant(least) if least is not None else tf.reduce_min(x)
    return low, tf.reduce_max(x) if most is None else tf.minimum(tf.reduce_max(x), most)


def _activated(x: Any, activation: str | None) -> Any:
    return ACTIVATIONS[activation](x) if activation else x
