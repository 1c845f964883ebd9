"""The rule of a recipe for each layer, and the recipes that a network can be fine-tuned for."""

from __future__ import annotations

import re

from mobilebert_tf.errors import UsageError
from mobilebert_tf.export.recipes import PRODUCTS, TABLES, Recipe, Rule, parse_recipes

_IMITATED = (*PRODUCTS, *TABLES)
_ENDS = ("INPUT", "OUTPUT")
"""Inputs and outputs of a graph, ids and logits, which are no layers."""


def find_recipe(name: str) -> Recipe:
    """The recipe of this name, or in this file, if a network can be fine-tuned for it.

    Raises:
      UsageError: there is no such recipe, the file has several, or training cannot imitate the recipe.
    """
    try:
        (recipe,) = parse_recipes(name)
    except ValueError:
        raise UsageError(f"--quantization_recipe={name}: must be one recipe") from None
    except UsageError as error:
        raise UsageError(str(error).replace("--recipes", "--quantization_recipe")) from None
    fault = _fault(recipe)
    if fault:
        raise UsageError(f"--quantization_recipe={name}: {fault}")
    return recipe


def _fault(recipe: Recipe) -> str | None:
    """The reason why a network cannot be fine-tuned for this recipe; None: it can."""
    if not recipe.is_static:
        return (
            "has no static activations, so training has no ranges to imitate; choose static_int8 or a file of your own"
        )
    for rule in recipe.rules:
        others = [one for one in rule.operators if one not in (*_IMITATED, *_ENDS)]
        if others and rule.weights != "float32":
            return f"has a rule for {others[0]}, but training imitates only {' and '.join(_IMITATED)}"
        if TABLES[0] in rule.operators and rule.is_static:
            return f"makes {TABLES[0]} static, but training imitates only tables whose rows are used in float"
    if len({rule.activations for rule in recipe.rules if rule.is_static}) > 1:
        return "has static activations in both int8 and int16, but training can imitate only one of them"
    return None


def rule_of(recipe: Recipe, operator: str, result: str) -> Rule | None:
    """The rule for one operator of a file, given its name and its result's; None: it stays in float."""
    for rule in reversed(recipe.rules):
        if operator in rule.operators and re.search(rule.layers, result):
            return None if rule.weights in ("float32", "float16") else rule
    return None


def result_of(layer: str) -> str:
    """Name of a layer's result in a file, in the form that rules are matched with."""
    return _RESULTS.get(layer, f"{layer}/MatMul;")


_RESULTS = {
    "classifier": "classifier/logits",
    "embeddings/words": "embeddings/GatherV2;",
    "embeddings/places": "embeddings/GatherV2_1;",
}


def layer_of(result: str) -> str:
    """The layer of a product, from its result's name in a file, which may include operations folded into it."""
    names = result.split(";")
    return next((name for name in names if "/MatMul" in name), names[0]).rpartition("/")[0]
