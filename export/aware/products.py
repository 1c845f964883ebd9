"""Products and tables as a file in fewer bits computes them: the hook of `rewrite.graph` for fake quantisation."""

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
"""Activations that a product of a file does as it rounds its result, and the range of what they leave."""

_FEW_ROWS = 1024
"""Of tables that are rounded as a whole, before their rows are read more than once."""


class QuantizedProducts(Products):
    """One pass through a network by the rules of a recipe.

    A *site* is a tensor of the file that has a static range: what a product reads, `LAYER/input`, or
    makes, `LAYER/output`. What one product makes and the next one reads as it is has one site.

    Args:
      recipe: of `find_recipe`.
      grids: of every site; None: nothing is rounded.
      looks: whether to find least and largest values.

    Attributes:
      seen: those of every site, scalars.
      rules: of every layer.
      results: the operator of every layer and table, and what its result is called in a file.
    """

    def __init__(self, recipe: Recipe, grids: Mapping[str, Grid] | None, looks: bool = False):
        self.recipe = recipe
        self.grids = grids
        self.looks = looks
        self.seen: dict[str, tuple[Any, Any]] = {}
        self.rules: dict[str, Rule | None] = {}
        self.results: set[tuple[str, str]] = set()
        # The tensors themselves stay: Python gives the number of one that is gone to another.
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
        made = self._at(output, product, activation)
        self._made[id(made)] = made, output
        return made

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
        """activation(x) at a site: looked at, then put on its grid."""
        if self.looks:
            self.seen[site] = _extremes(x, *_CUT_OFF_BY.get(activation or "", (None, None)))
        if self.grids:
            # A grid of what comes from relu begins at zero, with relu6 it ends at six or before: it cuts off the same.
            return grid.activations(x, self.grids[site])
        return _activated(x, activation)


def _extremes(x: Any, least: float | None, most: float | None) -> tuple[Any, Any]:
    """Least and largest value of x, if it is not cut off at others, scalars."""
    x = tf.stop_gradient(x)
    low = tf.constant(least) if least is not None else tf.reduce_min(x)
    return low, tf.reduce_max(x) if most is None else tf.minimum(tf.reduce_max(x), most)


def _activated(x: Any, activation: str | None) -> Any:
    return ACTIVATIONS[activation](x) if activation else x
